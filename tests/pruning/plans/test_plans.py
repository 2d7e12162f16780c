"""Exact counts, and plans that only fit their model."""

import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pruning
from pruning.plans.pools import rounded

L = keras.layers


def test_layer_scope_is_uniform_and_ties_go_by_position(nets):
    graph = pruning.ChannelGraph(nets.fpn())
    flat = pruning.Scores({g.name: np.ones(g.size) for g in graph.prunable}, "flat", graph.fingerprint)
    plan = pruning.plan(graph, flat, 0.5)
    assert all(channels == tuple(range(len(channels))) for channels in plan.removed.values())
    assert plan.removed["features/c2"] == (0, 1, 2)
    assert plan.removed["rpn/rpn_conv"] == (0, 1, 2, 3)  # 4.5: the smaller of two equally near


@given(sparsity=st.floats(0, 0.95), scope=st.sampled_from(["layer", "part", "global"]), seed=st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_counts_are_exact_and_the_lowest_go(sparsity, scope, seed):
    graph = GRAPHS.setdefault("graph", pruning.ChannelGraph(_three_convs()))
    scores = pruning.Random(seed)(graph)
    plan = pruning.plan(graph, scores, sparsity, scope=scope)
    total, cut = 0, 0
    for group in graph.prunable:
        gone = plan.gone(group.name)
        total, cut = total + group.size, cut + int(gone.sum())
        assert gone.sum() < group.size
        if gone.any():
            assert scores[group.name][gone].max() <= scores[group.name][~gone].min()
        if scope == "layer":
            assert abs(gone.sum() - sparsity * group.size) <= 0.5 + 1e-9 or gone.sum() == group.size - 1
    assert plan.achieved == pytest.approx(cut / total)
    if scope == "global" and sparsity < 0.8:
        assert abs(cut - sparsity * total) <= 0.5 + 1e-9


GRAPHS = {}


def _three_convs():
    x = image = keras.Input((4, 4, 3))
    for width in (5, 16, 11):
        x = L.Conv2D(width, 1)(x)
    return keras.Model(image, L.Conv2D(2, 1)(x))


def test_global_scope_counts_every_filter_of_a_stream(nets):
    graph = pruning.ChannelGraph(nets.residual())  # stem+back: 8 channels of 2 filters; inside: 5 of 1
    low = {"stem": np.zeros(8), "inside": np.ones(5)}
    scores = pruning.Scores({g.name: low[g.name] for g in graph.prunable}, "given", graph.fingerprint)
    plan = pruning.plan(graph, scores, 10 / 21, scope="global")
    assert plan.removed == {"stem": (0, 1, 2, 3, 4), "inside": ()}
    assert plan.achieved == pytest.approx(10 / 21)


@pytest.mark.parametrize(
    ("kept", "most", "size", "round_to", "floor", "expected"),
    [
        (12, 24, 24, 8, 1, 16),
        (11, 24, 24, 8, 1, 8),
        (19, 20, 20, 8, 1, 20),
        (3, 24, 24, 8, 1, 8),
        (3, 4, 4, 8, 1, 4),
        (3, 6, 8, 8, 1, 3),
        (12, 13, 24, 8, 1, 8),
    ],
)
def test_rounding(kept, most, size, round_to, floor, expected):
    assert rounded(kept, most, size, round_to, floor) == expected


def test_floors_and_what_is_gone_already(nets):
    graph = pruning.ChannelGraph(nets.plain())
    scores = pruning.L1()(graph)
    plan = pruning.plan(graph, scores, 0.9, min_channels=3)
    assert [len(plan.removed[name]) for name in ("conv0", "conv1")] == [3, 5]
    assert plan.asked == 0.9 and plan.achieved == pytest.approx(8 / 14)
    best = {"conv0": scores["conv0"] == scores["conv0"].max()}
    again = pruning.plan(graph, scores, 0.5, already=best)
    assert again.gone("conv0")[best["conv0"]].all() and len(again.removed["conv0"]) == 3


def test_plan_file_round_trips_and_is_readable(nets, tmp_path):
    graph = pruning.ChannelGraph(nets.fpn())
    plan = pruning.plan(graph, pruning.Random(1)(graph), 0.4, scope="global", round_to=2)
    plan.save(tmp_path / "plan.json")
    assert pruning.Plan.load(tmp_path / "plan.json") == plan
    data = json.loads((tmp_path / "plan.json").read_text())
    assert data["groups"]["rpn/rpn_conv"]["size"] == 9 and data["criterion"] == "Random"
    assert '"rpn/rpn_conv": {"size": 9' in (tmp_path / "plan.json").read_text()


def test_a_plan_fits_only_its_structure(nets, tmp_path):
    graph = pruning.ChannelGraph(nets.plain())
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    pruning.mask(nets.plain(), plan)  # other weights, same structure
    x = image = keras.Input((8, 8, 3), name="image")
    for number, width in enumerate((6, 9)):
        x = L.ReLU()(L.BatchNormalization(name=f"norm{number}")(L.Conv2D(width, 3, name=f"conv{number}")(x)))
    wider = keras.Model(image, L.Dense(4, name="logits")(L.GlobalAveragePooling2D()(x)))
    with pytest.raises(ValueError, match="group 'conv1' has 9 channels, the plan was made for 8"):
        pruning.mask(wider, plan)
    with pytest.raises(ValueError, match="no group 'conv0'"):
        pruning.mask(nets.residual(), plan)
    (tmp_path / "bad.json").write_text('{"format": 1}')
    with pytest.raises(ValueError, match="bad.json is not a pruning plan"):
        pruning.Plan.load(tmp_path / "bad.json")


def test_wrong_arguments_are_named(nets):
    graph = pruning.ChannelGraph(nets.plain())
    scores = pruning.L1()(graph)
    for arguments, word in (
        ({"sparsity": 50}, "sparsity is 50"),
        ({"scope": "block"}, "layer, part, global"),
        ({"measure": "flops"}, "accepted: filters, params, macs"),
        ({"max_sparsity": {"head": 0.5}}, "of the parts plain"),
        ({"round_to": 0}, "round_to"),
    ):
        with pytest.raises(ValueError, match=word):
            pruning.plan(graph, scores, **arguments)
    with pytest.raises(ValueError, match="another model's graph"):
        pruning.plan(pruning.ChannelGraph(nets.residual()), scores)
    unsure = pruning.Scores({**scores.values, "conv0": np.full(6, np.nan)}, "odd", graph.fingerprint)
    with pytest.raises(ValueError, match="NaN"):
        pruning.plan(graph, unsure)
