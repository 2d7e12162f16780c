"""Odd arguments are refused with the argument's name, or rounded; what is accepted gives a schedule that holds."""

import json
import math
from dataclasses import MISSING, fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import schedules

# Of a sparsity by numbers; Repeated takes a schedule.
OTHERS = (schedules.Schedule, schedules.Repeated)
EVERY = [
    kind for kind in vars(schedules).values()
    if isinstance(kind, type) and issubclass(kind, schedules.Schedule) and kind not in OTHERS
]  # fmt: skip
GOOD = {"initial_sparsity": 0.1, "final_sparsity": 0.5, "target_sparsity": 0.5, "begin_step": 2, "end_step": 40}
COUNTS = ("n_steps", "cycles")
STEPS = ("begin_step", "end_step", "frequency")
ODD = st.one_of(
    st.sampled_from(["0.5", "10", "", None, True, False, [1], (2,), {}, 1j, b"1", np.bool_(True), np.ones(2)]),
    st.floats(allow_nan=True, allow_infinity=True), st.integers(-3, 10**25), st.floats(-2, 2),
)  # fmt: skip


def good(kind):
    """Arguments that a class takes."""
    names = {field.name: field.default for field in fields(kind)}
    return {name: GOOD.get(name, 3 if default is MISSING else default) for name, default in names.items()}


PLACES = [(kind, name) for kind in EVERY for name in good(kind)]


def test_there_are_eight_classes_and_each_takes_good_arguments():
    assert len(EVERY) == 8
    for kind in EVERY:
        assert 0 <= kind(**good(kind))(20)[1] < 1


@pytest.mark.parametrize(("kind", "name"), PLACES)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "0.5", None, True, [1], 1j, np.bool_(True)])
def test_what_is_no_number_is_refused_by_name(kind, name, value):
    with pytest.raises(ValueError, match=rf"{kind.__name__}: {name} is "):
        kind(**{**good(kind), name: value})


@given(place=st.sampled_from(PLACES), value=ODD)
def test_anything_is_refused_or_gives_a_schedule_that_holds(place, value):
    kind, name = place
    try:
        s = kind(**{**good(kind), name: value})
    except ValueError as error:
        assert name in str(error) or "sparsity" in str(error) or "step" in str(error)
        return
    assert all(isinstance(getattr(s, step), int) for step in STEPS)
    assert json.loads(json.dumps(s.get_config())) == s.get_config() and schedules.from_config(s.get_config()) == s
    begin, end = s.begin_step, s.end_step if s.end_step != -1 else s.begin_step + 100
    least, most = getattr(s, "initial_sparsity", 0.0), getattr(s, "final_sparsity", getattr(s, "target_sparsity", 0.0))
    for step in {begin, end, (begin + end) // 2, begin + 1, max(0, end - 1)}:
        assert least - 1e-9 <= s(step)[1] <= most + 1e-9
    assert s(end)[1] == most and s.prunes(s.begin_step)


@pytest.mark.parametrize("kind", EVERY)
def test_fractional_steps_are_rounded_and_mere_fractions_refused(kind):
    settable = [name for name in STEPS if name in good(kind)]
    for name in settable:
        assert getattr(kind(**{**good(kind), name: np.float32(10.4)}), name) == 10
        assert getattr(kind(**{**good(kind), name: np.int64(7)}), name) == 7
        with pytest.raises(ValueError, match=rf"{name} is 0.8, a fraction.*number of steps"):
            kind(**{**good(kind), name: 0.8})
    s = kind(**{**good(kind), **{name: 2.6 * (10 if name == "end_step" else 1) for name in settable}})
    assert s.prunes(3) and (kind is schedules.OneShot or s.prunes(26))


@pytest.mark.parametrize("kind", [kind for kind in EVERY if "initial_sparsity" in good(kind)])
def test_an_initial_sparsity_above_the_final_one_is_refused(kind):
    with pytest.raises(ValueError, match=r"initial_sparsity 0.8 is above final_sparsity 0.5"):
        kind(**{**good(kind), "initial_sparsity": 0.8})
    assert kind(**{**good(kind), "initial_sparsity": 0.5})(7)[1] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: schedules.IterativeSparsity(0, 0.6, 0, 100, n_steps=2.5), "n_steps is 2.5; expected a whole number"),
        (lambda: schedules.CyclicalSparsity(0, 0.5, 0, 10, cycles=1.5), "cycles is 1.5; expected a whole number"),
        (lambda: schedules.OneCycleSparsity(0, 0.5, 0, 10, b=1000.0), "b is 1000.0; expected an offset of at most 700"),
        (lambda: schedules.OneCycleSparsity(0, 0.5, 0, 10, a=-1), "a is -1.*steepness above 0"),
        (lambda: schedules.from_config({"class_name": "OneShot", "config": None}), "expected the dict"),
    ],
)
def test_errors_say_what_is_expected(make, word):
    with pytest.raises(ValueError, match=word):
        make()


def test_large_offsets_and_powers_stay_numbers():
    steep = schedules.OneCycleSparsity(0, 0.5, 0, 10, a=1e6, b=700)
    for s in (steep, schedules.PolynomialDecay(0, 0.5, 0, 10, power=1e9)):
        assert all(0 <= s(step)[1] <= 0.5 for step in range(12))
    assert schedules.IterativeSparsity(0, 0.6, 0, 100, n_steps=3.0).n_steps == 3
