import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn import boxes

corner = st.floats(0, 500, width=32)
side = st.floats(1, 300, width=32)
box = st.tuples(corner, corner, side, side).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))


@settings(deadline=None, max_examples=30)
@given(box, box, st.sampled_from([(1.0, 1.0, 1.0, 1.0), (0.1, 0.1, 0.2, 0.2)]))
def test_decode_undoes_encode(target, reference, std):
    target, reference = np.float32([target]), np.float32([reference])
    found = boxes.decode(boxes.encode(target, reference, std), reference, std)
    stretch = (target[0, 2:] - target[0, :2]) / (reference[0, 2:] - reference[0, :2])
    if stretch.max() < 62:  # beyond 1000 / 16 a box is held back
        np.testing.assert_allclose(found, target, rtol=1e-3, atol=0.1)


def test_decode_literal():
    # dx = 0.5 widths to the right, height doubled
    found = boxes.decode(np.float32([[0.5, 0, 0, np.log(2)]]), np.float32([[10, 10, 20, 30]]))
    np.testing.assert_allclose(found, [[15, 0, 25, 40]], rtol=1e-6)


def test_a_wild_delta_stays_finite():
    found = np.asarray(boxes.decode(np.float32([[0, 0, 1e4, 1e4]]), np.float32([[0, 0, 16, 16]])))
    np.testing.assert_allclose(found[0, 2] - found[0, 0], 1000, rtol=1e-4)


def test_clip_uses_each_pictures_own_size():
    found = boxes.clip(np.float32([[[-5, -5, 50, 50]], [[-5, 2, 50, 50]]]), np.float32([[20, 30], [40, 10]]))
    np.testing.assert_array_equal(found, [[[0, 0, 30, 20]], [[0, 2, 10, 40]]])


def test_iou_literal():
    found = boxes.iou(np.float32([[[0, 0, 2, 2]]]), np.float32([[[1, 1, 3, 3], [0, 0, 2, 2], [5, 5, 6, 6]]]))
    np.testing.assert_allclose(found, [[[1 / 7, 1, 0]]], atol=1e-6)
