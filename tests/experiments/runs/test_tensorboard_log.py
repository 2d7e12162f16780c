import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.errors import UserError
from experiments.lookup import open_problem
from experiments.runs.dry_run import measure
from experiments.runs.monitoring import run_log, tensorboard_log
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.monitoring.run_log import RunLog
from experiments.runs.monitoring.stopwatch import Stopwatch
from experiments.runs.seed_model import SeedModel


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(tensorboard_log.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package tensorboard.*\[live\]"):
        run_log("tensorboard")
    assert type(run_log("none")) is RunLog


def test_what_tensorboard_is_given(tmp_path, tiny):
    problem = open_problem(tiny())
    log = run_log("tensorboard")
    log.losses({"step": 1, "loss": 9.0})  # outside of a run: nowhere
    log.begin(tmp_path)
    log.losses({"step": 5, "learning_rate": 0.1, "stage": "finetuned", "sparsity": 0.5, "loss": 2.0})
    row = {"stage": "pruned", "mask_iou": 0.25, "mask_ap": float("nan"), "macs_detections": 2}
    log.stage(1, row, problem.model(0), problem)
    log.end()
    found = EventAccumulator(str(tmp_path / "logs"), {"tensors": 0})
    found.Reload()
    tags = set(found.Tags()["tensors"])
    assert {"training/loss", "training/learning_rate", "sparsity/asked", "mask/iou", "sparsity/rpn"} <= tags
    assert {"examples/0", "stage", "2 Proposals, and the second stage/After suppression"} <= tags
    assert any(tag.startswith("weights/rpn/") for tag in tags)
    assert "mask/ap" not in tags
    event = found.Tensors("mask/iou")[0]
    assert event.step == 1 and tf.make_ndarray(event.tensor_proto) == 0.25
    assert [event.step for event in found.Tensors("training/loss")] == [5]


@pytest.mark.slow
def test_speed_is_measured_on_the_network_itself(tiny):
    seed_model = SeedModel(open_problem(tiny()), 0, Meter(), Stopwatch())
    before = [np.array(weight) for weight in seed_model.model.weights]
    speed = measure(seed_model)
    assert 0 < speed.picture < speed.step < speed.compile_step
    assert any((a != b).any() for a, b in zip(before, map(np.array, seed_model.model.weights), strict=True))
