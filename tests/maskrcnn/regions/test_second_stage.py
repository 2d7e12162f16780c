from types import SimpleNamespace

import tensorflow as tf

from maskrcnn.regions.second_stage import detect_boxes

USUAL = dict(detection_nms_iou=0.3, one_class_per_region=False, flat_box_ends_class=False, box_last_pixel=False)
BOXES = [[0, 0, 10, 10], [50, 0, 50, 10], [20, 0, 30, 10], [40, 0, 48, 10]]
PROBS = [[0.1, 0.7, 0.2], [0.2, 0.6, 0.2], [0.1, 0.5, 0.4], [0.0, 0.4, 0.6]]


def labels_and_scores(**changes):
    stage = SimpleNamespace(config=SimpleNamespace(**(USUAL | changes)), static_shapes=False)
    boxes = tf.tile(tf.constant(BOXES, tf.float32)[None, :, None], (1, 1, 3, 1))
    _, scores, labels, count = detect_boxes(stage, tf.constant([PROBS]), boxes, 0.15, 10)
    count = int(count[0])
    return sorted((int(a), round(float(b), 2)) for a, b in zip(labels[0, :count], scores[0, :count], strict=True))


def test_a_region_is_of_every_class_that_is_likely_and_a_flat_box_is_none():
    assert labels_and_scores() == [(1, 0.4), (1, 0.5), (1, 0.7), (2, 0.2), (2, 0.4), (2, 0.6)]


def test_of_its_likeliest_class_alone():
    assert labels_and_scores(one_class_per_region=True) == [(1, 0.5), (1, 0.7), (2, 0.6)]


def test_a_flat_box_is_a_pixel_wide_and_ends_its_class():
    kept = labels_and_scores(one_class_per_region=True, box_last_pixel=True)
    assert kept == [(1, 0.5), (1, 0.6), (1, 0.7), (2, 0.6)]
    ended = labels_and_scores(one_class_per_region=True, box_last_pixel=True, flat_box_ends_class=True)
    assert ended == [(1, 0.6), (1, 0.7), (2, 0.6)]
