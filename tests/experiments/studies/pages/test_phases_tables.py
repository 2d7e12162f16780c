"""Tables and pictures of a study of loss phases, from a made table whose means are known."""

import itertools

import numpy as np
import pandas as pd
import pytest

from experiments.declaration import Figure
from experiments.studies.pages.phases_tables import (
    contrast_table,
    cut_table,
    dense_table,
    read_phases,
    seed_table,
    stage_table,
)
from experiments.studies.pages.stage_pictures import stage_figure
from experiments.studies.pages.study_pictures import phases_pages

KEPT = {"joint": 0.5, "joint, equal updates": 0.5, "alternated": 0.8}
DENSE = {"joint": 0.6, "joint, equal updates": 0.3, "alternated": 0.4}


@pytest.fixture
def path(tmp_path):
    """Three arms, three seeds (each 0.01 better than the one before), two shares, two parts."""
    rows = []
    for arm, seed in itertools.product(KEPT, range(3)):
        head = {"arm": arm, "seed": seed, "updates": 100}
        whole = DENSE[arm] + 0.01 * seed
        for stage, value in (("dense", whole), ("dense_recalibrated", whole), ("dense_control", whole + 0.002)):
            rows.append({**head, "stage": stage, "ap": value, "box_quality": 1.0})
        for part, stage, asked in itertools.product(("all", "body"), ("pruned", "finetuned"), (0.2, 0.4)):
            if (part, stage) == ("body", "finetuned"):
                continue
            reference = whole if stage == "pruned" else whole + 0.002
            kept = KEPT[arm] + (0.3 - asked) + (0.1 if part == "body" else 0.0) + 0.01 * seed * (arm == "alternated")
            rows.append(
                {**head, "stage": stage, "part": part, "asked": asked, "achieved": asked}
                | {"ap": kept * reference, "box_quality": kept}
            )
    found = tmp_path / "phases.csv"
    pd.DataFrame(rows).to_csv(found, index=False)
    return found


def cells(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_parts_are_kept_apart(path):
    first, second = read_phases(path), read_phases(path, part=1)
    assert set(first["part"].dropna()) == {"all"} and set(second["part"].dropna()) == {"body"}
    assert len(first[first["part"].isna()]) == len(second[second["part"].isna()]) == 27


def test_unpruned_models_and_what_their_controls_gain(path):
    head, _, *rows = cells(dense_table(read_phases(path), {"ap": "AP"}, {"ap": "gained"}))
    assert head == ["arm", "updates", "AP", "gained"]
    assert rows[0] == ["joint", "100", "0.610 ± 0.010", "+0.2 ± 0.0"]


def test_a_cut_stands_beside_the_unpruned_model_of_its_stage(path):
    head, _, *rows = cells(cut_table(read_phases(path), {"ap": "AP"}, ("pruned", "finetuned")))
    assert head == ["", "measure", "arm", "unpruned", "20%", "40%"]
    assert rows[0][:3] == ["right after the cut", "AP", "joint"]
    assert [cell.split(" ")[0] for cell in rows[0][3:]] == ["0.61", "0.37", "0.24"]
    assert [row[3].split(" ")[0] for row in rows] == ["0.61", "0.31", "0.41", "0.61", "0.31", "0.41"]


def test_seeds_stand_side_by_side(path):
    table = read_phases(path)
    table = table[(table["arm"] != "joint") | (table["seed"] < 2)]  # not all are done
    head, _, *rows = cells(seed_table(table, "ap", 0.2))
    assert head == ["arm", "seed 0", "seed 1", "seed 2"]
    assert rows[0] == ["joint", "0.60 → 0.36", "0.61 → 0.37", ""]


def test_contrasts_are_of_shares_kept_and_within_a_seed(path):
    """The unpruned models differ by arm and by seed; what an arm keeps of its own does not, but by what was put in."""
    text = contrast_table(read_phases(path), {"ap": "AP", "box_quality": "box"}, ("pruned",))
    head, _, *rows = cells(text)
    assert head[2:] == ["alternated - joint (3 seeds)", "alternated - joint, equal updates (3 seeds)"]
    half = 4.3027 * 0.01 / np.sqrt(3)  # Student's t of two degrees of freedom; seeds give 0.30, 0.31 and 0.32
    cell = f"+0.31 [{0.31 - half:+.2f}, {0.31 + half:+.2f}]"
    assert rows[0] == ["right after the cut", "AP", cell, cell]  # of a floor of 0
    assert rows[1] == ["right after the cut", "box", cell, cell]  # of a quality
    assert "Smallest p of the 4 differences, after Holm's correction: 0.00." in text


def test_how_far_a_dead_task_is_below_its_floor_says_nothing(path):
    table = read_phases(path)
    dead = (table["stage"] == "pruned") & (table["asked"] == 0.4)
    table.loc[dead, "box_quality"] = np.where(table.loc[dead, "arm"] == "joint", -3.0, 0.0)
    row = cells(contrast_table(table, {"box_quality": "box"}, ("pruned",)))[2]
    assert row[2] == row[3] and row[2].startswith(("+0.15 [", "+0.16 ["))


def test_one_stage_has_a_row_for_every_arm_and_share(path):
    _, _, *rows = cells(stage_table(read_phases(path), {"ap": "AP"}, "finetuned"))
    assert rows[:2] == [["joint", "none", "0.61 ± 0.01"], ["joint", "20%", "0.37 ± 0.01"]]
    assert [row[:2] for row in rows[3:5]] == [["joint, equal updates", "none"], ["joint, equal updates", "20%"]]


def test_every_stage_is_a_row_of_panels_that_begins_with_the_unpruned_model(path):
    figure = stage_figure(read_phases(path), {"ap": "AP", "box_quality": "box"}, "made", "filters gone")
    axes = figure.axes
    assert [axis.get_ylabel() for axis in axes] == ["right after the cut", "", "fine-tuned", ""]
    joint = axes[0].lines[1]
    assert joint.get_xdata().tolist() == [0.0, 0.2, 0.4]
    np.testing.assert_allclose(joint.get_ydata()[0], 0.61)
    np.testing.assert_allclose(axes[2].lines[1].get_ydata()[0], 0.612)


def test_a_figure_that_the_problem_declares_is_drawn_too(path):
    made = phases_pages(path.parent, {"box": "boxes"}, [Figure("sure", "what is sure", "", {"ap": "AP"})])
    assert {"phases.png", "phases.md", "phases_sure.png"} <= {one.name for one in made}
    assert all(one.is_file() for one in made)
    assert "| joint | 20% | pruned | 0.60 ± 0.00 |" in (path.parent / "phases.md").read_text()
