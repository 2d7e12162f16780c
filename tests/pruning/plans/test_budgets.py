"""Budgets of parameters, MACs and bytes are met on the exact cost, and say how far they can go."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pruning

L = keras.layers
SHAPES = {"image": (1, 32, 32, 3), "rois": (1, 5, 4)}


def wide():
    """Two nested parts, wide enough for fine budgets."""

    def part(name, width_in, widths):
        x = inside = keras.Input((16, 16, width_in), name=f"{name}_in")
        for number, width in enumerate(widths):
            x = L.Conv2D(width, 3, padding="same", activation="relu", name=f"{name}{number}")(x)
        return keras.Model(inside, x, name=name)

    image = keras.Input((16, 16, 3), name="image")
    x = part("head", 40, (30, 20))(part("body", 3, (60, 50, 40))(image))
    return keras.Model(image, L.Conv2D(2, 1, name="end")(x), name="wide")


MADE = {}


def graph_of_wide():
    if not MADE:
        MADE["graph"] = pruning.ChannelGraph(wide())
    return MADE["graph"]


@given(
    asked=st.floats(0, 0.9),
    scope=st.sampled_from(["layer", "part", "global"]),
    measure=st.sampled_from(["params", "macs", "bytes"]),
    seed=st.integers(0, 3),
)
@settings(max_examples=20, deadline=None, derandomize=True)
def test_the_exact_cost_is_met(asked, scope, measure, seed):
    graph = graph_of_wide()
    plan = pruning.plan(graph, pruning.Random(seed)(graph), asked, scope=scope, measure=measure)
    cost = pruning.cost(graph.model, plan=plan)
    exact = 1 - getattr(cost.effective, measure) / getattr(cost, measure)
    assert plan.achieved == pytest.approx(exact, abs=1e-12) and plan.measure == measure
    assert plan.achieved == pytest.approx(asked, abs=0.03)


def test_what_is_removed_costs_what_was_planned(nets):
    model = nets.shake(nets.fpn())
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(
        graph, pruning.L1()(graph), 0.5, scope="global", measure="macs", input_shapes=SHAPES
    )
    dense, small = pruning.cost(model, SHAPES), pruning.cost(pruning.remove(model, plan), SHAPES)
    assert 1 - small.macs / dense.macs == pytest.approx(plan.achieved) == pytest.approx(0.5, abs=0.06)
    assert plan.settings["input_shapes"]["rois"] == [1, 5, 4]


def test_more_rois_move_the_budget_to_the_box_head(nets):
    graph = pruning.ChannelGraph(nets.fpn())
    scores = pruning.Random(0)(graph)
    few, many = (
        pruning.plan(graph, scores, 0.5, measure="macs", input_shapes={**SHAPES, "rois": (1, count, 4)})
        for count in (1, 100_000)
    )
    assert few.removed != many.removed


def test_an_open_size_is_named(nets):
    graph = pruning.ChannelGraph(nets.fpn())
    with pytest.raises(ValueError, match="size of input 'image' is not fixed"):
        pruning.plan(graph, pruning.Random(0)(graph), 0.5, measure="macs")
    sized = pruning.ChannelGraph(graph.model, SHAPES)  # the graph's own shapes serve
    assert pruning.plan(sized, pruning.Random(0)(sized), 0.5, measure="macs").measure == "macs"


def test_a_budget_that_cannot_be_met_says_how_far_it_can_go():
    graph = graph_of_wide()
    scores = pruning.Random(0)(graph)
    with pytest.raises(ValueError, match=r"95.00% of macs cannot be removed: at most (\d\d\.\d\d)% can") as caught:
        pruning.plan(graph, scores, 0.95, measure="macs", min_channels=16)
    most = float(str(caught.value).split("at most ")[1].split("%")[0]) / 100
    plan = pruning.plan(graph, scores, most - 0.01, measure="macs", min_channels=16)
    assert plan.achieved == pytest.approx(most - 0.01, abs=0.02)


def test_a_part_stays_under_its_ceiling():
    graph = graph_of_wide()
    scores = pruning.Scores(
        {g.name: np.full(g.size, 0.0 if g.part == "head" else 1.0) for g in graph.prunable},
        "head first",
        graph.fingerprint,
    )

    def share(plan, part):
        groups = [g for g in graph.prunable if g.part == part]
        return sum(len(plan.removed[g.name]) for g in groups) / sum(g.size for g in groups)

    for scope, round_to in (("global", 1), ("part", 1), ("layer", 1), ("global", 8)):
        plan = pruning.plan(
            graph, scores, 0.5, scope, measure="macs", max_sparsity={"head": 0.2}, round_to=round_to
        )
        assert share(plan, "head") <= 0.2 and share(plan, "body") > 0.2
        assert plan.achieved == pytest.approx(0.5, abs=0.08)
    free = pruning.plan(graph, scores, 0.3, "global")
    assert share(free, "head") > 0.2
    shut = pruning.plan(graph, scores, 0.3, max_sparsity={"head": 0.0})
    assert share(shut, "head") == 0 and shut.settings["max_sparsity"] == {"head": 0.0}


def test_what_is_gone_already_counts(nets):
    graph = graph_of_wide()
    scores = pruning.Random(0)(graph)
    first = pruning.plan(graph, scores, 0.4, measure="params")
    gone = {name: first.gone(name) for name in first.sizes}
    again = pruning.plan(graph, pruning.Random(1)(graph), first.achieved, measure="params", already=gone)
    assert again.removed == first.removed
    more = pruning.plan(graph, pruning.Random(1)(graph), 0.6, measure="params", already=gone)
    assert all(more.gone(name)[gone[name]].all() for name in gone)
    assert more.achieved == pytest.approx(0.6, abs=0.03)


def test_a_budget_round_trips_as_json(nets, tmp_path):
    graph = graph_of_wide()
    plan = pruning.plan(
        graph, pruning.L2()(graph), 0.4, "part", "macs", round_to=8, max_sparsity={"body": 0.9}
    )
    plan.save(tmp_path / "plan.json")
    assert pruning.Plan.load(tmp_path / "plan.json") == plan
    assert "of macs go, 40.00% asked" in str(plan)
    assert all((g.size - len(plan.removed[g.name])) % 8 == 0 or not plan.removed[g.name] for g in graph.prunable)


class _ByCost:
    """A timer whose times are exactly proportional to the MACs that are left, and that counts its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, smaller, dense):
        self.calls += 1
        self.speedup = pruning.cost(dense).macs / pruning.cost(smaller).macs
        return self


def test_a_latency_budget_is_met_by_timing_what_is_left():
    graph, timer = graph_of_wide(), _ByCost()
    plan = pruning.plan(graph, pruning.L1()(graph), 0.4, scope="global", measure="latency", timer=timer)
    cost = pruning.cost(graph.model, plan=plan)
    assert plan.achieved == pytest.approx(1 - cost.effective.macs / cost.macs)
    assert plan.achieved == pytest.approx(0.4, abs=0.03) and plan.measure == "latency"
    assert timer.calls <= 8


def test_a_latency_budget_says_how_far_it_can_go_and_wants_a_timer():
    graph = graph_of_wide()
    scores = pruning.L1()(graph)
    with pytest.raises(ValueError, match="needs timer="):
        pruning.plan(graph, scores, 0.4, measure="latency")
    with pytest.raises(ValueError, match=r"90.00% of latency cannot be removed: at most \d\d\.\d\d% can"):
        pruning.plan(graph, scores, 0.9, measure="latency", timer=_ByCost(), max_sparsity={"body": 0.2, "head": 0.2})
