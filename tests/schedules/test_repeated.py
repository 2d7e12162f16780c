"""A schedule run again and again: its own values in every cycle."""

import pytest

import schedules

INNER = schedules.PolynomialDecay(0.1, 0.8, 20, 50, power=3, frequency=7)


def test_every_cycle_is_the_schedule_itself():
    thrice = schedules.Repeated(INNER, cycles=3)
    assert (thrice.begin_step, thrice.end_step) == (20, 20 + 3 * 31 - 1)
    for cycle in range(3):
        for step in range(20, 51):
            assert thrice(step + 31 * cycle) == INNER(step)
    assert thrice(19) == INNER(19) == (False, 0.1)
    assert thrice(113) == (False, 0.8) == thrice(10_000)
    assert sum(thrice.prunes(step) for step in range(200)) == 3 * sum(INNER.prunes(step) for step in range(200))
    assert thrice.prunes(thrice.end_step) and thrice.sparsity(thrice.end_step) == 0.8


def test_it_falls_between_cycles_and_says_so():
    assert not schedules.Repeated(INNER).rises
    once = schedules.Repeated(INNER, cycles=1)
    assert all(once(step) == INNER(step) for step in range(120))


def test_its_config_comes_back():
    made = schedules.Repeated(INNER, cycles=2)
    config = made.get_config()
    assert config["config"]["schedule"] == INNER.get_config()
    again = schedules.from_config(config)
    assert again == made
    assert [again(step) for step in range(90)] == [made(step) for step in range(90)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"schedule": schedules.ConstantSparsity(0.5, 0)}, "has an end"),
        ({"schedule": "cubic"}, "has an end"),
        ({"schedule": INNER, "cycles": 0}, "1 or more"),
        ({"schedule": INNER, "cycles": 1.5}, "whole number"),
        ({"schedule": INNER, "cycles": True}, "whole number"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        schedules.Repeated(**arguments)
