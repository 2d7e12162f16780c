"""Costs against hand counts."""

import numpy as np
import pytest

import pruning

SHAPES = {"image": (1, 16, 16, 3), "rois": (1, 5, 4)}


def test_plain_by_hand(nets):
    cost = pruning.cost(nets.plain())
    assert cost.macs == 64 * (9 * 3 * 6 + 9 * 6 * 8) + 8 * 4
    assert cost.params == nets.plain().count_params() and cost.bytes == 4 * cost.params
    assert cost.effective.macs == cost.macs
    assert pruning.cost(nets.plain(), (3, 8, 8, 3)).macs == 3 * cost.macs


def test_shared_head_counts_per_level_and_box_head_per_roi(nets):
    cost = pruning.cost(nets.fpn(), SHAPES)
    rpn = 9 * 10 * 9 + 9 * 3 + 9 * 12
    assert cost.parts["rpn"].macs == (64 + 16 + 4) * rpn
    assert cost.parts["box_head"].macs == 5 * (40 * 12 + 12 * 3)
    assert sum(part.macs for part in cost.parts.values()) == cost.macs
    assert cost.params == nets.fpn().count_params()
    assert "rois (1, 5, 4)" in str(cost)


def test_transpose_is_applied_at_the_input(nets):
    rows = {row.path: row for row in pruning.cost(nets.transpose_depthwise()).layers}
    assert rows["up"].macs == 64 * (2 * 2 * 4 * 12)
    assert rows["deep"].macs == 64 * 9 * 12
    assert rows["sep"].macs == 256 * (9 * 4 + 4 * 6)
    assert rows["grouped"].macs == 256 * 9 * 2 * 6


def test_effective_is_the_cost_of_the_smaller_model(nets):
    model = nets.shake(nets.plain())
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    asked = pruning.cost(model, plan=plan).effective
    pruning.apply_masks(model, plan)
    cost = pruning.cost(model)
    assert cost.effective.macs == 64 * (9 * 3 * 3 + 9 * 3 * 4) + 4 * 4 == asked.macs
    assert cost.effective.params == (27 * 3 + 3 + 12) + (27 * 4 + 4 + 16) + (16 + 4) == asked.params
    assert cost.macs == 64 * (9 * 3 * 6 + 9 * 6 * 8) + 8 * 4
    assert "unmasked" in str(cost)


def test_unknown_sizes_are_named(nets):
    with pytest.raises(ValueError, match="input 'image' is not fixed"):
        pruning.cost(nets.fpn())
    with pytest.raises(ValueError, match="has inputs image, rois"):
        pruning.cost(nets.fpn(), {"image": (1, 16, 16, 3)})
    with pytest.raises(ValueError, match=r"input_shapes\['rois'\]"):
        pruning.cost(nets.fpn(), {"image": (1, 16, 16, 3), "rois": (5, 4)})
    assert np.prod(SHAPES["image"]) == 768
