"""Two logical devices in a process of their own, which makes them before TensorFlow begins."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from maskrcnn import losses

HERE = Path(__file__).parent


def two_devices(*what):
    found = subprocess.run(
        [sys.executable, str(HERE / "two_devices.py"), *what], capture_output=True, text=True, timeout=400,
        cwd=HERE.parents[2],
    )  # fmt: skip
    assert found.returncode == 0, found.stderr[-3000:]
    answer = json.loads(found.stdout.splitlines()[-1])
    assert answer["replicas"] == 2
    return answer


@pytest.mark.slow
def test_two_replicas_train_as_one_device_does_at_the_same_whole_batch():
    """Batches of three: two pictures and one; of the last held-out picture one replica has nothing at all."""
    found = two_devices("equal")["equal"]
    one, two = found["history"]
    assert set(one) == {prefix + name for prefix in ("", "val_") for name in ("loss", *losses.NAMES)}
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, err_msg=name)
    assert one["loss"][0] != one["loss"][1]
    assert found["moved"] < 1e-5


@pytest.mark.slow
def test_masks_are_held_on_both_replicas():
    one, two = two_devices("masked")["masked"]
    assert one["held"] and two["held"] and one["gone"] == two["gone"] > 100
    for name, values in one["history"].items():
        np.testing.assert_allclose(two["history"][name], values, rtol=1e-4, err_msg=name)


@pytest.mark.slow
def test_what_cannot_be_equal_is_said():
    found = two_devices("float16", "refused")
    assert "gradient_accumulation_steps=2" in found["accumulated"] and "2 replicas" in found["accumulated"]
    assert found["clipped"].startswith("global_clipnorm: under a strategy Keras clips")
    assert found["too few"].startswith("batch_size=1 is the whole batch, and 2 replicas share it")
    skipped, applied = found["float16"]  # learning rate 0.1, a gradient of 1 on each replica
    assert skipped == 0 and applied == pytest.approx(-0.2, rel=1e-3)
