from types import SimpleNamespace

import numpy as np

from experiments.runs.measuring import class_measures, worst_classes
from experiments.sample_answers import Answers, Tally


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
    assert class_measures(problem, answers) == {"class_accuracy": {"a": 0.75, "b": 0.5}, **answers.by_class}
    assert worst_classes(problem, answers) == {
        "bbox_worst_class": "a", "bbox_worst_ap": 0.25, "class_worst_class": "b", "class_worst_accuracy": 0.5,
    }  # fmt: skip


def test_where_lower_is_better_the_worst_is_the_highest(made):
    answers = Answers(by_class={"class_nll": {"a": 0.1, "b": 0.9}})
    problem = SimpleNamespace(declaration=lambda: made.PROBLEM)
    assert worst_classes(problem, answers) == {"class_worst_class": "b", "class_worst_nll": 0.9}
