"""The noise pilot's spreads, on figures whose spread is known."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from experiments.errors import UserError
from experiments.table.claims.noise import noise
from experiments.table.sweep_data import read


@pytest.fixture(scope="module")
def sweep(made, tmp_path_factory):
    folder = made.make(
        tmp_path_factory.mktemp("pilot"), seeds=5, criteria=("l1",), ratios=(0.5,), parts=False, files=False
    )
    return read(folder)


def test_spreads_are_those_of_the_figures(sweep):
    table = sweep.table
    column = "class_accuracy"
    values = {("dense", seed): 0.9 + 0.01 * seed for seed in range(5)}
    values |= {("dense_control", seed): 0.9 for seed in range(5)}
    values |= {("removed", seed): 0.8 + 0.02 * seed for seed in range(5)}
    values |= {("finetuned", seed): 0.8 + 0.02 * seed for seed in range(5)}
    table = table.assign(**{column: [values.get((r.stage, r.seed), math.nan) for r in table.itertuples()]})
    again = table[(table["stage"].isin(["finetuned", "removed"])) & (table["seed"] == 0)]
    again = [again.assign(repeat=n, run=again["run"] + f"-r{n}", **{column: 0.8 + 0.001 * n}) for n in range(1, 5)]
    found = noise(dataclasses.replace(sweep, table=pd.concat([table, *again], ignore_index=True))).loc[column]
    assert found["dense"] == pytest.approx(0.01 * np.std(range(5), ddof=1))
    assert found["repeated"] == pytest.approx(0.001 * np.std(range(5), ddof=1))
    assert found["cost"] == pytest.approx(0.02 * np.std(range(5), ddof=1))
    assert found["seen_by_5"] == pytest.approx(2.776 * found["cost"] / math.sqrt(5), rel=1e-3)
    assert found["seen_by_3"] > found["seen_by_5"]


def test_a_sweep_of_several_settings_is_no_pilot(made_sweep):
    with pytest.raises(UserError, match="one setting of pruning; this sweep has"):
        noise(read(made_sweep))


def test_the_measures_are_those_of_summaries(sweep, made_three, tmp_path):
    assert list(noise(sweep).index) == [
        "bbox_refined_iou", "class_accuracy", "mask_iou", "proposal_ar100", "bbox_ap", "mask_ap",
    ]  # fmt: skip
    other = noise(read(made_three.make(tmp_path / "pilot", criteria=("l1",), ratios=(0.5,))))
    assert list(other.index) == ["digit_accuracy", "angle_error", "colour_accuracy"]
    assert other["cost"].notna().all() and other["repeated"].isna().all()
