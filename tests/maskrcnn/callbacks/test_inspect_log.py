from pathlib import Path

import keras
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from maskrcnn.callbacks import Inspect


def test_the_figures_are_written_while_it_trains(tiny, pictures, tmp_path):
    model = tiny(post_nms_test=10, detections_per_image=4)
    model.compile(keras.optimizers.SGD(1e-3))
    log = Inspect(tmp_path, pictures[0], every=2, layers=["rpn_conv"], score_threshold=0.0)
    model.fit(pictures.subset(range(2)), batch_size=2, epochs=3, verbose=0, callbacks=[log])
    events = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0})
    events.Reload()
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
    (written,) = events.Tensors("weights/stem_conv")
    assert written.step == 2, "after the second epoch, and not after the first and third"


def test_what_cannot_be_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="every=0"):
        Inspect("logs", None, every=0)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'taskprune\[live\]'"):
        Inspect(Path("logs"), None)
