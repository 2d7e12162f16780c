"""Timing a training step writes a row for each rounding and ratio, and the page's table names them."""

import sys

import pandas as pd
import pytest

from experiments.problems.detector_speed import training_step
from experiments.report.speed_tables import training_steps


@pytest.mark.slow
def test_every_rounding_and_ratio_is_timed(tmp_path, monkeypatch):
    flags = f"--network mobilenet --size 64 --batch-size 1 --ratios 0.5 --round-to 1 8 --rounds 1 --output {tmp_path}"
    monkeypatch.setattr(sys, "argv", ["training_step", *flags.split()])
    assert training_step.main() == 0
    table = pd.read_csv(tmp_path / "mobilenet.csv")
    pruned = table[table["what"] == "pruned"]
    assert pruned["round_to"].tolist() == [1, 8] and (abs(pruned["macs_gone"] - 0.5) < 0.1).all()
    _, rows = training_steps(tmp_path / "mobilenet.csv")
    assert [row[0] for row in rows[2:]] == ["saliency of 4 tasks", "saliency of 3 tasks", "callback, nothing due"]
    assert [row[0].partition(", ")[2] for row in rows[:2]] == ["widths in 1s", "widths in 8s"]
