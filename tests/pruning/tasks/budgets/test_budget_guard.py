"""The guard: a schedule whose clock stops, and what it does in training."""

import keras
import pytest

import pruning
import schedules
from pruning.tasks.budgets.budget_guard import GuardedSchedule
from pruning.tasks.snapshot import Snapshot, silence

CURVE = schedules.PolynomialDecay(0.0, 0.8, begin_step=2, end_step=10, frequency=2)
TRAINED = schedules.PolynomialDecay(0.3, 0.8, begin_step=2, end_step=10, frequency=2)


def cuts(schedule, steps):
    return [(step, round(asked, 6)) for step in steps for due, asked in [schedule(step)] if due]


def test_a_pause_moves_what_follows():
    plain = cuts(CURVE, range(40))
    guarded = GuardedSchedule(CURVE)
    before = cuts(guarded, range(5))  # asked about 0 to 4
    guarded.pause()
    assert guarded.paused and cuts(guarded, range(5, 12)) == []
    guarded.resume()
    after = cuts(guarded, range(12, 40))
    assert before == plain[:2] and after == [(step + 7, asked) for step, asked in plain[2:]]
    assert guarded.end_step == 17 and guarded.begin_step == 2
    guarded.pause(), guarded.resume()  # of no length
    assert guarded.end_step == 17
    assert cuts(guarded, range(40)) == before + after  # what was, is answered alike again


def test_a_stop_is_for_good():
    guarded = GuardedSchedule(CURVE)
    assert cuts(guarded, range(7))
    guarded.stop()
    assert cuts(guarded, range(7, 40)) == [] and guarded.end_step == 7


@pytest.fixture
def fit(trained):
    """Cuts before updates 2, 4, ..., 10; a judgement after every four updates; then the model is as it was."""
    before = Snapshot(trained.model)

    def run(action, drop, patience=1, epochs=4):
        model, (x, y) = trained.model, trained.data
        model.optimizer.iterations.assign(0)
        model.optimizer.learning_rate = 1e-4  # nothing recovers by itself
        pruner = pruning.PruningCallback(pruning.L1(), TRAINED)
        budget = schedules.TaskBudget(total=drop, unit="absolute")
        guard = pruning.BudgetGuard(budget, trained.tasks, pruner, action, patience=patience, say=lambda line: None)
        watch = Watch(trained.graph)
        model.fit(x, y, batch_size=32, epochs=epochs, verbose=0, shuffle=False, callbacks=[pruner, guard, watch])
        return guard, pruner, watch.gone

    yield run
    silence(trained.graph, {})
    before.restore()


class Watch(keras.callbacks.Callback):
    """How many channels are silent at the end of each epoch."""

    def __init__(self, graph):
        super().__init__()
        self.graph, self.gone = graph, []

    def on_epoch_end(self, epoch, logs=None):
        self.gone.append(sum(int(channels.sum()) for channels in pruning.silent(self.graph).values()))


def test_a_budget_that_holds_changes_nothing(fit):
    guard, pruner, gone = fit("stop", drop=100.0)
    assert [row["action"] for row in guard.log] == [""] * 4 and pruner.plan.asked == 0.8


def test_stop(fit):
    guard, pruner, gone = fit("stop", drop=1e-3)
    first = next(n for n, row in enumerate(guard.log) if row["action"])
    assert guard.log[first]["action"] == "stop" and guard.log[first]["binding"] == "total"
    assert len(guard.log) == first + 1 and set(gone[first:]) == {gone[first]} and pruner.plan.asked < 0.8


def test_pause_and_no_way_back(fit):
    guard, pruner, gone = fit("pause", drop=1e-3)
    assert [row["action"] for row in guard.log].count("pause") == 1 and guard.schedule.paused
    assert gone[-1] == gone[0] and guard.log[-1]["drops"]["total"] > 1e-3


def test_step_back(fit):
    guard, pruner, gone = fit("step_back", drop=1e-3)
    first = next(n for n, row in enumerate(guard.log) if row["action"])
    assert guard.log[first]["action"] == "step_back" and pruner.plan is None
    assert gone == [0] * 4  # the cut of the first epoch is undone, and none follows
    assert int(guard.model.optimizer.iterations) == 16


def test_patience(fit):
    guard, *_ = fit("stop", drop=1e-3, patience=2)
    crossed = [row["drops"]["total"] > 1e-3 for row in guard.log]
    assert guard.log[-1]["action"] == "stop" and crossed[-2:] == [True, True]


def test_mistakes_are_named():
    pruner = pruning.PruningCallback(pruning.L1(), CURVE)
    tasks = pruning.TaskMeasures(lambda model: {})
    with pytest.raises(ValueError, match="action is 'halt'"):
        pruning.BudgetGuard(schedules.TaskBudget(total=1.0), tasks, pruner, "halt")
    with pytest.raises(ValueError, match="patience 0"):
        pruning.BudgetGuard(schedules.TaskBudget(total=1.0), tasks, pruner, patience=0)
