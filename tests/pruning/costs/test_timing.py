"""Latency is a number that says how it was measured."""

import pickle
import time

import keras
import numpy as np
import pytest

import pruning


def test_medians_quartiles_and_the_ratio_in_the_same_run():
    calls = []

    def call(model, batch):
        calls.append(model)
        time.sleep({"quick": 0.002, "slow": 0.008}[model])

    batch = np.zeros((4, 2, 3))
    found = pruning.latency("quick", batch, against="slow", call=call, warmup=1, rounds=6)
    assert 2 <= found < 8 <= found.against and 1.2 < found.speedup < 4.5
    assert found.low <= found <= found.high and len(found.times_ms) == 6
    assert calls[:2] == ["quick", "slow"] and calls[2:6] == ["quick", "slow", "slow", "quick"]
    assert found.shapes == ((4, 2, 3),) and found.threads >= 1
    again = pickle.loads(pickle.dumps(found))
    assert again == found and again.times_ms == found.times_ms and again.against == found.against
    assert "batch 4x2x3" in str(found) and "times as fast" in str(found)


def test_a_model_is_called_on_its_batch(nets):
    found = pruning.latency(nets.plain(), np.zeros((2, 8, 8, 3), "float32"), warmup=1, rounds=2)
    assert isinstance(found, float) and found > 0 and found.speedup is None and found.against is None
    with pytest.raises(ValueError, match="rounds is 1"):
        pruning.latency(nets.plain(), np.zeros((2, 8, 8, 3)), rounds=1)


def test_threads_are_those_of_the_environment(monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow's setting")
    monkeypatch.setattr("tensorflow.config.threading.get_intra_op_parallelism_threads", lambda: 0)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    assert pruning.latency(None, 0, call=lambda model, batch: None, rounds=2).threads == 3
