import pandas as pd
import pytest

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
