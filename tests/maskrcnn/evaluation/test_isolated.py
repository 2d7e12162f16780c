import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from pytest import approx

from maskrcnn.evaluation.isolated import (
    IOU_THRESHOLDS,
    LEAST_PROBABILITY,
    calibration_error,
    class_measures,
    mask_measures,
    recalled,
    xywh,
)


@pytest.mark.parametrize("most", [100, 300])
def test_recall_equals_pycocotools(most, made):
    rng = np.random.default_rng(most)
    images, objects, results = [], [], []
    hits, total = 0, 0
    for image in range(1, 25):
        low = rng.integers(0, 60, (4, 2))
        boxes = np.concatenate([low, low + rng.integers(5, 60, (4, 2))], axis=1).astype(np.float32)
        crowd = image % 3 == 0
        near = boxes[rng.integers(0, 4, 300)] + rng.integers(-12, 13, (300, 4))  # whole pixels: many ties
        scores = np.round(rng.random(300), 2)
        real = boxes[1:] if crowd else boxes
        hits, total = hits + recalled(near, scores, real, most=most), total + len(real)
        images.append({"id": image, "height": 128, "width": 128})
        for i, box in enumerate(xywh(boxes).tolist()):
            objects.append({"id": len(objects) + 1, "image_id": image, "category_id": 1, "bbox": box,
                            "area": box[2] * box[3], "iscrowd": int(crowd and i == 0)})  # fmt: skip
        for box, score in zip(xywh(near).tolist(), scores.tolist(), strict=True):
            results.append({"image_id": image, "category_id": 1, "bbox": box, "score": score})
    truth = COCO()
    truth.dataset = {
        "images": images,
        "annotations": objects,
        "categories": [{"id": 1, "name": "x"}],
        "info": {},
    }
    truth.createIndex()
    run = COCOeval(truth, truth.loadRes(results), "bbox")
    run.params.useCats, run.params.maxDets = 0, [1, 10, most]
    run.evaluate()
    run.accumulate()
    by_hand = run.eval["recall"][:, 0, 0, 2]
    assert len(set(by_hand.tolist())) > 7
    assert hits / total == approx(by_hand, abs=1e-12)


def test_recall_without_proposals_or_objects():
    box = np.array([[0.0, 0, 10, 10]])
    assert recalled(np.zeros((0, 4)), np.zeros(0), box).tolist() == [0] * 10
    assert recalled(box, np.ones(1), np.zeros((0, 4))).tolist() == [0] * 10
    assert recalled(box, np.ones(1), box).tolist() == [1] * 10
    assert recalled(box, np.ones(1), np.repeat(box, 2, axis=0)).tolist() == [1] * 10  # one to one


def test_class_measures_by_hand():
    probabilities = np.array(
        [[0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.9, 0.1, 0.0], [0.3, 0.3, 0.4]]
    )
    labels = np.array([1, 1, 2, 0, 0])
    measures = class_measures(probabilities, labels)
    assert measures["accuracy"] == approx((1 / 2 + 0 / 1 + 1 / 2) / 3)
    assert measures["accuracy_fg"] == approx((2 / 2 + 0 / 1) / 2)
    assert measures["background_rejection"] == approx(1 / 2)
    assert measures["nll"] == approx(-np.log([0.8, 0.3, 0.3, 0.9, 0.3]).mean())
    gaps = [0.8 - 1, 0.6, 0.5, 0.9 - 1, 0.4]  # five boxes in five bins
    assert measures["ece"] == approx(np.abs(gaps).mean())


def test_calibration_error_averages_within_a_bin():
    probabilities = np.tile([0.3, 0.7], (10, 1))
    assert calibration_error(probabilities, np.repeat([1, 0], [7, 3])) == approx(0, abs=1e-12)
    assert calibration_error(probabilities, np.repeat([1, 0], [2, 8])) == approx(0.5)


def test_broken_probabilities_do_not_break_the_measures():
    measures = class_measures(np.full((4, 3), np.nan), np.array([0, 1, 2, 1]))
    assert measures["nll"] == approx(-np.log(LEAST_PROBABILITY))
    assert measures["accuracy"] == approx(1 / 3)  # argmax falls on background


def test_nothing_to_measure_is_nan():
    assert all(np.isnan(v) for v in class_measures(np.zeros((0, 3)), np.zeros(0, int)).values())
    assert all(np.isnan(v) for v in mask_measures(np.zeros(0), np.zeros(0)).values())


def test_share_of_masks_counts_thresholds():
    measures = mask_measures(np.array([1.0, 0.74, 0.2]), np.array([1, 0.5, 0]))
    assert measures["iou"] == approx(1.94 / 3)
    assert measures["iou_share"] == approx((1 + np.mean(IOU_THRESHOLDS <= 0.74) + 0) / 3)
    assert measures["boundary_iou"] == approx(0.5)
