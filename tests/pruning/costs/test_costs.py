"""Costs against hand counts."""

import keras
import numpy as np
import pytest

import pruning

L = keras.layers

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


def test_recurrence_and_attention_are_counted():
    words = keras.Input((5, 8))
    x = L.MultiHeadAttention(2, 4, value_dim=3, name="heads")(words, words)
    x = L.GroupQueryAttention(4, 4, 2, name="grouped")(x, x)
    x = L.GRU(6, name="gru")(L.Attention(name="plain")([x, x]))
    found = {layer.path: layer.macs for layer in pruning.cost(keras.Model(words, x)).layers}
    assert found == {
        "heads": 5 * (2 * 8 * 8 + 8 * 6 + 6 * 8) + 5 * 5 * 2 * (4 + 3),
        "grouped": 5 * (8 * 16 + 2 * 8 * 8 + 16 * 8) + 5 * 5 * 4 * (4 + 4),
        "plain": 5 * 5 * (8 + 8),
        "gru": 5 * 3 * (8 + 6) * 6,
    }


def test_what_cannot_be_counted_is_named():
    class Mixes(L.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=(shape[-1], shape[-1]), name="table")

        def call(self, inputs):
            return inputs @ self.table

    image = keras.Input((8,))
    x = Mixes(name="mixes")(L.Dense(6, name="first")(image))
    x = L.Dense(3, name="end")(L.Dense(10, name="free")(x))
    model = keras.Model(image, x)
    cost = pruning.cost(model)
    assert cost.uncounted == ("mixes",) and cost.macs == 8 * 6 + 6 * 10 + 10 * 3
    assert "MACs are partial: without those of mixes" in str(cost)
    graph = pruning.ChannelGraph(model, unknown="keep")
    with pytest.warns(UserWarning, match="MACs are partial.*mixes"):
        plan = pruning.plan(graph, pruning.L1()(graph), 0.3, measure="macs")
    assert plan.settings["uncounted"] == ["mixes"]
    stated = pruning.ChannelGraph(model, rules={Mixes: "lock"})
    assert pruning.cost(stated).uncounted == ("mixes",)
