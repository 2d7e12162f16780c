"""Training does not grow: neither the process nor what Python holds."""

import gc
import os
from pathlib import Path

import keras
import pytest


class Sizes(keras.callbacks.Callback):
    """The process's resident bytes, and Python's objects, at the end of every epoch."""

    def __init__(self):
        super().__init__()
        self.resident, self.objects = [], []

    def on_epoch_end(self, epoch, logs=None):
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.resident.append(pages * os.sysconf("SC_PAGE_SIZE"))
        self.objects.append(len(gc.get_objects()))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not say what is resident")
def test_five_hundred_steps_take_no_more_memory_than_a_hundred(tiny, pictures):
    model, sizes = tiny(), Sizes()
    model.compile(keras.optimizers.SGD(0.001))
    model.fit(pictures, batch_size=4, epochs=250, verbose=0, callbacks=[sizes], augment="standard")  # two steps each
    assert int(model.optimizer.iterations) == 500
    assert max(sizes.resident[-50:]) - max(sizes.resident[:50]) < 40e6  # of some hundred megabytes
    assert sizes.objects[-1] - sizes.objects[50] < 2000  # the history has a few numbers an epoch
