from types import SimpleNamespace

import numpy as np
import pandas as pd

from experiments.runs.measuring import Measuring, measures_by_class, worst_classes
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.run_folder import RunFolder
from experiments.sample_answers import Answers, Tally
from experiments.table.class_table import class_file


def test_the_worst_class_is_told_of_every_task_that_knows_classes(made):
    """Of classes by the primary measure, of boxes and masks by what the problem tells beside it."""
    nan = float("nan")
    right, of = np.array([[3.0, 1.0, 0.0]]), np.array([[4.0, 2.0, 0.0]])
    answers = Answers(
        {"class": Tally(right, of, ("a", "b", "unseen")), "mask": Tally(np.ones((1, 1)), np.ones((1, 1)))},
        by_class={
            "objects": {"a": 4.0, "b": 2.0, "unseen": 0.0},
            "class_nll": {"a": 0.1, "b": 0.9},  # not what tells the worst: the primary measure has classes
            "bbox_ap": {"a": 0.25, "b": 0.5, "unseen": nan},
            "bbox_ap50": {"a": 0.9, "b": 0.1},
            "mask_ap": {"a": 0.5, "unseen": nan},  # one class that is known is no worst of several
        },
    )
    problem = SimpleNamespace(declaration=lambda: made.PROBLEM)
    assert measures_by_class(problem, answers) == {"class_accuracy": {"a": 0.75, "b": 0.5}, **answers.by_class}
    assert worst_classes(problem, answers) == {
        "bbox_worst_class": "a", "bbox_worst_ap": 0.25, "class_worst_class": "b", "class_worst_accuracy": 0.5,
    }  # fmt: skip


def test_where_lower_is_better_the_worst_is_the_highest(made):
    answers = Answers(by_class={"class_nll": {"a": 0.1, "b": 0.9}})
    problem = SimpleNamespace(declaration=lambda: made.PROBLEM)
    assert worst_classes(problem, answers) == {"class_worst_class": "b", "class_worst_nll": 0.9}


def test_what_changed_is_kept_as_columns_and_by_class(made, tmp_path):
    """Shares are columns of the row; those of single classes stand in the run's own table."""
    seen = {}

    class Changed:
        recipe = SimpleNamespace(evaluation=SimpleNamespace(split="test"))

        def declaration(self):
            return made.PROBLEM

        def watch(self, progress):
            pass

        def churn(self, dense, now):
            seen["pair"] = dense.found["x"].tolist(), now.found["x"].tolist()
            return {"bbox": {"lost": 0.5, "lost_by_class": {"a": 0.25, "b": 1.0}}}

    measuring = Measuring(Changed(), Meter())
    folders = {name: RunFolder(tmp_path / name) for name in ("dense-s0", "pruned-s0")}
    for folder in folders.values():
        folder.path.mkdir()
    by_class = {"bbox_ap": {"a": 0.5, "b": 0.1}}
    answers = [Answers(found={"x": np.array([number])}, by_class=by_class) for number in (1, 2)]
    assert measuring.keep(answers[0], folders["dense-s0"], "dense", None) == {}
    assert measuring.keep(answers[1], folders["pruned-s0"], "pruned", "dense-s0") == {"churn_bbox_lost": 0.5}
    assert seen["pair"] == ([1], [2])
    tables = [pd.read_csv(class_file(tmp_path / run, stage), index_col="class")
              for run, stage in (("dense-s0", "dense"), ("pruned-s0", "pruned"))]  # fmt: skip
    assert list(tables[0]) == ["bbox_ap"] and list(tables[1]) == ["bbox_ap", "churn_bbox_lost_by_class"]
    assert tables[1].loc["b"].tolist() == [0.1, 1.0]
