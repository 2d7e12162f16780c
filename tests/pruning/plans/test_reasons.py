"""Where asked and achieved differ by more than a channel, a plan says why; elsewhere it says nothing."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pruning
from pruning.costs.savings import savings

L = keras.layers


def graph_of(*widths):
    x = image = keras.Input((4, 4, 3))
    for number, width in enumerate(widths):
        x = L.Conv2D(width, 1, name=f"conv{number}")(x)
    return pruning.ChannelGraph(keras.Model(image, L.Conv2D(2, 1, name="end")(x), name="chain"))


def planned(graph, *arguments, **settings):
    return pruning.plan(graph, pruning.Random(0), *arguments, **settings)


@given(
    asked=st.floats(0, 0.97),
    scope=st.sampled_from(["layer", "part", "isomorphic", "global"]),
    measure=st.sampled_from(["filters", "macs"]),
    how=st.fixed_dictionaries({
        "round_to": st.sampled_from([1, 1, 4]), "min_channels": st.sampled_from([1, 3]),
        "keep_at_least": st.sampled_from([0.0, 0.3]),
    }),
)  # fmt: skip
@settings(max_examples=25, deadline=None, derandomize=True)
def test_more_than_a_channel_has_a_reason_and_nothing_else_has(asked, scope, measure, how):
    graph = GRAPHS.setdefault("graph", graph_of(3, 4, 4, 4, 4, 12, 20, 9))
    try:
        plan = planned(graph, asked, scope, measure, **how)
    except ValueError as error:
        assert measure == "macs" and "cannot be removed: at most" in str(error)
        return
    if measure == "filters":
        channels = [1 / 60]
    else:
        cost = pruning.cost(graph.model, plan=plan)
        channels = [values.max() / cost.macs for values in savings(graph, "macs").values()]
    difference = abs(plan.achieved - asked)
    if difference > max(channels) * (1 + 1e-9):
        assert plan.reasons
    if measure == "filters":
        assert bool(plan.reasons) == (difference > 1 / 60 + 1e-9)


GRAPHS = {}


def test_nothing_to_say_where_it_is_met():
    for plan in (
        planned(graph_of(20, 30), 0.5),
        planned(graph_of(20, 30), 0.5, "global", "macs"),
        planned(graph_of(6, 6), 0.25),  # 1.5 of 6 channels: as near as channels go
    ):
        assert plan.reasons == () and "because" not in str(plan)


def test_tiny_groups():
    plan = planned(graph_of(4, 4, 4, 4, 4, 4, 100), 0.1)
    assert [len(channels) for channels in plan.removed.values()] == [0] * 6 + [10]
    assert plan.reasons == (
        "tiny groups: 10.00% of 6 groups ('conv0', 'conv1', 'conv2', ...) is no whole number of channels",
    )
    assert "    because tiny groups: 10.00% of 6 groups" in str(plan) and plan.achieved == pytest.approx(10 / 124)


@pytest.mark.parametrize(
    ("settings", "word"),
    [({"min_channels": 5}, "min_channels=5"), ({"keep_at_least": 0.5}, "keep_at_least=0.5")],
)
@pytest.mark.parametrize("scope", ["layer", "global", "isomorphic"])
def test_floors(settings, word, scope):
    plan = planned(graph_of(10, 10), 0.8, scope, **settings)
    assert plan.achieved == 0.5
    assert plan.reasons == (f"floors: 2 groups ('conv0', 'conv1') are at {word}",)


def test_a_floor_that_others_make_up_for_is_no_reason():
    graph = graph_of(8, 40)
    low = pruning.Scores({"conv0": np.zeros(8), "conv1": np.ones(40)}, "given", graph.fingerprint)
    plan = pruning.plan(graph, low, 0.5, "global", min_channels=4)
    assert len(plan.removed["conv0"]) == 4 and plan.achieved == 0.5 and plan.reasons == ()


def test_ceilings():
    plan = planned(graph_of(10, 10), 0.5, max_sparsity={"chain": 0.2})
    assert plan.achieved == pytest.approx(0.2)
    assert plan.reasons == ("ceilings: 2 groups ('conv0', 'conv1') are at max_sparsity={'chain': 0.2}",)


def test_rounding():
    plan = planned(graph_of(24, 40), 0.2, round_to=16)
    assert [24 - len(plan.removed["conv0"]), 40 - len(plan.removed["conv1"])] == [16, 32]
    (reason,) = plan.reasons
    assert reason == "rounding: the group 'conv0' keeps a multiple of round_to=16, or all"


def test_a_cost_that_falls_in_steps():
    plan = planned(graph_of(32, 32, 32, 32), 0.35, measure="macs", round_to=16)
    (reason,) = plan.reasons
    low, high = (float(text.rstrip("%")) / 100 for text in reason.split(" of the macs")[0].split() if "%" in text)
    assert low < 0.35 < high and min(abs(low - 0.35), abs(high - 0.35)) == pytest.approx(
        abs(plan.achieved - 0.35), abs=1e-4
    )
    assert "4 groups" in reason and "widths change by round_to=16" in reason


def test_what_is_gone_already():
    graph = graph_of(20, 20)
    gone = {"conv0": np.arange(20) < 15}
    plan = planned(graph, 0.2, already=gone)
    assert plan.reasons == ("gone already: the group 'conv0' has lost more than 20.00% before",)
    plan = planned(graph, 0.1, measure="macs", already=gone)
    assert plan.achieved > 0.3 and plan.reasons[0].endswith("are gone already; gone channels do not come back")


def test_a_budget_out_of_reach_names_locks_and_floors():
    model = graph_of(10, 10).model
    graph = pruning.ChannelGraph(model, exclude="conv1")
    with pytest.raises(
        ValueError, match=r"at most \d+\.\d\d% can: 'conv1' and 1 more stay whole \(excluded\)"
    ) as caught:
        pruning.plan(graph, pruning.L1(), 0.9, measure="macs", keep_at_least=0.25)
    assert "keep_at_least=0.25" in str(caught.value) and "graph.report()" in str(caught.value)


def test_a_plan_keeps_what_is_locked_and_why(tmp_path):
    graph = pruning.ChannelGraph(graph_of(10, 10).model, exclude="conv1")
    plan = pruning.plan(graph, pruning.L1(), 0.5, min_channels=8)
    assert plan.locked["conv1"] == "excluded" and "reaches the model output" in plan.locked["end"]
    plan.save(tmp_path / "plan.json")
    assert pruning.Plan.load(tmp_path / "plan.json") == plan and plan.reasons
