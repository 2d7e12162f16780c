"""PAGCP's rule: how far each group goes, and which task stops it."""

import numpy as np
import pytest

import pruning
from pruning.tasks.budgets.loss_surrogate import tolerances
from pruning.tasks.snapshot import Snapshot, silence


@pytest.mark.parametrize("rise, count", [(0.1, 1), (0.1, 7), (3.0, 4), (0.02, 60)])
def test_tolerances_fall_and_multiply_to_the_rise(rise, count):
    found = tolerances(rise, count)
    assert np.prod(1 + found) == pytest.approx(1 + rise, rel=1e-6)
    assert (np.diff(found) <= 0).all() and found[0] <= rise + 1e-12


def test_no_loss_rises_by_more_than_it_may(trained):
    for rise in (0.05, 0.5):
        found = pruning.grow_within(trained.graph, trained.scores, trained.tasks, rise)
        assert 0 < found.saved and max(found.rises.values()) <= rise + 1e-6
        masked = pruning.mask(trained.model, found.plan)
        dense = pruning.cost(trained.model)
        assert found.saved == pytest.approx(1 - pruning.cost(masked).effective.macs / dense.macs)
    assert not any(channels.any() for channels in pruning.silent(trained.graph).values())  # left as it was


def test_each_group_stops_one_step_before_its_limit(trained):
    """One step more in a group breaks the limit of its turn, by the task that is named."""
    found = pruning.grow_within(trained.graph, trained.scores, trained.tasks, 0.3, step=0.1)
    dense = trained.tasks.losses()
    gone = {}
    for step in found.steps:
        group = trained.graph[step["group"]]
        order = np.argsort(trained.scores[group.name], kind="stable")
        if step["binding"]:
            further = dict(gone, **{group.name: order[: round((step["ratio"] + 0.1) * group.size)]})
            snapshot = Snapshot(trained.model)
            bools = {name: np.isin(np.arange(trained.graph[name].size), cut) for name, cut in further.items()}
            silence(trained.graph, bools)
            losses = trained.tasks.losses()
            silence(trained.graph, {})
            snapshot.restore()
            relative = {task: losses[task] / dense[task] for task in dense}
            assert max(relative.values()) > step["limit"] and step["binding"] == max(relative, key=relative.get)
        if step["ratio"]:
            gone[group.name] = order[: round(step["ratio"] * group.size)]
    assert [step["binding"] for step in found.steps].count("") < 3


def test_a_tasks_own_group_is_free_for_the_others(trained):
    """Where only `order` counts, what only `total` reads gives up its largest ratio."""
    found = pruning.grow_within(trained.graph, trained.scores, trained.tasks, 0.1, only=("order",), most=0.8)
    steps = {step["group"]: step for step in found.steps}
    assert steps["right"]["ratio"] == 0.8 and steps["right"]["binding"] == ""
    assert set(found.binding) <= {"order"} and found.rises["total"] > found.rises["order"]


def test_a_saving_gives_dear_groups_back(trained):
    most = pruning.grow_within(trained.graph, trained.scores, trained.tasks, 2.0)
    less = pruning.grow_within(trained.graph, trained.scores, trained.tasks, 2.0, saving=0.6 * most.saved)
    assert 0.6 * most.saved <= less.saved < most.saved
    assert max(less.rises.values()) <= max(most.rises.values()) + 1e-6


@pytest.mark.parametrize("options, word", [({"rise": 0}, "rise is 0"), ({"rise": 1, "step": 0}, "step 0")])
def test_mistakes_are_named(trained, options, word):
    with pytest.raises(ValueError, match=word):
        pruning.grow_within(trained.graph, trained.scores, trained.tasks, **options)
    with pytest.raises(ValueError, match="'mask' is None"):
        pruning.grow_within(trained.graph, trained.scores, trained.tasks, 0.1, only=("mask",))
