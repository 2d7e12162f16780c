import json

import numpy as np
import pandas as pd
import pytest

import pruning
from experiments.commands import sweep_command
from experiments.errors import UserError
from experiments.lookup import open_problem, problem_class, recipe_type
from experiments.runs import stages
from experiments.runs.executors import OneProcess
from experiments.runs.run_folder import RunFolder, WriteError
from experiments.runs.sweep import sweep
from experiments.table.columns import VARYING, columns
from maskrcnn.evaluation import MEASURES


class Swept:
    """A sweep that has been done here."""

    def __init__(self, recipe):
        self.recipe, executor = recipe, OneProcess()
        self.outcome = sweep(open_problem(recipe), executor)
        self.path, self.runner = self.outcome.folder, executor.runner
        self.table = pd.read_csv(self.path / "runs.csv")


@pytest.fixture(scope="module")
def swept(tiny):
    return Swept(tiny(grid={"criterion": "l1", "ratio": 0.5, "retraining": ["finetune", "none"]}))


@pytest.fixture
def same_model(swept, monkeypatch):
    """Later sweeps use the model of the first, which is compiled already."""
    seed_model = swept.runner.seed_model

    def used_again(problem, seed, work, watch, log):
        seed_model.watch, seed_model.work = watch, work
        return seed_model

    monkeypatch.setattr("experiments.runs.runner.SeedModel", used_again)


def files(runner):
    """Every file of the runs -> when it was written."""
    return {path: path.stat().st_mtime_ns for path in runner.path.glob("runs/*/*") if path.name != "lock"}


def assert_same(one, other):
    """Two tables are the same but for what differs from one time to the next."""
    columns = [name for name in one if name not in VARYING]
    pd.testing.assert_frame_equal(one[columns], other.reindex(columns=columns), rtol=0, atol=1e-6)


def test_every_stage_is_a_row(swept):
    runner, table = swept.runner, swept.table
    assert table["stage"].tolist() == [
        "floor", "dense", "dense_control", "pruned", "recalibrated", "finetuned", "removed", "pruned", "recalibrated",
    ]  # fmt: skip
    assert table["retraining"].tolist()[2:] == ["finetune"] * 5 + ["none"] * 2
    assert not runner.unfinished() and not runner.failures()


def test_every_column_is_documented_and_every_measure_is_there(swept):
    table = swept.table
    assert set(table.columns) <= set(columns(swept.runner.problem.declaration()))
    assert set(MEASURES) <= set(table.columns)
    assert {"file_bytes", "latency_ratio", "macs_1000_100", "achieved_macs"} <= set(table.columns)


def test_what_is_gone_is_gone_at_every_stage(swept):
    table = swept.table
    runs = table[table["criterion"].notna()]
    assert np.abs(runs["achieved"] - runs["asked"]).max() < 0.03
    for column in ("achieved", "achieved_filters", "achieved_macs", "effective_params", "effective_macs"):
        assert runs[column].nunique() == 1, column
    dense = table.set_index("stage").loc["dense"]
    assert dense["achieved"] == 0
    assert dense["effective_macs"] == dense["macs"] > 2 * runs["effective_macs"].max()


def test_the_removed_network_is_the_masked_one_and_smaller(swept):
    table = swept.table
    rows = table.set_index("stage")
    masked, small, dense = rows.loc["finetuned"], rows.loc["removed"], rows.loc["dense"]
    assert small["params"] == small["effective_params"] == masked["effective_params"] < masked["params"]
    assert small["macs"] == masked["effective_macs"] < masked["macs"] == dense["macs"]
    assert small["file_bytes"] < dense["file_bytes"]
    for column in ("class_nll", "mask_iou", "bbox_refined_iou", "proposal_ar100"):
        assert small[column] == pytest.approx(masked[column], abs=1e-4)
    assert small["latency_ms"] > 0 and small["latency_ratio"] > 0


def test_deltas_are_against_the_model_with_the_same_training(swept):
    table = swept.table
    run = table[table["run"] == table.loc[5, "run"]].set_index("stage")["delta_class_nll"]
    nll = table.set_index("stage")["class_nll"]
    assert run["finetuned"] == pytest.approx(nll["finetuned"] - nll["dense_control"])
    assert run["recalibrated"] == pytest.approx(nll["recalibrated"].iloc[0] - nll["dense"])


def test_training_and_recalibration_change_the_model(swept):
    table = swept.table
    kinds = table[table["retraining"] != "none"].set_index("stage")["class_nll"].drop("removed")
    assert kinds.nunique() == len(kinds)


