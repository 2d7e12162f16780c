"""What can be done with what was found: names, pictures, COCO rows, outlines."""

import json

import numpy as np
import pytest
from matplotlib.path import Path
from pycocotools import mask as rle

from maskrcnn import Detections
from maskrcnn.detection.contours import contours


@pytest.fixture
def found():
    masks = np.zeros((2, 20, 30), bool)
    masks[0, 2:10, 3:12], masks[0, 4:6, 5:7] = True, False
    masks[1, 12:15, 20:25] = True
    boxes = np.float32([[3, 2, 12, 10], [20, 12, 25, 15]])
    return Detections(boxes, np.int32([2, 1]), np.float32([0.9, 0.6]), masks, ("square", "circle"))


def test_names_and_drawing(found):
    assert found.names == ["circle", "square"]
    drawn = np.asarray(found.draw(np.full((20, 30, 3), 225, "uint8")))
    assert drawn.shape[0] >= 480 and (drawn != 225).any()
    nameless = Detections(found.boxes, found.labels, found.scores, found.masks)
    assert len(nameless) == 2
    with pytest.raises(ValueError, match="no name for label 2"):
        nameless.draw(np.zeros((20, 30, 3), "uint8"))


def test_rows_of_a_coco_file(found):
    rows = json.loads(json.dumps(found.to_coco(image_id="a.jpg", category_ids=[7, 90])))
    assert [row["category_id"] for row in rows] == [90, 7] and rows[0]["image_id"] == "a.jpg"
    assert rows[0]["bbox"] == [3, 2, 9, 8] and rows[1]["score"] == pytest.approx(0.6)
    for row, mask in zip(rows, found.masks, strict=True):
        np.testing.assert_array_equal(rle.decode(row["segmentation"]), mask)
    assert [row["category_id"] for row in found.to_coco()] == [2, 1] and "image_id" not in found.to_coco()[0]


def filled(outlines, shape):
    """Pixels whose centres lie inside an odd number of outlines."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    centres = np.stack([x.ravel(), y.ravel()], axis=-1)
    inside = sum(Path(np.concatenate([o, o[:1]])).contains_points(centres).astype(int) for o in outlines)
    return (np.zeros(shape[0] * shape[1], int) + inside).reshape(shape) % 2 == 1


def test_outlines_give_the_masks_again(found):
    square_with_hole, plain = found.to_polygons()
    assert [len(o) for o in square_with_hole] == [4, 4] and len(plain) == 1
    assert sorted(map(tuple, plain[0].tolist())) == [(20, 12), (20, 15), (25, 12), (25, 15)]
    rng = np.random.default_rng(0)
    for mask in (*found.masks, rng.random((20, 30)) < 0.5, rng.random((9, 7)) < 0.3, np.ones((3, 4), bool)):
        np.testing.assert_array_equal(filled(contours(mask), mask.shape), mask)
    assert contours(np.zeros((4, 4), bool)) == []
