from pathlib import Path

import keras
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from maskrcnn.callbacks import Inspect


def written(folder):
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return events


@pytest.mark.slow
def test_figures_are_written_while_it_trains(tiny, pictures, tmp_path):
    model = tiny()
    model.compile(keras.optimizers.SGD(1e-3))
    model.fit(pictures, batch_size=4, epochs=2, verbose=0, callbacks=[Inspect(tmp_path, pictures[0])])
    assert [event.step for event in written(tmp_path).Tensors("1 Anchors/The best anchors")] == [1, 2]


def test_what_is_written(tiny, pictures, tmp_path):
    log = Inspect(tmp_path, pictures[0], every=2, layers=["rpn_conv"], score_threshold=0.0)
    log.set_model(tiny(post_nms_test=10, detections_per_image=4))
    log.on_train_begin()
    for epoch in range(3):
        log.on_epoch_end(epoch)
    log.on_train_end()
    events = written(tmp_path)
    tags = events.Tags()["tensors"]
    for tag in (
        "1 Anchors/Against the truth",
        "2 Proposals, and the second stage/After suppression",
        "3 Masks/Pasted",
        "4 Activations/rpn_conv",
        "7 The composed result/Detections",
        "weights/stem_conv",
    ):
        assert tag in tags
    (event,) = events.Tensors("weights/stem_conv")
    assert event.step == 2, "after the second epoch, and not after the first and third"


def test_what_cannot_be_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="every=0"):
        Inspect("logs", None, every=0)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'taskprune\[live\]'"):
        Inspect(Path("logs"), None)
