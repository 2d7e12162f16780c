import shutil
from pathlib import Path

import pandas as pd
import pytest

from experiments.declaration import Declaration, Task
from experiments.errors import UserError
from experiments.runs.run_folder import RunFolder
from experiments.table.columns import COSTS, SECONDS, SETTINGS, columns, describe
from experiments.table.summary_measures import summary_columns
from experiments.table.table_files import make_table, write_table

ROOT = Path(__file__).parents[3]


def stages(folder, run, **rows):
    run_folder = RunFolder(folder / "runs" / run)
    run_folder.path.mkdir(parents=True)
    for stage, row in rows.items():
        run_folder.write(stage, {"run": run, "stage": stage, "seed": 0, "repeat": 0, **row})


@pytest.fixture
def folder(tmp_path, made):
    (tmp_path / "problem.json").write_text(made.PROBLEM.to_json())
    pruned = {"criterion": "l1", "asked": 0.5, "budget": "filters"}
    stages(tmp_path, "b-0.5", pruned={**pruned, "reference": "dense-s0", "mask_ap": 0.2, "macs": 10},
           finetuned={**pruned, "reference": "control-s0", "mask_ap": 0.55, "macs": 10})  # fmt: skip
    stages(tmp_path, "a-0.2", pruned={**pruned, "asked": 0.2, "reference": "dense-s0", "mask_ap": None, "macs": 10})
    stages(tmp_path, "dense-s0", floor={"mask_ap": 0.0}, dense={"mask_ap": 0.6, "macs": 10, "seed": 0})
    stages(tmp_path, "control-s0", dense_control={"mask_ap": 0.65, "macs": 10, "retraining": "finetune"})
    (tmp_path / "runs" / "started").mkdir()
    return tmp_path


def test_rows_are_in_order_and_deltas_against_their_references(folder, made):
    table = make_table(folder)
    assert table["stage"].tolist() == ["floor", "dense", "dense_control", "pruned", "pruned", "finetuned"]
    assert table["run"].tolist()[3:] == ["a-0.2", "b-0.5", "b-0.5"]
    assert table["delta_mask_ap"].tolist()[4:] == pytest.approx([0.2 - 0.6, 0.55 - 0.65])
    assert table["delta_mask_ap"].isna().tolist() == [True] * 4 + [False] * 2
    assert "arbiter" not in table
    assert list(table.columns) == [name for name in columns(made.PROBLEM) if name in table.columns]


def test_the_same_table_as_csv_and_parquet(folder):
    path = write_table(folder)
    text = path.read_bytes()
    read, stored = pd.read_csv(path), pd.read_parquet(folder / "runs.parquet")
    assert list(read.columns) == list(stored.columns)
    assert read["macs"].dropna().tolist() == stored["macs"].dropna().tolist() == [10] * 5
    assert ",10," in text.decode() and ",10.0," not in text.decode()
    described = (folder / "columns.md").read_text()
    assert all(f"`{name}`" in described for name in read.columns)
    assert "not documented" not in described
    path.unlink()
    assert write_table(folder).read_bytes() == text


def test_a_folder_without_a_sweep_is_a_users_error(tmp_path):
    with pytest.raises(UserError, match="no folder runs"):
        write_table(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(UserError, match="problem.json is not there: .* the same sweep command, started again"):
        write_table(tmp_path)
    (tmp_path / "problem.json").write_text('{"tasks": 3}')
    with pytest.raises(UserError, match="problem.json does not declare a problem"):
        write_table(tmp_path)
    (tmp_path / "problem.json").write_text(Declaration("x", (Task("digit", "digits", "accuracy"),)).to_json())
    with pytest.raises(UserError, match="no finished stage"):
        write_table(tmp_path)


def test_a_stage_that_cannot_be_read_names_the_run_to_delete(folder):
    (folder / "runs" / "b-0.5" / "pruned.json").write_text("{")
    with pytest.raises(UserError, match=r"delete .*b-0\.5 to do this run again"):
        make_table(folder)


def test_columns_come_from_the_problem(made, made_three):
    found = list(columns(made_three.problem()))
    assert found == [
        *SETTINGS, *COSTS, "digit_accuracy", "angle_error", "colour_accuracy", "delta_digit_accuracy",
        "delta_angle_error", "delta_colour_accuracy", *summary_columns(made_three.problem()), *SECONDS,
    ]  # fmt: skip
    assert columns(made_three.problem())["angle_error"] == "mean absolute error of the angle"
    assert "- `digit_accuracy`: digits: digit accuracy" in describe(found, made_three.problem())
    assert "- `extra`: not documented" in describe(["extra"], made_three.problem())
    # a measure among the problem's own columns has its place there, and so has its difference
    own = list(columns(made.PROBLEM))
    start = own.index("latency_threads")
    assert own[start + 1 : start + 4] == ["macs_rois", "proposal_ar100", "bbox_ap"]
    assert own.index("delta_proposal_ar100") + 1 == own.index("delta_bbox_ap")
    assert len(own) == len(set(own))


def test_a_problem_may_say_what_a_cost_means_here():
    problem = Declaration("x", (Task("digit", "digits", "accuracy"),), columns={"latency_ms": "of one digit"})
    assert columns(problem)["latency_ms"] == "of one digit"
    assert list(columns(problem)) == [
        *SETTINGS, *COSTS, "digit_accuracy", "delta_digit_accuracy", *summary_columns(problem), *SECONDS,
    ]  # fmt: skip


def test_a_committed_sweeps_table_is_made_anew_byte_by_byte(tmp_path):
    committed = ROOT / "results" / "shapes_hard_reference"
    if not (committed / "problem.json").is_file():
        pytest.skip("results/shapes_hard_reference has no problem.json")
    folder = tmp_path / "again"
    ignored = shutil.ignore_patterns("*.keras", "*.png", "*.svg", "*.html", "histograms.json", "plan.json")
    shutil.copytree(committed, folder, ignore=ignored)
    (folder / "runs.csv").unlink()
    assert write_table(folder).read_bytes() == (committed / "runs.csv").read_bytes()
