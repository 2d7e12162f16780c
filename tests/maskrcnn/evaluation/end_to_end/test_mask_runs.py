import numpy as np
import pytest
from pycocotools import mask as coco_mask

from maskrcnn.data.cut_masks import CutMasks
from maskrcnn.data.geometry import mask_boxes
from maskrcnn.evaluation.end_to_end.mask_runs import runs_of_detections, runs_of_objects


@pytest.fixture(scope="module")
def masks():
    """Empty, full, one pixel in each corner, whole columns, noise, and blobs over every edge; of 11 x 17 px."""
    rng = np.random.default_rng(0)
    found = np.zeros((60, 11, 17), bool)
    found[1] = True
    found[2, 0, 0] = found[3, -1, -1] = found[4, 0, -1] = found[5, -1, 0] = True
    found[6, :, 3:6] = found[7, :, 14:] = found[8, :, :2] = found[9, 1:, 4] = found[9, 0, 5] = True
    for mask in found[10:]:
        y, x = rng.integers(0, 11), rng.integers(0, 17)
        mask[y : y + rng.integers(1, 9), x : x + rng.integers(1, 9)] = rng.random() < 0.8
        mask ^= rng.random(mask.shape) < rng.choice([0, 0.02, 0.4])
    return found


def expected(masks):
    runs = [coco_mask.encode(np.asfortranarray(mask, np.uint8)) for mask in masks]
    return [{"size": list(one["size"]), "counts": one["counts"].decode()} for one in runs]


def test_runs_are_pycocotools_own(masks):
    assert runs_of_objects(CutMasks.of(masks)) == expected(masks)
    assert runs_of_detections(masks, mask_boxes(masks)) == expected(masks)
    assert runs_of_objects(CutMasks.of(masks[:0])) == runs_of_detections(masks[:0], np.zeros((0, 4))) == []


def test_pixels_far_from_the_box_are_not_lost(masks):
    """As a model may answer that is not ours."""
    away = np.tile(np.array([-9.5, 2, -8, 3]), (len(masks), 1))
    assert runs_of_detections(masks, away) == expected(masks)
    away[:, [0, 2]] += 40
    assert runs_of_detections(masks, away) == expected(masks)