def test_a_run_records_how_it_was_made(swept):
    recipe, runner = swept.recipe, swept.runner
    for name in runner.runs:
        record = runner.folder(name).read("record")
        assert record["finished"] and record["starts"] == 1
        assert set(record["versions"]) == {"python", "keras", "tensorflow", "numpy", "taskprune"}
        assert record["machine"]["cores"] >= 1 and record["threads"] >= 1
        assert record["recipe"]["finetune"] == recipe.finetune.model_dump(mode="json") and len(record["code"]) == 64
    folder = runner.folder(next(name for name in runner.runs if name.startswith("l1")))
    history = pd.read_csv(folder.path / "history.csv")
    assert history["step"].tolist() == [1, 2, 3, 4]
    assert (history["sparsity"] == 0.5).all() and history["mrcnn_mask_loss"].notna().all()
    spread = json.loads((folder.path / "histograms.json").read_text())
    kernels = {name: sum(counts) for name, counts in spread["before"].items()}
    left = {name: sum(counts) for name, counts in spread["after"].items()}
    assert len(spread["edges"]) == len(next(iter(spread["before"].values()))) + 1
    assert set(kernels) == set(left) and sum(left.values()) < 0.5 * sum(kernels.values())
    assert set(spread["parts"]["after"]) == {"features", "rpn", "box_head", "mask_head"}
    assert pruning.Plan.load(folder.path / "plan.json").asked == 0.5


def test_a_second_start_does_nothing(swept):
    recipe, runner = swept.recipe, swept.runner
    before = files(runner)
    sweep(open_problem(recipe))
    assert files(runner) == before


def test_lost_stages_are_done_again_and_nothing_else(swept, same_model):
    recipe, runner, table = swept.recipe, swept.runner, swept.table
    tuned, untuned = (run for run in runner.runs if run.startswith("l1"))
    lost = [runner.folder(tuned).path / "removed.json", runner.folder(untuned).path / "recalibrated.json"]
    before = files(runner)
    for path in lost:
        path.unlink()
    sweep(open_problem(recipe))
    after = files(runner)
    again = {path.name for path in after if after[path] != before[path] and not path.name.endswith(".answers.npz")}
    stages = {f"{stage}.{kind}" for stage in ("removed", "recalibrated") for kind in ("json", "classes.csv")}
    assert again == stages | {"histograms.json", "record.json", "settings.json"}
    assert_same(table, pd.read_csv(runner.path / "runs.csv"))


def test_a_failing_run_is_recorded_and_tried_again(swept, same_model, monkeypatch, capsys):
    recipe, runner, table = swept.recipe, swept.runner, swept.table
    grid = recipe.grid.model_copy(update={"criterion": ("l2", "random"), "retraining": ("none",)})
    kind = recipe_type(problem_class("maskrcnn"), sweep_command.Sweep)
    more = kind.model_validate(recipe.model_dump() | {"grid": grid.model_dump()})
    plan = pruning.plan

    def failing(graph, scores, *args, **kwargs):
        if scores.criterion == "L2":
            raise ValueError("nothing is left")
        return plan(graph, scores, *args, **kwargs)

    monkeypatch.setattr(pruning, "plan", failing)
    monkeypatch.setattr(sweep_command, "read_settings", lambda *_: more)
    monkeypatch.setattr("experiments.runs.sweep.write_report", lambda folder: folder / "report.html")
    assert sweep_command.main([]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("1 of 3 runs are not done") and "ValueError: nothing is left" in said[-2]
    failed = next(runner.path.glob("runs/l2-*"))
    assert "nothing is left" in (failed / "error.txt").read_text()
    assert RunFolder(next(runner.path.glob("runs/random-*"))).finished("pruned", "recalibrated")
    monkeypatch.setattr(pruning, "plan", plan)
    assert sweep_command.main([]) == 0
    assert RunFolder(failed).finished("pruned", "recalibrated") and not (failed / "error.txt").exists()
    now = pd.read_csv(runner.path / "runs.csv")
    assert len(now) == len(table) + 4
    assert_same(table, now[now["run"].isin(table["run"])].reset_index(drop=True))


def test_a_full_disk_stops_the_sweep(swept, same_model, tiny, monkeypatch):
    recipe, runner, table = swept.recipe, swept.runner, swept.table
    other = tiny(recipe.results, grid={"criterion": "l2", "ratio": 0.25, "retraining": "none"})

    def full(self, stage, content):
        if stage == "pruned":
            raise WriteError("no room")
        write(self, stage, content)

    write = RunFolder.write
    monkeypatch.setattr(RunFolder, "write", full)
    with pytest.raises(WriteError, match="no room"):
        sweep(open_problem(other))
    assert set(table["run"]) <= set(pd.read_csv(runner.path / "runs.csv")["run"])


def test_other_settings_in_the_same_folder_are_refused(swept, tiny):
    recipe = swept.recipe
    other = tiny(recipe.results, training={"steps": 7}, evaluation={"limit": 3})
    with pytest.raises(UserError, match=r"evaluation\.limit: default -> 3; training\.steps: 6 -> 7"):
        sweep(open_problem(other))


def test_a_dense_model_of_another_sweep_is_copied(swept, same_model, tiny, tmp_path, monkeypatch):
    runner, table = swept.runner, swept.table
    monkeypatch.setattr(stages, "train_dense", lambda *_: pytest.fail("trained again"))
    other = tiny(tmp_path, dense_from=str(runner.path), grid={"criterion": "l1", "ratio": 0.5, "retraining": "none"})
    again = pd.read_csv(sweep(open_problem(other)).folder / "runs.csv")
    assert_same(table[table["run"].isin(again["run"])].reset_index(drop=True), again)
