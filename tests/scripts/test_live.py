import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import live
import tensorboard_log
from building import model
from command import UserError
from dryrun import measure
from lab import Lab
from maskrcnn.data import shapes
from pictures import Pictures
from progress import Meter
from stopwatch import Stopwatch


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(tensorboard_log.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package tensorboard.*\[live\]"):
        live.log("tensorboard")
    assert type(live.log("none")) is live.Log


def test_what_tensorboard_is_given(tmp_path, tiny):
    made = model(tiny(), ("one", "two", "three"))
    log = live.log("tensorboard")
    log.losses({"step": 1, "loss": 9.0})  # outside of a run: nowhere
    log.begin(tmp_path)
    log.losses({"step": 5, "learning_rate": 0.1, "stage": "finetuned", "sparsity": 0.5, "loss": 2.0})
    row = {"stage": "pruned", "mask_iou": 0.25, "mask_ap": float("nan"), "macs_detections": 2}
    log.stage(1, row, made, [shapes(1, 64, 0)[0].image])
    log.end()
    found = EventAccumulator(str(tmp_path / "logs"), {"tensors": 0})
    found.Reload()
    tags = set(found.Tags()["tensors"])
    assert {"training/loss", "training/learning_rate", "sparsity/asked", "mask/iou", "sparsity/rpn"} <= tags
    assert {"detections/0", "stage"} <= tags and any(tag.startswith("weights/rpn/") for tag in tags)
    assert "mask/ap" not in tags
    event = found.Tensors("mask/iou")[0]
    assert event.step == 1 and tf.make_ndarray(event.tensor_proto) == 0.25
    assert [event.step for event in found.Tensors("training/loss")] == [5]


def test_speed_is_measured_on_the_network_itself(tiny):
    recipe = tiny()
    lab = Lab(recipe, 0, Pictures(recipe, Meter()), Meter(), Stopwatch())
    before = [np.array(weight) for weight in lab.model.weights]
    speed = measure(lab)
    assert 0 < speed.picture < speed.step < speed.compile_step
    assert any((a != b).any() for a, b in zip(before, map(np.array, lab.model.weights), strict=True))
