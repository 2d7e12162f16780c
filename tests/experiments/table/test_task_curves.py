"""A sweep's table as curves, and the figures behind the plots."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.declaration import Declaration, Task
from experiments.plots import early_drop, pareto
from experiments.plots.elements.bands import band
from experiments.plots.elements.style import COLOURS, lines_and_columns, looks, part_colours, parts_of, task_looks
from experiments.plots.weight_histograms import by_part
from experiments.table.sweep_data import SETTINGS, read
from experiments.table.task_curves import (
    change,
    final_rows,
    is_random,
    labels,
    names,
    normalised,
    percent,
    remaining,
    whole_network_ends,
)


@pytest.fixture(scope="module")
def sweep(made_sweep):
    return read(made_sweep)


def rows(**columns):
    """A table of pruned runs; scalars stand for all rows."""
    given = {"part": "all", "retraining": "finetune", "criterion": "l1", "seed": 0, "asked": 0.5}
    return pd.DataFrame({**given, **dict.fromkeys((*SETTINGS, "reference"))} | given | columns)


# The table as curves


def test_the_end_of_a_run_is_its_last_stage_and_only_if_it_has_been_fine_tuned():
    table = rows(
        run=["a", "a", "a", "b", "b", "c", "d", "d", "e"],
        stage="pruned finetuned removed pruned recalibrated scratch pruned recalibrated pruned".split(),
        retraining=["finetune"] * 5 + ["scratch", "none", "none", "none"],
    )
    assert [tuple(row) for row in final_rows(table)[["run", "stage"]].to_numpy()] == [
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
    assert set(whole_network_ends(sweep.table)["part"]) == {"all"}
    assert set(final_rows(sweep.table)["part"]) == {"all", "features", "rpn", "box_head", "mask_head"}


def test_what_remains_is_a_share_of_the_same_seeds_dense_model():
    table = pd.DataFrame(
        {
            "stage": ["dense", "dense", "finetuned", "finetuned"],
            "seed": [0, 1, 0, 1],
            "effective_macs": [100.0, 200.0, 50.0, 50.0],
            "latency_ratio": [math.nan, math.nan, 2.0, 4.0],
        }
    )
    assert remaining(table, "macs").tolist() == [1.0, 1.0, 0.5, 0.25]
    assert remaining(table, "latency").tolist()[2:] == [0.5, 0.25]
    assert remaining(table, "bytes").isna().all()


def test_normalised_quality_is_one_for_dense_and_zero_for_the_floor_of_the_same_seed():
    table = pd.DataFrame(
        {
            "stage": ["floor", "dense", "finetuned"] * 2,
            "seed": [0, 0, 0, 1, 1, 1],
            "mask_iou": [0.7, 0.9, 0.8, 0.5, 0.9, 0.6],
            "class_nll": [1.4, 0.4, 0.9, 1.0, 1.2, 1.1],
        }
    )
    nll = Task("class", "classes", "nll", higher_is_better=False)
    found = normalised(table, Declaration("two", (Task("mask", "masks", "iou"), nll)))
    assert found["mask"].tolist() == pytest.approx([0, 1, 0.5, 0, 1, 0.25])
    assert found["class"].tolist()[:3] == pytest.approx([0, 1, 0.5])  # less is better, and 1 is still dense
    assert found["class"].isna().tolist() == [False] * 3 + [True] * 3  # a dense model worse than the floor


def test_percent():
    assert [percent(0.2), percent(0.125), percent(1 / 3)] == ["20%", "12.5%", "33.33%"]


def test_a_baseline_is_grey_and_no_two_curves_look_alike():
    found = looks([f"c{i}" for i in range(29)] + ["random"])
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
    points = pareto.settings_means(sweep.table, sweep.problem, "macs")
    assert len(points) == 1 + 3 * 3
    dense = points[points["curve"] == ""].iloc[0]
    assert (dense["remaining"], dense["all"]) == (1.0, pytest.approx(1.0))
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
    assert early_drop.correlation(points) == pytest.approx(0.8)  # 1 - 6 * 4 / (5 * 24)
    assert early_drop.correlation(points**3) == pytest.approx(0.8)
    assert math.isnan(early_drop.correlation(points[:2]))
    assert math.isnan(early_drop.correlation(points.assign(final=1.0)))


def test_rank_correlation_within_a_ratio_is_not_made_by_the_ratios():
    # Between the ratios the order is the same, within each it is turned round.
    points = pd.DataFrame({"early": [-1.0, -2, -3, -11, -12, -13], "final": [-3.0, -2, -1, -13, -12, -11]})
    ratios = pd.Series([0.2] * 3 + [0.8] * 3)
    assert early_drop.correlation(points) > 0.5
    assert early_drop.correlation_within(points, ratios) == pytest.approx(-1)
    assert early_drop.correlation_text(points, ratios).splitlines() == [
        "6 runs", f"rank correlation {early_drop.correlation(points):.2f}", "within a ratio -1.00",
    ]  # fmt: skip
    assert early_drop.correlation_text(points[:2], ratios[:2]) == "2 runs"


def test_predicted_and_final_drops_are_of_the_same_run(sweep):
    found = early_drop.pairs(sweep.table, sweep.problem, "pruned")
    early = change(sweep.table, sweep.problem)
    assert len(found) == 4 * (3 * 3 + 4)
    for index in found.index[::7]:
        run = sweep.table.loc[index, "run"]
        first = sweep.table.index[(sweep.table["run"] == run) & (sweep.table["stage"] == "pruned")][0]
        assert found.loc[index, "early_mask"] == early.loc[first, "mask"]


def test_a_head_alone_hurts_its_own_task_only(sweep):
    table = sweep.table
    means = change(table, sweep.problem)[table["stage"] == "pruned"].groupby(table["part"]).mean()
    assert means.loc["mask_head", "mask"] < -0.1
    assert means.loc["mask_head", ["bbox", "class", "proposal"]].abs().max() < 1e-9
    assert means.loc["rpn", "proposal"] < -0.05 and means.loc["features"].max() < -0.05


def test_changes_are_against_the_run_that_the_table_names(sweep):
    table, changes = sweep.table, change(sweep.table, sweep.problem)
    quality = normalised(table, sweep.problem)
    for stage, reference in (("pruned", "dense"), ("removed", "dense_control"), ("scratch", "dense")):
        row = table[table["stage"] == stage].iloc[-1]
        other = table[(table["stage"] == reference) & (table["seed"] == row["seed"])].iloc[0]
        expected = quality.loc[row.name, "class"] - quality.loc[other.name, "class"]
        assert changes.loc[row.name, "class"] == pytest.approx(expected)


def test_parts_and_their_weights(sweep):
    layers = ["mask_head/c", "features/fpn_output5", "rpn/rpn_conv", "features/res2_1_1_conv", "other/x"]
    found = parts_of(layers, sweep.problem)
    assert list(found.items()) == [
        ("features/res2_1_1_conv", "features"), ("features/fpn_output5", "fpn"), ("rpn/rpn_conv", "rpn"),
        ("mask_head/c", "mask_head"), ("other/x", "other"),
    ]  # fmt: skip
    assert part_colours(["mask_head", "other"], sweep.problem) == {"mask_head": COLOURS[4], "other": COLOURS[5]}
    sums = by_part({"rpn/a": [1, 2], "rpn/b": [3, 4], "mask_head/c": [5, 6]}, sweep.problem)
    assert {part: counts.tolist() for part, counts in sums.items()} == {"rpn": [4, 6], "mask_head": [5, 6]}


def test_a_problem_without_parts_is_told_apart_by_first_names_or_not_at_all():
    bare = Declaration("bare", (Task("digit", "digits", "accuracy"),))
    assert parts_of(["conv1", "conv2"], bare) == {"conv1": "network", "conv2": "network"}
    assert parts_of(["trunk/conv1", "head/conv2", "trunk/conv3"], bare) == {
        "head/conv2": "head", "trunk/conv1": "trunk", "trunk/conv3": "trunk",
    }  # fmt: skip


def test_tasks_keep_their_looks_and_panels_their_rows(sweep, made_three):
    assert [look.colour for look in task_looks(sweep.problem).values()] == list(COLOURS[:4])
    eight = task_looks(made_three.problem(8)).values()
    assert len({(look.colour, look.marker) for look in eight}) == 8
    shapes = [lines_and_columns(count) for count in range(1, 9)]
    assert shapes == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 3), (2, 3), (2, 4), (2, 4)]
    assert all(lines * columns >= count for count, (lines, columns) in enumerate(shapes, 1))
