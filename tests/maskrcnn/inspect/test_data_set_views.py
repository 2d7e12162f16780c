import contextlib
import copy
import dataclasses
import io
import math

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import maskrcnn
from maskrcnn import inspect
from maskrcnn.evaluation import evaluate_in_detail
from maskrcnn.evaluation.evaluator import Evaluation
from maskrcnn.evaluation.probe import ProbeSet


@pytest.fixture(scope="module")
def data():
    return maskrcnn.data.shapes(4, 64, seed=1)


@pytest.fixture(scope="module")
def found(model, data):
    return inspect.survey(model, data, batch_size=2, progress=False)


def test_all_pictures_together_are_what_evaluate_says(model, data, found):
    expected = evaluate_in_detail(model, data, batch_size=2, progress=False)
    for task, measures in expected.measures.items():
        for name, value in measures.items():
            assert found.evaluation.measures[task][name] == pytest.approx(value, nan_ok=True), (task, name)
    assert found.pictures == tuple(data[i].name for i in range(4))


def test_each_picture_alone_is_what_evaluate_says_of_it(model, data, found):
    alone = maskrcnn.evaluate(model, data.subset([0]), progress=False)
    assert found.by_picture[0]["mask"]["iou"] == pytest.approx(alone["mask"]["iou"])
    total = np.mean([one["mask"]["iou"] for one in found.by_picture])  # by picture, not by object
    assert abs(total - found.evaluation.measures["mask"]["iou"]) < 0.2


def test_the_worst_come_first_and_what_cannot_be_measured_is_left_out(found):
    values = [0.4, math.nan, 0.1, 0.4, 0.9]
    made = dataclasses.replace(
        found, pictures=tuple("abcde"), by_picture=tuple({"mask": {"iou": value}} for value in values)
    )
    assert inspect.worst_pictures(made, "mask", 3) == [(2, 0.1), (0, 0.4), (3, 0.4)]
    assert len(inspect.worst_pictures(made, "mask")) == 4


@pytest.mark.parametrize(("kind", "shape"), [("bbox", "bbox"), ("mask", "segm")])
def test_curves_are_pycocotools_own(found, kind, shape):
    evaluation = found.evaluation
    rows = evaluation.box_results if kind == "bbox" else evaluation.mask_results
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"info": {}} | copy.deepcopy(evaluation.ground_truth)
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(copy.deepcopy(rows)), shape)
        run.evaluate()
        run.accumulate()
    curves = inspect.precision_recall(evaluation, kind)
    np.testing.assert_array_equal(curves.precision, run.eval["precision"][:, :, :, 0, -1])
    present = curves.precision[curves.precision > -1]
    assert present.mean() == pytest.approx(evaluation.measures[kind]["ap"])


def made(objects, detections):
    """An Evaluation of one picture from (label, xywh, crowd) and (label, score, xywh)."""
    truth = {
        "images": [{"id": 1, "height": 100, "width": 100}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": label, "bbox": box, "iscrowd": crowd}
            for n, (label, box, crowd) in enumerate(objects, 1)
        ],
    }
    rows = [{"image_id": 1, "category_id": c, "score": s, "bbox": box} for c, s, box in detections]
    return Evaluation({}, {}, ProbeSet(0, ()), truth, rows, [], [])


def test_confusion_by_hand():
    objects = [(1, [0, 0, 10, 10], 0), (2, [50, 50, 10, 10], 0), (2, [80, 0, 10, 10], 0), (1, [0, 60, 40, 40], 1)]
    detections = [
        (1, 0.9, [0, 0, 10, 8]),  # the cat, IoU 0.8
        (1, 0.8, [0, 0, 10, 10]),  # better, but later: the cat is taken, so a detection of nothing
        (1, 0.7, [50, 50, 10, 5]),  # a dog called a cat, IoU 0.5
        (2, 0.6, [5, 70, 10, 10]),  # in the crowd: not counted
        (2, 0.4, [80, 0, 10, 10]),  # not sure enough: the dog is missed
    ]
    taken = inspect.confusion(made(objects, detections))
    assert taken.counts.tolist() == [[0, 1, 0], [0, 1, 0], [1, 1, 0]]
    assert taken.iou[1, 1] == pytest.approx(0.8) and taken.iou[2, 1] == pytest.approx(0.5)
    assert np.isnan(taken.iou[0]).all() and np.isnan(taken.iou[:, 0]).all()
    sure = inspect.confusion(made(objects, detections), score=0.3)
    assert sure.counts.tolist() == [[0, 1, 0], [0, 1, 0], [0, 1, 1]]


def test_confusion_without_detections_or_objects():
    assert inspect.confusion(made([(1, [0, 0, 5, 5], 0)], [])).counts.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 0]]
    alone = inspect.confusion(made([], [(2, 0.9, [0, 0, 5, 5])]))
    assert alone.counts.tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]
