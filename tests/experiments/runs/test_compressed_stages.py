"""A run's last model in fewer bits: the same run, further rows, files and reports."""

import importlib.util
import json

import numpy as np
import pandas as pd
import pytest

import experiments
from experiments.errors import UserError
from experiments.lookup import open_problem
from experiments.problems.digits import Digits
from experiments.report.content import summary_table
from experiments.runs.compression.compressed_stages import check_compressions
from experiments.runs.grid import grid
from experiments.runs.sweep import sweep
from experiments.settings.recipe import COMPRESSIONS
from experiments.settings.recipe_files import read_recipe
from experiments.table.columns import STAGES
from experiments.table.task_curves import STAGE_NAMES, final_rows

FAST = {
    "training": {"steps": ["40"], "warmup_steps": ["5"]}, "finetune": {"steps": ["8"]},
    "evaluation": {"latency_rounds": ["0"], "calibration_pictures": ["64"]}, "seeds": ["0"],
}  # fmt: skip


def recipe(folder, quantize=("int8", "float16", "cluster16"), **changes):
    flags = {**FAST, "results": [str(folder)], "quantize": list(quantize), "grid": {"ratio": ["0.5"]}, **changes}
    return read_recipe("digits_int8", [flags])


def swept(settings):
    """Runs and table, without plots and report."""
    outcome = sweep(open_problem(settings))
    assert not outcome.failures
    return outcome.folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return swept(recipe(tmp_path_factory.mktemp("results")))


def test_what_is_compressed_renames_no_run(tmp_path):
    with_, without = (grid(recipe(tmp_path, quantize=q)) for q in (COMPRESSIONS, ()))
    assert [run.name for run in with_] == [run.name for run in without]
    assert all(run.stages[-len(COMPRESSIONS) :] == COMPRESSIONS for run in with_)
    none = grid(recipe(tmp_path, grid={"retraining": ["none"], "ratio": ["0.5"]}))
    assert not [run for run in none if run.settings.kind == "pruned" and run.compressed]
    assert set(COMPRESSIONS) <= set(STAGES) and set(COMPRESSIONS) <= set(STAGE_NAMES)


def test_every_run_gets_a_row_a_stage_with_measures_by_task_and_sizes(folder):
    table = pd.read_csv(folder / "runs.csv")
    for run, rows in table.groupby("run"):
        rows = rows.set_index("stage")
        last = next(stage for stage in ("removed", "dense_control", "dense") if stage in rows.index)
        assert list(rows.index)[-3:] == ["int8", "float16", "cluster16"], run
        pressed = rows.loc[["int8", "float16", "cluster16"]]
        measures = ["digit_accuracy", "parity_accuracy", "slant_rmse"]
        assert pressed[measures].notna().all(axis=None)
        assert (pressed["effective_macs"] == rows.loc[last, "effective_macs"]).all()
        sizes = [rows.loc[stage, "file_bytes"] for stage in ("cluster16", "int8", "float16", last)]
        assert sizes == sorted(sizes)
        measured = rows.loc[[last, *pressed.index]]
        assert (measured["file_gzip_bytes"] < measured["file_bytes"]).all()
        assert rows.loc["float16", "digit_accuracy"] == pytest.approx(rows.loc[last, "digit_accuracy"], abs=0.01)
    # a dense model in fewer bits is compared with itself, a pruned one with what it was compared with before
    int8 = table[table["stage"] == "int8"].set_index("run")
    removed = table[table["stage"] == "removed"].set_index("run")
    for run, row in int8.iterrows():
        assert row["reference"] == (removed.loc[run, "reference"] if run in removed.index else run)
    assert set(final_rows(table)["stage"]) == {"removed"}


def test_the_report_of_what_was_quantized_lies_beside_the_run(folder):
    for report in folder.glob("runs/*/int8.report.json"):
        rows = {row["layer"]: row for row in json.loads(report.read_text())["rows"]}
        assert rows["conv1"]["quantized"] and not rows["slant"]["quantized"]
        assert "answer" in rows["slant"]["reason"]
        assert (report.parent / "int8.safetensors").exists()
    assert len(list(folder.glob("runs/*/*.report.json"))) == 9


def test_the_summary_shows_them_with_their_sizes(folder):
    table = summary_table(experiments.read(folder))
    names = [row[0] for row in table["rows"]]
    sizes = {"dense: in int8", "dense, same extra training: in float16", "group_l1, 50%, 16 clusters a layer"}
    assert sizes <= set(names)
    assert {"file, kB", "gzipped, kB"} <= set(table["head"])


@pytest.mark.slow
def test_stages_added_later_train_nothing_anew(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*.json") if "record" not in path.name}
    swept(recipe(folder.parent, quantize=("int8", "float16", "cluster16", "cluster32")))
    table = pd.read_csv(folder / "runs.csv")
    assert (table["stage"] == "cluster32").sum() == 3
    assert all(path.stat().st_mtime_ns == when for path, when in before.items() if "settings" not in path.name)


@pytest.mark.slow
def test_litert_files_of_tfmot_are_rows_of_the_same_table(tmp_path):
    pytest.importorskip("ai_edge_litert")
    if importlib.util.find_spec("tensorflow_model_optimization") is None:
        pytest.skip("tensorflow-model-optimization is not installed")
    folder = swept(recipe(tmp_path, quantize=("tfmot_cluster16", "tfmot_qat")))
    table = pd.read_csv(folder / "runs.csv").set_index("stage")
    for stage in ("tfmot_cluster16", "tfmot_qat"):
        rows = table.loc[[stage]]
        assert len(rows) == 3 and rows[["digit_accuracy", "parity_accuracy", "slant_rmse"]].notna().all(axis=None)
        assert (rows["digit_accuracy"] > 0.3).all()
    assert (table.loc[["tfmot_qat"], "file_bytes"].to_numpy() < 50_000).all()
    assert len(list(folder.glob("runs/*/*.tflite"))) == 6


def test_models_that_tfmot_cannot_train_are_refused_before_any_training():
    class Own(Digits):
        losses = {"digit": lambda targets, answers: answers, "parity": "mse", "slant": "mse"}

    check_compressions(Own(), ["int8", "cluster16"])
    with pytest.raises(UserError, match="tfmot_qat.*Own has none such"):
        check_compressions(Own(), ["int8", "tfmot_qat"])


def test_the_predictor_has_the_models_structure():
    pytest.importorskip("ai_edge_litert")
    import tensorflow as tf

    from experiments.runs.compression.litert_predictor import LiteRTPredictor

    problem = Digits()
    model = problem.model(0)
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    predictor = LiteRTPredictor(content, {name: name for name in model.output})
    pictures = problem.data["tune"][0]
    for answer in (predictor(pictures, training=False), predictor.predict(pictures, verbose=0)):
        assert all(np.allclose(answer[key], value, atol=1e-4) for key, value in model(pictures).items())
    assert problem.evaluate(predictor, "tune")["slant"] == pytest.approx(problem.evaluate(model, "tune")["slant"])
