import pandas as pd
import pytest

import pruning
from experiments.problems.detector_speed.removal_speed import Speed, run


@pytest.mark.slow
def test_removal_is_planned_made_and_timed(tmp_path):
    settings = Speed(
        network="resnet18", size=128, ratios=(0.5,), rois=30, detections=10, rounds=2, output=str(tmp_path)
    )
    table, together = run(settings)
    dense, small = table.to_dict("records")
    assert small["achieved"] == pytest.approx(0.5, abs=0.05)
    assert 1 - small["macs"] / dense["macs"] == pytest.approx(small["achieved"])
    assert small["file_bytes"] < 0.6 * dense["file_bytes"]
    assert small["detections"] == small["dense_detections"] == 10
    assert small["speedup"] == pytest.approx(small["dense_detect_ms"] / small["detect_ms"], rel=0.5)
    assert not list(tmp_path.iterdir()) and not pd.isna(small["peak_bytes"])
    assert together["prunable_groups"] > 20


@pytest.mark.slow
def test_a_budget_of_time_is_met_by_timing_smaller_models(tmp_path, monkeypatch):
    """With the clock replaced by a count of parameters: no timing decides a test."""
    timed = []

    def by_size(small, picture, against, *, call, warmup=3, rounds):
        for one in [small, against] * (warmup + rounds):
            call(one, picture)
        timed.append(small)
        mine, its = ([float(model.count_params())] * rounds for model in (small, against))
        return pruning.Latency(mine, ((1,),), 1, pruning.Latency(its, ((1,),), 1))

    monkeypatch.setattr(pruning, "latency", by_size)
    settings = Speed(
        network="resnet18", size=64, ratios=(0.3,), rois=10, detections=5, rounds=2, measure="latency",
        output=str(tmp_path),
    )  # fmt: skip
    table, _ = run(settings)
    dense, small = table.to_dict("records")
    assert small["achieved"] == pytest.approx(0.3, abs=0.03)
    assert 1 - small["params"] / dense["params"] == pytest.approx(small["achieved"], abs=0.01)
    assert small["speedup"] == pytest.approx(dense["params"] / small["params"], rel=0.01)
    assert len(timed) > 3
