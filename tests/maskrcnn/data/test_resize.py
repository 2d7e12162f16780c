import numpy as np
import pytest

from maskrcnn.data.resize import nearest_index, resized_size


@pytest.mark.parametrize(
    "size, bounds, expected",
    [
        ((480, 640), (800, 1333), (800, 1066)),  # short side to 800; 1066.67 rounded down
        ((427, 640), (800, 1333), (800, 1199)),
        ((300, 1000), (800, 1333), (399, 1333)),  # long side decides; 1333 / 1000 in float32 gives 399.9
        ((128, 128), (128, 128), (128, 128)),
        ((1, 5000), (128, 128), (1, 128)),  # never empty
    ],
)
def test_resized_size(size, bounds, expected):
    assert resized_size(*size, *bounds) == expected


def test_nearest_is_floor_of_target_times_ratio():
    np.testing.assert_array_equal(nearest_index(4, 8), [0, 0, 1, 1, 2, 2, 3, 3])
    np.testing.assert_array_equal(nearest_index(5, 3), [0, 1, 3])  # half-pixel centres would give 0, 2, 4
    assert nearest_index(640, 1199).max() == 639
