"""A sweep's table as curves, and the figures behind the plots."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import reading
from curves import final, is_random, labels, left, names, normalised, percent, whole
from plots import network, pareto, parts, prediction, weights
from plots.bands import band
from style import COLOURS, looks


@pytest.fixture(scope="module")
def sweep(made_sweep):
    return reading.read(made_sweep)


def rows(**columns):
    """A table of pruned runs; scalars stand for all rows."""
    given = {"part": "all", "retraining": "finetune", "criterion": "l1", "seed": 0, "asked": 0.5}
    return pd.DataFrame({**given, **dict.fromkeys((*reading.SETTINGS, "reference"))} | given | columns)


# The table as curves


def test_the_end_of_a_run_is_its_last_stage_and_only_if_it_has_been_fine_tuned():
    table = rows(
        run=["a", "a", "a", "b", "b", "c", "d", "d", "e"],
        stage="pruned finetuned removed pruned recalibrated scratch pruned recalibrated pruned".split(),
        retraining=["finetune"] * 5 + ["scratch", "none", "none", "none"],
    )
    assert [tuple(row) for row in final(table)[["run", "stage"]].to_numpy()] == [
        ("a", "removed"), ("d", "recalibrated"), ("e", "pruned"),
    ]  # fmt: skip


def test_curves_are_named_by_what_varies_and_never_by_nothing():
    table = rows(
        run=list("abcd"), stage="finetuned", criterion=["random", "l1", "taylor", "taylor"],
        arbiter=[None, None, "union", "mean_rank"], scope="layer",
    )  # fmt: skip
    assert names(table) == ["l1", "taylor, union", "taylor, mean_rank", "random"]
    assert labels(table, table).tolist() == ["random", "l1", "taylor, union", "taylor, mean_rank"]
    assert [is_random(name) for name in ("random", "random, global", "randomised")] == [True, True, False]


def test_runs_of_one_part_are_no_curve(sweep):
    assert names(sweep.table) == ["l1", "taylor", "random"]
    assert set(whole(final(sweep.table))["part"]) == {"all"}
    assert set(final(sweep.table)["part"]) == {"all", "features", "rpn", "box_head", "mask_head"}


def test_what_is_left_is_a_share_of_the_same_seeds_dense_model():
    table = pd.DataFrame(
        {
            "stage": ["dense", "dense", "finetuned", "finetuned"],
            "seed": [0, 1, 0, 1],
            "effective_macs": [100.0, 200.0, 50.0, 50.0],
            "latency_ratio": [math.nan, math.nan, 2.0, 4.0],
        }
    )
    assert left(table, "macs").tolist() == [1.0, 1.0, 0.5, 0.25]
    assert left(table, "latency").tolist()[2:] == [0.5, 0.25]
    assert left(table, "bytes").isna().all()


def test_normalised_quality_is_one_for_dense_and_zero_for_the_floor_of_the_same_seed():
    table = pd.DataFrame(
        {
            "stage": ["floor", "dense", "finetuned"] * 2,
            "seed": [0, 0, 0, 1, 1, 1],
            "mask_iou": [0.7, 0.9, 0.8, 0.5, 0.9, 0.6],
            "class_nll": [1.4, 0.4, 0.9, 1.0, 1.2, 1.1],
        }
    )
    found = normalised(table, {"mask": "mask_iou", "class": "class_nll"})
    assert found["mask"].tolist() == pytest.approx([0, 1, 0.5, 0, 1, 0.25])
    assert found["class"].tolist()[:3] == pytest.approx([0, 1, 0.5])  # less is better, and 1 is still dense
    assert found["class"].isna().tolist() == [False] * 3 + [True] * 3  # a dense model worse than the floor


def test_percent():
    assert [percent(0.2), percent(0.125), percent(1 / 3)] == ["20%", "12.5%", "33.33%"]


def test_a_baseline_is_grey_and_no_two_curves_look_alike():
    found = looks([f"c{i}" for i in range(29)] + ["random"], "random")
    assert found["random"].colour not in COLOURS
    assert len({(look.colour, look.marker) for look in found.values()}) == 30


# Figures behind the plots


def test_pareto_front_of_a_known_table():
    costs = [1.0, 0.5, 0.5, 0.2, 0.3, 0.2, 0.1, 0.4]
    quality = [1.0, 0.9, 0.8, 0.6, 0.5, 0.6, math.nan, 0.7]
    expected = [True, True, False, True, False, True, False, True]  # equal points are both in it
    assert pareto.front(costs, quality).tolist() == expected


def test_pareto_front_is_what_nothing_beats():
    random = np.random.default_rng(0)
    costs, quality = random.integers(0, 8, (2, 60)) / 8
    found = pareto.front(costs, quality)
    for i in range(60):
        beaten = any(
            costs[j] <= costs[i] and quality[j] >= quality[i] and (costs[j], quality[j]) != (costs[i], quality[i])
            for j in range(60)
        )
        assert found[i] == (not beaten)


def test_settings_means_have_the_dense_model_once_and_every_setting(sweep):
    points = pareto.settings_means(sweep.table, "macs")
    assert len(points) == 1 + 3 * 3
    dense = points[points["curve"] == ""].iloc[0]
    assert (dense["left"], dense["all"]) == (1.0, pytest.approx(1.0))
    one = points[(points["curve"] == "taylor") & (points["asked"] == 0.5)].iloc[0]
    assert one["all"] == pytest.approx(np.mean([one[task] for task in ("bbox", "class", "mask", "proposal")]))


def test_bands():
    runs = pd.DataFrame({"asked": 0.5, "seed": [0, 0, 1, 2]})
    x, y = pd.Series([0.5] * 4), pd.Series([0.1, 0.3, 0.4, 0.9])
    [found] = band(runs, x, y, "range").to_dict("records")  # seed 0 was repeated: 0.2
    assert (found["mean"], found["low"], found["high"], found["seeds"]) == pytest.approx((0.5, 0.2, 0.9, 3))
    [found] = band(runs, x, y, "interval").to_dict("records")
    theirs = stats.ttest_1samp([0.2, 0.4, 0.9], 0).confidence_interval()
    assert (found["low"], found["high"]) == pytest.approx(tuple(theirs))
    [alone] = band(runs[:1], x[:1], y[:1], "range").to_dict("records")
    assert alone["mean"] == 0.1 and math.isnan(alone["low"]) and math.isnan(alone["high"])


def test_rank_correlation():
    points = pd.DataFrame({"early": [1.0, 2, 3, 4, 5], "final": [2.0, 1, 4, 3, 5]})
    assert prediction.correlation(points) == pytest.approx(0.8)  # 1 - 6 * 4 / (5 * 24)
    assert prediction.correlation(points**3) == pytest.approx(0.8)
    assert math.isnan(prediction.correlation(points[:2]))
    assert math.isnan(prediction.correlation(points.assign(final=1.0)))


def test_rank_correlation_within_a_ratio_is_not_made_by_the_ratios():
    # Between the ratios the order is the same, within each it is turned round.
    points = pd.DataFrame({"early": [-1.0, -2, -3, -11, -12, -13], "final": [-3.0, -2, -1, -13, -12, -11]})
    ratios = pd.Series([0.2] * 3 + [0.8] * 3)
    assert prediction.correlation(points) > 0.5
    assert prediction.correlation_within(points, ratios) == pytest.approx(-1)
    assert prediction.correlation_text(points, ratios).splitlines() == [
        "6 runs", f"rank correlation {prediction.correlation(points):.2f}", "within a ratio -1.00",
    ]  # fmt: skip
    assert prediction.correlation_text(points[:2], ratios[:2]) == "2 runs"


def test_predicted_and_final_drops_are_of_the_same_run(sweep):
    found = prediction.pairs(sweep.table, "pruned")
    early = parts.change(sweep.table)
    assert len(found) == 4 * (3 * 3 + 4)
    for index in found.index[::7]:
        run = sweep.table.loc[index, "run"]
        first = sweep.table.index[(sweep.table["run"] == run) & (sweep.table["stage"] == "pruned")][0]
        assert found.loc[index, "early_mask"] == early.loc[first, "mask"]


def test_a_head_alone_hurts_its_own_task_only(sweep):
    table = sweep.table
    means = parts.change(table)[table["stage"] == "pruned"].groupby(table["part"]).mean()
    assert means.loc["mask_head", "mask"] < -0.1
    assert means.loc["mask_head", ["bbox", "class", "proposal"]].abs().max() < 1e-9
    assert means.loc["rpn", "proposal"] < -0.05 and means.loc["features"].max() < -0.05


def test_changes_are_against_the_run_that_the_table_names(sweep):
    table, changes = sweep.table, parts.change(sweep.table)
    quality = normalised(table)
    for stage, reference in (("pruned", "dense"), ("removed", "dense_control"), ("scratch", "dense")):
        row = table[table["stage"] == stage].iloc[-1]
        other = table[(table["stage"] == reference) & (table["seed"] == row["seed"])].iloc[0]
        expected = quality.loc[row.name, "class"] - quality.loc[other.name, "class"]
        assert changes.loc[row.name, "class"] == pytest.approx(expected)


def test_parts_and_their_weights():
    assert [network.part_of(name) for name in ("features/res2_1_1_conv", "features/fpn_output5", "rpn/rpn_conv")] == [
        "features", "fpn", "rpn",
    ]  # fmt: skip
    sums = weights.by_part({"rpn/a": [1, 2], "rpn/b": [3, 4], "mask_head/c": [5, 6]})
    assert {part: counts.tolist() for part, counts in sums.items()} == {"rpn": [4, 6], "mask_head": [5, 6]}
