import numpy as np

from maskrcnn.proposals.anchors import base_anchors, pyramid_anchors


def test_rounded_anchors_are_torchvisions():
    np.testing.assert_array_equal(
        base_anchors(32, (0.5, 1, 2), True), [[-23, -11, 23, 11], [-16, -16, 16, 16], [-11, -23, 11, 23]]
    )


def test_area_and_ratio():
    anchors = base_anchors(64, (0.5, 1, 2), False)
    width, height = anchors[:, 2] - anchors[:, 0], anchors[:, 3] - anchors[:, 1]
    np.testing.assert_allclose(width * height, 64**2, rtol=1e-5)
    np.testing.assert_allclose(height / width, (0.5, 1, 2), rtol=1e-5)


def test_stride_of_the_coarsest_level_is_measured():
    # 800 x 1088: the pool level has 13 x 17 cells, so its strides are 61 and 64.
    [level] = pyramid_anchors([(13, 17)], (800, 1088), (512,), (1.0,))
    centres = np.asarray(level).reshape(13, 17, 4)[..., :2] + 256
    np.testing.assert_array_equal(centres[1, 0], [0, 61])
    np.testing.assert_array_equal(centres[0, 1], [64, 0])


def test_anchors_that_end_at_their_last_pixel():
    (behind,), (last,) = (pyramid_anchors([(2, 2)], (8, 8), [4], [1.0], last_pixel=flag) for flag in (False, True))
    np.testing.assert_array_equal(last, behind - [0, 0, 1, 1])
