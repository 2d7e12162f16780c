import json

import numpy as np
import pandas as pd
import pytest

import pruning
from building import results_folder
from columns import COLUMNS
from command import UserError
from dense import Dense
from lab import Lab
from maskrcnn.evaluation import MEASURES
from plot import draw
from progress import Work
from store import Store
from sweep import grid, sweep


@pytest.fixture(scope="module")
def swept(tiny):
    recipe = tiny()
    store = sweep(recipe)
    return recipe, store, pd.read_csv(store.table)


def test_every_stage_is_a_row(swept):
    _, _, table = swept
    assert table["stage"].tolist() == [
        "floor", "dense", "dense_control", "pruned", "finetuned", "pruned", "finetuned",
    ]
    assert table["method"].dropna().tolist() == ["l1", "l1", "random", "random"]


def test_every_column_is_known_and_documented(swept):
    _, store, table = swept
    assert set(table.columns) <= set(COLUMNS)
    assert set(MEASURES) <= set(table.columns)
    described = (store.folder / "columns.md").read_text()
    assert all(f"`{name}`" in described for name in table.columns)


def test_achieved_is_near_asked_and_survives_fine_tuning(swept):
    _, _, table = swept
    runs = table[table["method"].notna()]
    assert np.abs(runs["achieved"] - runs["asked"]).max() < 0.03
    pairs = runs.pivot(index="run", columns="stage", values="achieved")
    assert (pairs["pruned"] == pairs["finetuned"]).all()
    dense = table.set_index("stage").loc["dense"]
    assert dense["achieved"] == 0
    assert (runs["effective_macs"] < 0.5 * dense["effective_macs"]).all()
    assert dense["effective_macs"] == dense["macs"]


def test_training_changed_the_control_and_pruning_the_rest(swept):
    _, _, table = swept
    assert table["class_nll"].dropna().nunique() == len(table)


def test_a_second_start_does_nothing(swept):
    recipe, store, _ = swept
    files = [*store.folder.glob("runs/*.json"), store.folder / "dense.keras"]
    before = {path: path.stat().st_mtime_ns for path in files}
    sweep(recipe)
    assert {path: path.stat().st_mtime_ns for path in files} == before


def test_a_lost_stage_is_done_again_and_nothing_else(swept):
    recipe, store, table = swept
    name = grid(recipe)[1].name
    path = store.folder / "runs" / f"{name}.json"
    record = json.loads(path.read_text())
    del record["stages"]["finetuned"]
    path.write_text(json.dumps(record))
    others = {p: p.stat().st_mtime_ns for p in store.folder.glob("runs/*.json") if p != path}
    again = pd.read_csv(sweep(recipe).table)
    assert {p: p.stat().st_mtime_ns for p in others} == others
    quality = [name for name in MEASURES if name in table]
    pd.testing.assert_frame_equal(again[quality], table[quality], atol=0.02, rtol=0)


def test_other_settings_in_the_same_folder_are_refused(swept, tiny):
    recipe, _, _ = swept
    other = tiny(recipe.results, training={"steps": 7})
    with pytest.raises(UserError, match=r"training\.steps: 6 -> 7"):
        sweep(other)


def test_plots_are_written(swept):
    _, store, _ = swept
    paths = draw(store.folder)
    assert {path.suffix for path in paths} == {".png", ".svg"}
    assert all(path.stat().st_size > 10_000 for path in paths)


def test_plotting_nothing_is_a_users_error(tmp_path):
    with pytest.raises(UserError, match="runs.csv cannot be read"):
        draw(tmp_path)


def test_runs_are_named_by_what_is_not_default(tiny):
    names = [run.name for run in grid(tiny())]
    assert len(set(names)) == 3
    explicit = tiny(pruning={"methods": ["l1", "random"], "ratios": [0.5], "scope": "layer"})
    assert [run.name for run in grid(explicit)] == names
    assert [run.name for run in grid(tiny(pruning={"ratios": [0.5, 0.25]}))][0] == names[0]
    other = grid(tiny(pruning={"finetune": {"steps": 5}}))
    assert not {run.name for run in other} & set(names)


def test_masks_are_held_and_one_step_is_compiled(tiny):
    recipe = tiny(pruning={"schedule": {"name": "polynomial_decay", "frequency": 1}, "finetune": {"steps": 6}})
    lab = Lab(recipe, Work({}))
    traced, loss = [], lab.model.compute_loss
    lab.model.compute_loss = lambda *args, **kwargs: traced.append(1) or loss(*args, **kwargs)
    lab.make_dense(Dense(recipe, results_folder(recipe)))
    dense, first = lab.model.get_weights(), len(traced)
    assert first > 0
    assert lab.prune("l1", 0.5)["steps"] == 3
    gone = pruning.silent(lab.graph)
    assert abs(lab.achieved() - 0.5) < 0.03
    lab.finetune("l1")
    after = pruning.silent(lab.graph)
    assert all((after[name] == gone[name]).all() for name in gone)
    lab.prune("random", 0.25)
    assert len(traced) == first  # the step is traced for the first training only
    lab.restore_dense()
    assert lab.achieved() == 0
    assert all((a == b).all() for a, b in zip(dense, lab.model.get_weights(), strict=True))


def test_a_store_row_without_a_figure_is_empty_not_nan(tmp_path):
    (tmp_path / "runs").mkdir()
    store = Store(tmp_path)
    store.write("dense", {"seed": 1}, "dense", {"asked": 0.0, "mask_ap": float("nan"), "mask_ap50": 0.5})
    assert json.loads((tmp_path / "runs" / "dense.json").read_text())["stages"]["dense"]["mask_ap"] is None
    assert store.finished("dense", "dense")
    assert not store.finished("dense", "floor")
    assert store.settings("dense") == {"seed": 1}
    assert pd.read_csv(store.table).loc[0, "mask_ap50"] == 0.5
