"""Detection with several models in one process: TensorFlow has nothing to warn of."""

import logging

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture
def tensorflow_log():
    """Messages that TensorFlow logs in Python meanwhile."""
    messages = []

    class Kept(logging.Handler):
        def emit(self, record):
            messages.append(record.getMessage())

    logger, kept = tf.get_logger(), Kept()
    before = logger.level
    logger.addHandler(kept)
    logger.setLevel(logging.WARNING)
    yield messages
    logger.setLevel(before)
    logger.removeHandler(kept)


def test_several_models_and_picture_sizes_are_no_retracing(tiny, tensorflow_log):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((64, 64), (48, 80), (100, 40))]
    for model in [tiny(), tiny(), tiny()]:  # TensorFlow warns of the fifth trace of the same code in ten calls
        for limit in (3, 4):
            model.detect(pictures[0], max_detections=limit)
    for picture in pictures:
        model.detect(picture, max_detections=3)
    assert not tensorflow_log
