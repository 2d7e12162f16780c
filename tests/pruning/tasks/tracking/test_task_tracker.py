"""The tracker inside fit: what is recorded, shown, written and gone on with."""

import io

import keras
import numpy as np
import pytest
from rich.console import Console

import pruning
import schedules
from pruning.tasks.tracking.live_view import LiveView
from pruning.tasks.tracking.task_history import read_history

SCHEDULE = schedules.PolynomialDecay(0.2, 0.5, begin_step=4, end_step=8, power=1, frequency=2)


def dense(two):
    """A model that has learnt something, its updates counted from here on."""
    model, (x, y) = two.compiled(rate=0.02), two.data(96)
    model.fit(x, y, batch_size=16, epochs=8, verbose=0, shuffle=False)
    model.optimizer.iterations.assign(0)
    model.optimizer.learning_rate = 0.001
    return model


def training(two, path=None, epochs=3, model=None, begin=0, console=None, **options):
    """Six updates an epoch, cuts before updates 4, 6 and 8."""
    model, (x, y) = model or dense(two), two.data(96)
    floors = {"order": {"accuracy": 0.1}}
    tasks = pruning.TaskMeasures.of_outputs(model, *two.data(64, seed=2), floors=floors)
    pruner = pruning.PruningCallback(pruning.L1(), SCHEDULE)
    tracker = pruning.TaskTracker(tasks, pruner, path, console=console, show=console is not None, **options)
    fit = model.fit(
        x, y, batch_size=16, initial_epoch=begin, epochs=epochs, verbose=0, shuffle=False, callbacks=[pruner, tracker]
    )
    return model, tasks, tracker, fit.history


@pytest.fixture(scope="module")
def run(two_again, tmp_path_factory):
    """A whole training in a plain log, with its file."""
    path, console = tmp_path_factory.mktemp("run") / "deep" / "history.csv", Console(file=io.StringIO(), width=200)
    model, tasks, tracker, logs = training(two_again, path, console=console)
    return model, tasks, tracker, logs, path, console.file.getvalue()


def test_every_cut_and_epoch_is_recorded(run):
    model, tasks, tracker, logs, *_ = run
    events = [(record.step, record.event) for record in tracker.records]
    cuts = [(4, "pruned"), (6, "epoch"), (6, "pruned"), (8, "pruned"), (12, "epoch"), (18, "epoch")]
    assert events == [(0, "begin"), *cuts]
    gone = [record.gone["total"] for record in tracker.records]
    assert gone[0] == 0 and gone == sorted(gone) and gone[-1] == pytest.approx(0.5)
    assert set(tracker.records[0].gone) == {"shared", "left", "right", "total"}
    last, dense = tracker.records[-1], tracker.records[0].measured
    assert last.measured == tasks(model)  # nothing trains after the last epoch
    assert last.quality["order"] == pytest.approx(
        (last.measured["order"]["accuracy"] - 0.1) / (dense["order"]["accuracy"] - 0.1)
    )
    assert last.quality["total"] == pytest.approx(dense["total"]["mae"] / last.measured["total"]["mae"])
    assert last.worst == min(last.quality, key=last.quality.get) and tracker.records[0].worst is None
    assert logs["tracked_total_mae"][-1] == last.measured["total"]["mae"]
    assert logs["tracked_worst_quality"][-1] == min(last.quality.values())


def test_a_cut_is_measured_before_its_update(two, run):
    """The record of a cut is of the weights that the cut left, not of those an update later."""
    tracker = run[2]
    again, (x, y) = dense(two), two.data(96)
    again.fit(x[:64], y={k: v[:64] for k, v in y.items()}, batch_size=16, verbose=0, shuffle=False)
    graph = pruning.ChannelGraph(again)
    pruning.hold(again, pruning.plan(graph, pruning.L1()(graph), SCHEDULE(4)[1]), graph)
    expected = pruning.TaskMeasures.of_outputs(again, *two.data(64, seed=2))(again)
    cut = next(record for record in tracker.records if record.event == "pruned")
    for task in expected:
        assert cut.measured[task] == pytest.approx(expected[task], rel=1e-4)


