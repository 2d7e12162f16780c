from pathlib import Path

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from maskrcnn.callbacks import Inspect


def test_the_figures_are_written_while_it_trains(tiny, pictures, tmp_path):
    model = tiny(post_nms_test=10, detections_per_image=4)
    model.compile(keras.optimizers.SGD(1e-3))
    log = Inspect(tmp_path, [pictures[0], pictures[1].image], every=2, layers=["rpn_conv"], score_threshold=0.0)
    model.fit(pictures.subset(range(2)), batch_size=2, epochs=2, verbose=0, callbacks=[log])
    events = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0})
    events.Reload()
    tags = events.Tags()["tensors"]
    for tag in (
        "1 Anchors/Against the truth of picture 1",
        "2 Proposals, and the second stage/After suppression of picture 2",
        "3 Masks/Pasted of picture 1",
        "4 Activations/rpn_conv of picture 2",
        "7 The composed result/Detections of picture 2",
        "weights/stem_conv",
    ):
        assert tag in tags
    assert "1 Anchors/Against the truth of picture 2" not in tags, "of a picture alone nothing is known"
    (written,) = events.Tensors("weights/stem_conv")
    assert written.step == 2
    assert np.isfinite(model.network.get_weights()[0]).all()


def test_what_cannot_be_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="every=0"):
        Inspect("logs", None, every=0)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'taskprune\[live\]'"):
        Inspect(Path("logs"), None)
