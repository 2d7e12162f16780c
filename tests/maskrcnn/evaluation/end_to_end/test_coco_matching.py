"""Matches and precision are pycocotools' own to the last digit, on scenes full of ties, crowds and odd ids."""

import contextlib
import copy
import io

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from maskrcnn.evaluation.end_to_end.ap import match

SIDE = 160
CATEGORIES = (9, 2, 40)


def scene(seed, ids, pictures=9, masks=False):
    """Whole-pixel boxes and scores of one digit: many are equal. Some objects are crowds, some pictures are empty."""
    rng = np.random.default_rng(seed)

    def shape(box):
        x, y, width, height = box
        pixels = np.zeros((SIDE, SIDE), np.uint8)
        pixels[y : y + height, x : x + width] = 1
        pixels[y + height // 2, x] = 0
        runs = coco_mask.encode(np.asfortranarray(pixels))
        return {"size": [SIDE, SIDE], "counts": runs["counts"].decode()}

    objects, found = [], []
    for number in range(pictures):
        boxes = np.concatenate([rng.integers(0, 40, (5, 2)), rng.integers(8, 110, (5, 2))], axis=1)
        for box in [] if number % 4 == 3 else boxes.tolist():
            row = {"id": len(objects) + 1, "image_id": ids(number), "category_id": int(rng.choice(CATEGORIES[:2]))}
            row |= {"bbox": box, "area": float(box[2] * box[3]), "iscrowd": int(rng.random() < 0.2)}
            objects.append(row | ({"segmentation": shape(box)} if masks else {}))
        near = boxes[rng.integers(0, 5, 40)] + rng.integers(-3, 4, (40, 4))
        near = np.clip(near, [0, 0, 2, 2], [45, 45, 114, 114])
        for box in [] if number == 5 else near.tolist():
            row = {"image_id": ids(number), "category_id": int(rng.choice(CATEGORIES)), "score": rng.integers(10) / 10}
            found.append(row | ({"segmentation": shape(box)} if masks else {"bbox": box}))
    truth = {
        "info": {},
        "images": [{"id": ids(number), "height": SIDE, "width": SIDE} for number in reversed(range(pictures))],
        "categories": [{"id": category, "name": str(category)} for category in CATEGORIES],
        "annotations": objects,
    }
    return truth, found


def pycocotools(truth, found, kind, most):
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO()
        index.dataset = copy.deepcopy(truth)
        index.createIndex()
        run = COCOeval(index, index.loadRes(copy.deepcopy(found)), kind)
        run.params.maxDets = [most]
        run.evaluate()
        run.accumulate()
    return run


@pytest.mark.parametrize(("kind", "most"), [("bbox", 100), ("bbox", 4), ("segm", 100)])
@pytest.mark.parametrize("ids", [lambda n: 7 * n + 3, lambda n: f"p{n % 3}{n}"], ids=["numbers", "texts"])
def test_every_match_and_every_digit_is_pycocotools_own(kind, most, ids):
    truth, found = scene(most, ids, masks=kind == "segm")
    before = copy.deepcopy((truth, found))
    ours, run = match(truth, found, kind, most=most), pycocotools(truth, found, kind, most)
    assert (truth, found) == before
    assert ours.sizes[:3] == ("all", "small", "medium")
    expected = run.eval["precision"][..., 0]
    np.testing.assert_array_equal(ours.precision, expected[..., : len(ours.sizes)])
    assert (expected[..., len(ours.sizes) :] == -1).all()
    assert len(np.unique(ours.precision)) > 20 and (ours.precision[:, :, 2] == -1).all()
    mates = {
        identity: (picture["dtMatches"][:, n], picture["dtIgnore"][:, n])
        for picture in run.evalImgs
        if picture is not None and picture["aRng"] == run.params.areaRng[0]
        for n, identity in enumerate(picture["dtIds"])
    }
    assert len(mates) == len(ours.found) and (len(mates) < len(found)) == (most == 4)
    for n, row in enumerate(ours.found.row.tolist()):
        mate, ignored = mates[row + 1]
        here = np.where(ours.mate[:, n] < 0, 0, ours.objects.row[ours.mate[:, n]] + 1)
        np.testing.assert_array_equal(here, mate)
        np.testing.assert_array_equal(ours.ignored[:, n], ignored)


def test_a_detection_of_what_is_not_there_is_refused():
    truth, found = scene(0, lambda n: n)
    with pytest.raises(ValueError, match="image_id 77 is not among the 9 images"):
        match(truth, [found[0] | {"image_id": 77}], "bbox")
    with pytest.raises(ValueError, match="category_id 1 is not among the 3 categories"):
        match(truth, [found[0] | {"category_id": 1}], "bbox")