def test_the_history_is_a_tidy_file(run):
    tracker, rows = run[2], read_history(run[4])
    assert len(rows) == len(tracker.rows)
    keys = [(row["step"], row["event"], row["kind"], row["name"], row["measure"]) for row in rows]
    assert len(set(keys)) == len(keys)
    last = [row for row in rows if row["step"] == 18]
    assert {row["measure"] for row in last if row["kind"] == "task"} == {"accuracy", "mae", "loss"}
    [worst] = [row["name"] for row in last if row.get("worst")]
    assert worst == tracker.records[-1].worst
    assert [row["value"] for row in last if row["measure"] == "asked"] == [0.5]


def test_an_interrupted_training_goes_on_with_its_history(two, run, tmp_path):
    """Broken off in its second epoch and started again from the checkpoint of the first."""
    whole = run[2].rows
    path = tmp_path / "history.csv"
    model, *_ = training(two, path, epochs=1)
    model.save(tmp_path / "one.keras")
    training(two, path, epochs=2, model=model, begin=1)  # its last records are those of the training broken off
    model = keras.models.load_model(tmp_path / "one.keras")
    tracker = training(two, path, model=model, begin=1)[2]
    key = lambda row: [row[name] for name in ("step", "event", "kind", "name", "measure")]  # noqa: E731
    assert [key(row) for row in tracker.rows] == [key(row) for row in whole]
    np.testing.assert_allclose([row["value"] for row in tracker.rows], [row["value"] for row in whole], rtol=1e-4)
    assert len(read_history(path)) == len(whole)


def test_fewer_records_are_asked_for(two):
    tracker = training(two, cuts=2)[2]
    assert [record.step for record in tracker.records if record.event == "pruned"] == [4, 8]
    model, (x, y) = two.compiled(), two.data(32)
    tasks = pruning.TaskMeasures.of_outputs(model, x, y)
    tracker = pruning.TaskTracker(tasks, epochs=2, show=False)
    model.fit(x, y, epochs=5, verbose=0, callbacks=[tracker])
    assert [record.epoch for record in tracker.records if record.event == "epoch"] == [1, 3, 4]


def test_a_pruned_model_needs_a_reference(two):
    model, (x, y) = two.compiled(), two.data(32)
    tasks = pruning.TaskMeasures.of_outputs(model, x, y)
    dense, graph = tasks(model), pruning.ChannelGraph(model)
    pruning.hold(model, pruning.plan(graph, pruning.L1()(graph), 0.5), graph)
    with pytest.raises(ValueError, match="dense=tasks"):
        model.fit(x, y, verbose=0, callbacks=[pruning.TaskTracker(tasks, show=False)])
    tracker = pruning.TaskTracker(tasks, dense=dense, show=False)
    model.fit(x, y, verbose=0, callbacks=[tracker])
    assert tracker.records[0].gone["total"] == pytest.approx(0.5)
    assert tracker.records[0].worst in ("order", "total")


def test_a_plain_log_has_a_line_a_record(run):
    tracker, lines = run[2], run[5].splitlines()
    assert len(lines) == len(tracker.records)
    assert lines[0].startswith("update 0 (begin): filters gone 0.0%;") and "worst" not in lines[0]
    assert "asked 50.0%" in lines[-1] and f"worst: {tracker.records[-1].worst}" in lines[-1]


def test_a_terminal_has_a_table(run, tmp_path):
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    view, records = LiveView(console), run[2].records
    view.begin(records[0], records[0].measured, 18)
    for record in records[1:]:
        view.show(record)
    view.end()
    shown = console.file.getvalue()
    assert f"{records[-1].worst} is worst" in shown and "update 18 of 18" in shown
    for name in ("order", "accuracy", "total", "mae", "filters gone", "shared 50%"):
        assert name in shown
    run[2].picture(tmp_path / "table.svg", 1)
    assert "right after a cut" in (tmp_path / "table.svg").read_text(encoding="utf-8").replace("&#160;", " ")
