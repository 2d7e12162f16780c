"""Churn of detections by made-up boxes; per-picture sums that give the isolated measures again."""

import numpy as np
import pytest

from experiments.lookup import open_problem
from experiments.problems.maskrcnn.maskrcnn_churn import churn, matched

NAMES = ("a", "b", "c", "d")


def shown(*rows):
    """(picture, label, x, y): boxes of 10 px."""
    boxes = np.array([[x, y, x + 10, y + 10] for *_, x, y in rows], np.float32).reshape(-1, 4)
    return {"picture": np.array([row[0] for row in rows], int), "label": np.array([row[1] for row in rows], int),
            "box": boxes}  # fmt: skip


def test_detections_are_lost_gained_relabelled_and_moved():
    dense = shown((0, 1, 0, 0), (0, 2, 50, 50), (1, 1, 0, 0), (2, 3, 9, 9))
    now = shown((0, 1, 0, 0), (0, 1, 50, 50), (0, 1, 80, 0), (1, 1, 0, 2), (3, 1, 0, 0))
    found = churn(dense, now, NAMES)
    # Picture 2's is lost; one each in pictures 0 and 3 is new; picture 0's second has another class.
    assert found["bbox"]["lost"] == pytest.approx(1 / 4)
    assert found["bbox"]["gained"] == pytest.approx(2 / 4)
    assert found["class"]["relabelled"] == pytest.approx(1 / 4)
    assert found["bbox"]["moved"] == pytest.approx(1 - (1 + 1 + 80 / 120) / 3)
    assert found["bbox"]["lost_by_class"] == pytest.approx({"a": 0, "b": 0, "c": 1, "d": np.nan}, nan_ok=True)
    assert found["class"]["relabelled_by_class"] == pytest.approx({"a": 0, "b": 1, "c": 0, "d": np.nan}, nan_ok=True)
    same = churn(dense, dense, NAMES)
    by_class = same["bbox"].pop("lost_by_class")
    assert by_class == pytest.approx({"a": 0, "b": 0, "c": 0, "d": np.nan}, nan_ok=True)
    assert same["bbox"] == pytest.approx(
        {"lost": 0, "gained": 0, "moved": 0, "lost_small": 0, "lost_medium": np.nan, "lost_large": np.nan}, nan_ok=True
    )
    assert same["class"]["relabelled"] == 0


def test_a_network_that_finds_nothing():
    some, none = shown((0, 1, 0, 0)), shown()
    lost = churn(some, none, NAMES)
    assert lost["bbox"]["lost"] == 1.0 and lost["bbox"]["gained"] == 0.0 and np.isnan(lost["bbox"]["moved"])
    shares = [value for of in churn(none, some, NAMES).values() for value in of.values() if not isinstance(value, dict)]
    assert len(shares) == 7 and np.isnan(shares).all()


def test_what_is_lost_is_told_by_its_size():
    """Areas of COCO: under 32, and from 96 px squared on."""
    sides = [10, 32, 95, 96, 200]
    dense = {
        "picture": np.arange(5), "label": np.ones(5, int),
        "box": np.array([[0, 0, side, side] for side in sides], np.float32),
    }  # fmt: skip
    now = {name: values[[0, 2, 4]] for name, values in dense.items()}
    found = churn(dense, now, NAMES)["bbox"]
    assert (found["lost_small"], found["lost_medium"], found["lost_large"]) == (0.0, 0.5, 0.5)
    assert found["lost"] == pytest.approx(0.4)


def test_pairs_are_one_to_one_and_the_largest_overlap_first():
    ious = np.array([[0.6, 0.9], [0.7, 0.8], [0.4, 0.45]])
    assert matched(ious) == [(0, 1, 0.9), (1, 0, 0.7)]
    assert matched(np.zeros((0, 3))) == []


@pytest.mark.slow
def test_the_sums_of_pictures_give_the_isolated_measures_again(tiny):
    problem = open_problem(tiny(data={"train_count": 4, "test_count": 5}, training={"batch_size": 2}))
    measures, answers = problem.evaluate_with_answers(problem.model(0), "test")
    for task, primary in (("proposal", "ar100"), ("bbox", "refined_iou"), ("class", "accuracy"), ("mask", "iou")):
        tally = answers.tallies[task]
        assert len(tally.counted) == 5
        assert tally.value == pytest.approx(measures[task][primary], abs=1e-6), task
    by_class = answers.tallies["class"].by_class()
    assert np.mean(list(by_class.values())) == pytest.approx(measures["class"]["accuracy"])
    assert "background" in by_class
    assert set(answers.found) == {"picture", "label", "box"}
    assert set(answers.by_class) == {"objects", "bbox_ap", "mask_ap"}
    assert {name for of in answers.by_class.values() for name in of} == set(by_class) - {"background"}
    for task in ("bbox", "mask"):
        assert np.nanmean(list(answers.by_class[f"{task}_ap"].values())) == pytest.approx(measures[task]["ap"])
    assert {task.name: task.primary for task in problem.tasks} == {
        "bbox": "refined_iou", "class": "accuracy", "mask": "iou", "proposal": "ar100",
    }  # fmt: skip
