"""The noise pilot's spreads, on figures whose spread is known."""

import math

import numpy as np
import pandas as pd
import pytest

import reading
from command import UserError
from noise import noise


@pytest.fixture(scope="module")
def table(made, tmp_path_factory):
    folder = made.make(
        tmp_path_factory.mktemp("pilot"), seeds=5, criteria=("l1",), ratios=(0.5,), parts=False, files=False
    )
    return reading.read(folder).table


def test_spreads_are_those_of_the_figures(table):
    column = "class_accuracy"
    values = {("dense", seed): 0.9 + 0.01 * seed for seed in range(5)}
    values |= {("dense_control", seed): 0.9 for seed in range(5)}
    values |= {("removed", seed): 0.8 + 0.02 * seed for seed in range(5)}
    values |= {("finetuned", seed): 0.8 + 0.02 * seed for seed in range(5)}
    table = table.assign(**{column: [values.get((r.stage, r.seed), math.nan) for r in table.itertuples()]})
    again = table[(table["stage"].isin(["finetuned", "removed"])) & (table["seed"] == 0)]
    again = [again.assign(repeat=n, run=again["run"] + f"-r{n}", **{column: 0.8 + 0.001 * n}) for n in range(1, 5)]
    found = noise(pd.concat([table, *again], ignore_index=True)).loc[column]
    assert found["dense"] == pytest.approx(0.01 * np.std(range(5), ddof=1))
    assert found["repeated"] == pytest.approx(0.001 * np.std(range(5), ddof=1))
    assert found["cost"] == pytest.approx(0.02 * np.std(range(5), ddof=1))
    assert found["seen_by_5"] == pytest.approx(2.776 * found["cost"] / math.sqrt(5), rel=1e-3)
    assert found["seen_by_3"] > found["seen_by_5"]


def test_a_sweep_of_several_settings_is_no_pilot(made_sweep):
    with pytest.raises(UserError, match="one setting of pruning; this sweep has"):
        noise(reading.read(made_sweep).table)
