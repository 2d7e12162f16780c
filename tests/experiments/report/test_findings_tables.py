"""The findings' tables, from a made-up sweep whose differences are known."""

import shutil

import numpy as np
import pandas as pd
import pytest

from experiments.errors import UserError
from experiments.report import findings_tables
from experiments.table.sweep_data import read

RATIOS = (0.25, 0.5)


@pytest.fixture(scope="module")
def runs(made, tmp_path_factory):
    """L1, random, and two allocations of L1: global costs 0.03 of every task's quality less."""
    folder = made.make(
        tmp_path_factory.mktemp("made") / "findings", seeds=5, criteria=("l1", "random"), ratios=RATIOS, parts=False,
        files=False,
    )  # fmt: skip
    table = pd.read_csv(folder / "runs.csv")
    pruned = table[table["criterion"].eq("l1")]
    better = pruned.assign(run=pruned["run"] + "g", scope="global", normaliser="raw")
    noise = np.random.default_rng(0).normal(0, 1e-4, len(better))
    for name, dense in made.DENSE.items():
        better[name] += 0.03 * (dense - made.FLOORS[name]) + noise
    pd.concat([table, better]).to_csv(folder / "runs.csv", index=False)
    return folder / "runs.csv"


def test_losses_are_points_against_the_dense_control(runs):
    head, rows = findings_tables.losses(runs, (0.5,))
    assert head == ["box AP / mask AP, points, ± standard deviation", "50% of the MACs"]
    assert [row[0] for row in rows] == ["l1, layer", "l1, global", "random, layer"]
    table = read(runs.parent).table
    ends = table.query("criterion == 'random' and asked == 0.5 and stage == 'removed' and retraining != 'scratch'")
    by_seed = 100 * ends.groupby("seed")[["delta_bbox_ap", "delta_mask_ap"]].mean()
    said = [part.split(" ± ") for part in rows[2][1].replace("−", "-").split(" / ")]
    assert [float(mean) for mean, _ in said] == pytest.approx(by_seed.mean().tolist(), abs=0.05)
    assert [float(spread) for _, spread in said] == pytest.approx(by_seed.std(ddof=1).tolist(), abs=0.05)
    assert len(findings_tables.losses(runs)[0]) == 1 + len(RATIOS)


def test_questions_that_a_sweep_can_answer_are_answered_and_claims_are_bold(runs):
    (head, rows), said = findings_tables.contrasts(runs)
    answers = {tuple(row[:2]): row[2:] for row in rows}
    assert set(answers) == {("allocation", "global L1 − L1"), ("criterion", "L1 − random")}
    assert head[3:] == ["boxes", "classes", "masks", "proposals"]
    ratios, *cells = answers["allocation", "global L1 − L1"]
    assert ratios == "25%, 50%" and all(cell.startswith("**+3.0 [") for cell in cells)
    assert said == "5 seeds; Holm over the 8 contrasts of this report."


def test_a_question_of_another_stage(runs):
    (_, rows), _ = findings_tables.contrasts(runs, stage="pruned")
    assert len(rows) == 2


def test_nothing_to_answer(made, tmp_path):
    folder = made.make(tmp_path / "one", seeds=1, criteria=("random",), ratios=(0.5,), parts=False, files=False)
    (head, rows), said = findings_tables.contrasts(folder / "runs.csv")
    assert rows == [] and said == "" and len(head) == 3


def test_a_side_that_stands_for_several_kinds_of_run_is_said(runs, tmp_path):
    shutil.copytree(runs.parent, tmp_path / "mixed")
    table = pd.read_csv(runs)
    other = table[table["criterion"].eq("l1")]
    other = other.assign(run=other["run"] + "d", retraining="distill")
    pd.concat([table, other]).to_csv(tmp_path / "mixed" / "runs.csv", index=False)
    with pytest.raises(UserError, match=r"'l1,scope=layer' stands for runs that differ \(retraining"):
        findings_tables.contrasts(tmp_path / "mixed" / "runs.csv")


def test_classes_stand_beside_each_other_by_method(made_sweep, made):
    columns = ("class_accuracy", "mask_ap")
    head, rows = findings_tables.classes(made_sweep / "runs.csv", (0.5,), columns)
    assert head[:3] == ["class accuracy / mask AP, points", "objects", "dense, same extra training"]
    assert head[3:] == ["l1", "taylor", "random"]
    assert [row[:2] for row in rows] == [["square", "40"], ["circle", "25"], ["star", "5"]]
    table = read(made_sweep).table
    ends = table.query("criterion == 'random' and asked == 0.5 and stage == 'removed' and part == 'all'")
    for name, _, control, *changes in rows:
        share = made.CLASSES[name][1]
        said = [float(text) for text in changes[2].replace("−", "-").split(" / ")]
        expected = [100 * share * ends[f"delta_{column}"].mean() for column in columns]
        assert said == pytest.approx(expected, abs=0.051)
        tops = table.query("stage == 'dense_control'")
        accuracy = 100 * (0.9 - share * (made.DENSE["class_accuracy"] - tops["class_accuracy"].mean()))
        assert float(control.split(" / ")[0]) == pytest.approx(accuracy, abs=0.051)
