import numpy as np
import pytest

from maskrcnn.export.graph_masks import paste_in_graph
from maskrcnn.regions.pasting import paste_masks


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("to_box", [False, True])
def test_the_same_pixels_as_pasting(to_box, one_by_one):
    """Boxes inside, at the edges, of a fraction of a pixel, and as large as the picture."""
    rng = np.random.default_rng(0)
    corner = rng.uniform(-3, 60, (40, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0.2, 50, (40, 2))], axis=1)
    boxes = np.concatenate([boxes, [[0, 0, 70, 50], [69.5, 49.5, 70, 50], [10, 10, 10, 10]]]).astype("float32")
    probs = rng.uniform(0, 1, (len(boxes), 28, 28)).astype("float32")
    expected = paste_masks(probs, boxes, 50, 70, 0.5, to_box)
    found = paste_in_graph(probs, boxes, 50, 70, to_box, one_by_one).numpy()
    assert found.shape == expected.shape and found.dtype == bool
    assert 0.02 < expected.mean() < 0.3
    assert (found != expected).sum() <= 2  # of 150,000; a probability may be 0.5 to the last digit


@pytest.mark.parametrize("one_by_one", [False, True])
def test_no_masks(one_by_one):
    probs, boxes = np.zeros((0, 28, 28), "float32"), np.zeros((0, 4), "float32")
    assert paste_in_graph(probs, boxes, 9, 8, False, one_by_one).shape == (0, 9, 8)
