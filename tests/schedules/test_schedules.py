"""Schedules: literal values, invariants, round trips, clear errors."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import schedules

CURVES = [
    schedules.PolynomialDecay,
    schedules.IterativeSparsity,
    schedules.ExponentialSparsity,
    schedules.CosineSparsity,
    schedules.OneCycleSparsity,
    schedules.CyclicalSparsity,
]


def test_polynomial_decay_values():
    s = schedules.PolynomialDecay(0.0, 0.8, begin_step=0, end_step=1000, power=3, frequency=100)
    assert s(0) == (True, 0.0)
    due, sparsity = s(500)
    assert due and sparsity == pytest.approx(0.8 * (1 - 0.5**3))
    assert s(501)[0] is False
    assert s(1000) == (True, 0.8)
    assert s(1100) == (False, 0.8)


def test_an_end_step_off_the_frequency_prunes():
    s = schedules.PolynomialDecay(0.0, 0.8, begin_step=0, end_step=1050, frequency=100)
    assert s(1050) == (True, 0.8)
    assert not s(1049)[0]


def test_constant_sparsity_has_no_end_by_default():
    s = schedules.ConstantSparsity(0.5, begin_step=10)
    assert [step for step in range(300) if s(step)[0]] == [10, 110, 210]
    assert s(10_000_010)[0]
    assert [step for step in range(300) if schedules.ConstantSparsity(0.5, 10, 130)(step)[0]] == [
        10,
        110,
        130,
    ]


def test_one_shot_cuts_once():
    s = schedules.OneShot(0.6, begin_step=7)
    assert [step for step in range(30) if s(step)[0]] == [7]
    assert (s(6)[1], s(7)[1], s(8)[1]) == (0.0, 0.6, 0.6)


def test_iterative_makes_equal_cuts():
    s = schedules.IterativeSparsity(0.0, 0.9, begin_step=0, end_step=90, n_steps=3, frequency=10)
    assert [round(s(step)[1], 6) for step in (0, 10, 30, 40, 60, 70, 90)] == [0, 0.3, 0.3, 0.6, 0.6, 0.9, 0.9]


@pytest.mark.parametrize("frequency", [1, 7, 10, 40, 1000])
@pytest.mark.parametrize("n_steps", [1, 3, 4])
def test_an_iterative_schedule_makes_its_cuts_whatever_the_frequency(frequency, n_steps):
    s = schedules.IterativeSparsity(0.0, 0.6, begin_step=5, end_step=95, n_steps=n_steps, frequency=frequency)
    cuts = sorted({round(sparsity, 9) for due, sparsity in map(s, range(200)) if due and sparsity})
    assert cuts == [round(0.6 * k / n_steps, 9) for k in range(1, n_steps + 1)]
    first = next(step for step in range(200) if s(step)[0] and s(step)[1])
    assert first == 6  # fine-tuning lies between the cuts, not before the first


def test_exponential_takes_the_same_share_of_the_rest():
    s = schedules.ExponentialSparsity(0.0, 1 - 0.8**4, begin_step=0, end_step=40, frequency=10)
    assert [s(step)[1] for step in (10, 20, 30)] == pytest.approx([0.2, 1 - 0.8**2, 1 - 0.8**3])


def test_one_cycle_follows_the_published_formula():
    s = schedules.OneCycleSparsity(0.0, 0.8, begin_step=0, end_step=100)
    assert s(50)[1] == pytest.approx(0.8 * (1 + math.exp(-8)) / (1 + math.exp(-1)))
    assert s(0)[1] / 0.8 == pytest.approx(0.0025, abs=1e-4)


def test_cyclical_falls_and_ends_high():
    s = schedules.CyclicalSparsity(0.1, 0.7, begin_step=0, end_step=50, cycles=3)
    assert [s(step)[1] for step in (0, 10, 20, 30, 40, 50)] == pytest.approx([0.1, 0.7, 0.1, 0.7, 0.1, 0.7])
    assert not s.rises and schedules.CosineSparsity(0, 0.7, 0, 50).rises


@given(
    curve=st.sampled_from(CURVES),
    sparsities=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
    begin=st.integers(0, 500),
    length=st.integers(0, 500),
    frequency=st.integers(1, 120),
)
def test_every_curve_stays_in_range_ends_exactly_and_round_trips(curve, sparsities, begin, length, frequency):
    low, high = sorted(sparsities)
    end = begin + length
    s = curve(low, high, begin, end, frequency=frequency)
    values = [s(step)[1] for step in range(max(0, begin - 2), end + 3)]
    assert s(end) == (True, high)
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in values)
    if s.rises:
        assert all(b >= a - 1e-9 for a, b in zip(values, values[1:], strict=False))
    assert not s(end + 1)[0] and (begin == 0 or not s(begin - 1)[0])
    assert s.prunes(begin)
    assert schedules.from_config(s.get_config()) == s
    assert curve.from_config(s.get_config()) == s == curve.from_config(s.get_config()["config"])


def test_round_trip_of_the_levels():
    for s in (schedules.OneShot(0.5, 3), schedules.ConstantSparsity(0.5, 3, 9, 2)):
        assert schedules.from_config(s.get_config()) == s


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: schedules.PolynomialDecay(0.0, 1.0, 0, 10), "final_sparsity"),
        (lambda: schedules.PolynomialDecay(-0.1, 0.5, 0, 10), "initial_sparsity"),
        (lambda: schedules.PolynomialDecay(0.0, 0.5, 0, -1), "end_step is -1"),
        (lambda: schedules.PolynomialDecay(0.0, 0.5, 20, 10), "before begin_step 20"),
        (lambda: schedules.PolynomialDecay(0.0, 0.5, 0, 10, power=0), "power"),
        (lambda: schedules.ConstantSparsity(0.5, -1), "begin_step"),
        (lambda: schedules.ConstantSparsity(0.5, 0, frequency=0), "frequency"),
        (lambda: schedules.OneShot(50), "fraction in"),
        (lambda: schedules.IterativeSparsity(0, 0.5, 0, 10, n_steps=0), "n_steps"),
        (lambda: schedules.from_config({"class_name": "Sudden", "config": {}}), "PolynomialDecay"),
        (lambda: schedules.from_config({"target_sparsity": 0.5}), "class_name"),
        (lambda: schedules.from_config({"class_name": "OneShot", "config": {"speed": 1}}), "'speed'"),
        (lambda: schedules.from_config({"class_name": "OneShot", "config": {}}), "target_sparsity"),
        (lambda: schedules.PolynomialDecay.from_config(schedules.OneShot(0.5).get_config()), "OneShot"),
        (lambda: schedules.to_tfmot(schedules.CosineSparsity(0, 0.5, 0, 10)), "no CosineSparsity"),
    ],
)
def test_errors_name_the_argument(make, word):
    with pytest.raises(ValueError, match=word):
        make()


def test_a_schedule_of_ones_own_is_one_method():
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Stairs(schedules.Schedule):
        begin_step: int = 0
        end_step: int = 40
        frequency: int = 10

        def sparsity(self, step):
            return step // 10 / 10

    assert Stairs()(30) == (True, 0.3)
    assert schedules.from_config(Stairs(end_step=20).get_config()) == Stairs(end_step=20)
