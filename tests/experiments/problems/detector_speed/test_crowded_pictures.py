import numpy as np

from experiments.problems.detector_speed.crowded_pictures import crowded


def test_every_picture_has_so_many_objects_where_its_pixels_are():
    samples = crowded(2, 256, 30, seed=3)
    assert [len(sample.labels) for sample in samples] == [30, 30]
    assert [sample.image_id for sample in samples] == [1, 2]
    for sample in samples:
        assert sample.image.shape == (256, 256, 3) and sample.masks.shape == (30, 256, 256)
        assert sample.masks.any(axis=(1, 2)).all()
        rows, columns = (np.flatnonzero(sample.masks[0].any(axis=axis)) for axis in (1, 0))
        box = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        assert np.abs(sample.boxes[0] - box).max() <= 1
    assert not np.array_equal(samples[0].image, samples[1].image)
    again = crowded(2, 256, 30, seed=3)
    assert all(np.array_equal(one.image, other.image) for one, other in zip(samples, again, strict=True))
