"""The plot of a tracker's history."""

import pytest

import experiments
from experiments.plots.histories.task_tracks import COLUMNS
from pruning.tasks.tracking import task_history
from pruning.tasks.tracking.task_history import TaskRecord, write_history


def records(losses=True):
    """Two tasks, three cuts: `mask` is worst after the second."""
    loss = {"loss": 0.5} if losses else {}
    found = []
    for step, event, gone, mask in [
        (0, "begin", 0.0, 1.0), (5, "pruned", 0.2, 0.9), (10, "epoch", 0.2, 0.95), (12, "pruned", 0.4, 0.5),
        (20, "epoch", 0.4, 0.7),
    ]:  # fmt: skip
        found.append(
            TaskRecord(
                step, step // 10, event, {"body": gone, "heads": gone / 2, "total": gone}, gone,
                {"box": {"ap": 0.5, **loss}, "mask": {"ap": 0.4 * mask, **loss}}, {"box": 0.8, "mask": mask},
                {"box": "ap", "mask": "ap"}, "mask" if mask < 0.8 else "box",
            )
        )  # fmt: skip
    return found


def written(tmp_path, **options):
    write_history(tmp_path / "history.csv", [row for record in records(**options) for row in record.rows()])
    return tmp_path / "history.csv"


def test_the_columns_are_the_trackers():
    assert COLUMNS == task_history.COLUMNS


def test_three_panels_with_every_cut_and_who_is_worst(tmp_path):
    figure = experiments.plot_history(written(tmp_path), "A title")
    gone, quality, loss = figure.axes
    assert quality.get_ylabel().startswith("quality") and loss.get_yscale() == "log"
    cuts = [line for line in quality.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] == line.get_xdata()[1]]
    assert sorted(float(line.get_xdata()[0]) for line in cuts) == [5, 12]
    spans = [(patch.get_x(), patch.get_x() + patch.get_width(), patch.get_facecolor()[:3]) for patch in quality.patches]
    assert [span[:2] for span in spans] == [(0, 5), (5, 10), (10, 12), (12, 20), (20, 20)]
    assert spans[0][2] != spans[3][2] and spans[3][2] == spans[4][2]
    assert {text.get_text() for text in gone.texts} == {"body", "heads"}
    assert figure._suptitle.get_text() == "A title"


def test_without_losses_there_are_two_panels(tmp_path):
    assert len(experiments.plot_history(written(tmp_path, losses=False)).axes) == 2


def test_other_files_are_named(tmp_path):
    with pytest.raises(experiments.UserError, match="no such history"):
        experiments.plot_history(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("step,loss\n1,2\n")
    with pytest.raises(experiments.UserError, match="no history of tasks"):
        experiments.plot_history(tmp_path / "other.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(experiments.UserError, match="cannot be read"):
        experiments.plot_history(tmp_path / "empty.csv")
