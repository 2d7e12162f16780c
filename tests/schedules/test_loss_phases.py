"""Phases of loss weights, and weights by need."""

import json
import math

import pytest

import schedules


def test_a_phase_holds_from_its_begin_on():
    phases = schedules.LossPhases([(0, {"a": 1, "b": 0}), (10, {"a": 0.5, "b": 1})])
    assert phases(0) == phases(9) == {"a": 1, "b": 0}
    assert phases(10) == phases(10_000) == {"a": 0.5, "b": 1}
    assert phases == schedules.LossPhases({0: {"a": 1, "b": 0}, 10: {"b": 1, "a": 0.5}})


def test_a_ramp_is_linear():
    phases = schedules.LossPhases([(0, {"a": 1, "b": 0}), (10, {"a": 0, "b": 1})], ramp=4)
    assert [phases(step)["b"] for step in (9, 10, 11, 12, 14, 20)] == [0, 0, 0.25, 0.5, 1, 1]
    assert all(math.isclose(sum(phases(step).values()), 1) for step in range(20))


def test_class_then_box_then_mask():
    phases = schedules.LossPhases.in_turn(("class", "bbox", "mask"), 100, begin=50, always=("proposal",), rounds=2)
    on = [[task for task, factor in phases(step).items() if factor] for step in (0, 50, 149, 150, 250, 350, 650)]
    joint = ["proposal", "class", "bbox", "mask"]
    turns = [["proposal", "class"]] * 2 + [["proposal", "bbox"], ["proposal", "mask"], ["proposal", "class"]]
    assert on == [joint, *turns, joint]
    assert phases.updates(650) == {"proposal": 650, "class": 250, "bbox": 250, "mask": 250}


def test_phases_around_a_schedule():
    schedule = schedules.PolynomialDecay(0.0, 0.5, begin_step=20, end_step=60, frequency=10)
    phases = schedules.LossPhases.around(schedule, during={"mask": 3}, after={"bbox": 2})
    assert phases(19) == {"mask": 1, "bbox": 1} and phases(20) == phases(59) == {"mask": 3, "bbox": 1}
    assert phases(60) == {"mask": 1, "bbox": 2}
    once = schedules.LossPhases.around(schedules.OneShot(0.5), before={"mask": 7}, after={"mask": 2})
    assert once(0) == {"mask": 2}  # the cut is before the first update


@pytest.mark.parametrize(
    "phases, options, word",
    [
        ([], {}, "begin at 0"),
        ([(5, {"a": 1})], {}, "begin at 0"),
        ([(0, {"a": 1}), (0, {"a": 2})], {}, "ascending"),
        ([(0, {"a": 1}), (4.5, {"a": 1})], {}, "4.5"),
        ([(0, {"a": 1}), (5, {"b": 1})], {}, "same tasks"),
        ([(0, {"a": math.nan})], {}, "nan"),
        ([(0, {"a": "1"})], {}, "'1'"),
        ([(0, {"a": True})], {}, "True"),
        ([(0, {"a": -1})], {}, "-1"),
        ([(0, {"a": 0, "b": 0})], {}, "nothing would train"),
        ([(0, {})], {}, "same tasks"),
        ([(0, {"a": 1})], {"unit": "minute"}, "minute"),
        ([(0, {"a": 1}), (5, {"a": 1}), (8, {"a": 1})], {"ramp": 4}, "ramp"),
        (3, {}, "pairs"),
    ],
)
def test_phases_that_are_none(phases, options, word):
    with pytest.raises(ValueError, match=word):
        schedules.LossPhases(phases, **options)


@pytest.mark.parametrize(
    "arguments",
    [
        {"tasks": ("a", "a"), "length": 5},
        {"tasks": "mask", "length": 5},
        {"tasks": ("a",), "length": 0},
        {"tasks": ("a",), "length": 2.5},
        {"tasks": ("a",), "length": 5, "always": ("a",)},
    ],
)
def test_turns_that_are_none(arguments):
    with pytest.raises(ValueError, match="LossPhases"):
        schedules.LossPhases.in_turn(**arguments)


def test_phases_are_plain_data():
    phases = schedules.LossPhases.in_turn(("a", "b"), 3, unit="epoch", ramp=1)
    assert schedules.LossPhases.from_config(json.loads(json.dumps(phases.get_config()))) == phases
    with pytest.raises(ValueError, match="get_config"):
        schedules.LossPhases.from_config({"unit": "step"})
    with pytest.raises(ValueError, match="no end"):
        schedules.LossPhases.around(schedules.ConstantSparsity(0.5, 10), during={"a": 2})


def test_a_task_that_moves_counts_more():
    rule = schedules.AdaptiveWeights(window=2, least=0.0)
    assert rule([{"a": 4.0, "b": 1.0}]) == {"a": 1, "b": 1}
    # |4 - 2| / 2 = 1 beside |1.0 - 0.8| / 0.8 = 0.25: shares 0.8 and 0.2 of a sum of 2.
    found = rule([{"a": 4.0, "b": 1.0}, {"a": 2.0, "b": 0.8}])
    assert found == pytest.approx({"a": 1.6, "b": 0.4})
    # The window forgets: only the last two changes count.
    later = rule([{"a": 9.0, "b": 1.0}, {"a": 2.0, "b": 1.0}, {"a": 2.0, "b": 0.5}, {"a": 2.0, "b": 0.5}])
    assert later == pytest.approx({"a": 0.0, "b": 2.0})


def test_no_task_is_given_up():
    found = schedules.AdaptiveWeights(least=0.1)([{"a": 4.0, "b": 1.0}, {"a": 2.0, "b": 1.0}])
    assert found["b"] == pytest.approx(0.1 * 2 / 2.1) and sum(found.values()) == pytest.approx(2)
    assert schedules.AdaptiveWeights()([{"a": 1.0}, {"a": 1.0}]) == {"a": 1.0}


@pytest.mark.parametrize("epochs", [[], [{"a": math.nan}], [{"a": 1.0}, {"b": 1.0}]])
def test_losses_that_are_none(epochs):
    with pytest.raises(ValueError, match="AdaptiveWeights"):
        schedules.AdaptiveWeights()(epochs)
