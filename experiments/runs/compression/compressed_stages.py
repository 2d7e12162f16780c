"""The stages of a run's last model in fewer bits: each is made from its file, measured by task, and written."""

from __future__ import annotations

import gzip
import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

import pruning
from experiments.errors import UserError
from experiments.problem import Problem
from experiments.runs.compression.litert_predictor import LiteRTPredictor
from experiments.runs.compression.tfmot_training import trained
from experiments.runs.grid import Run
from experiments.runs.run_folder import RunFolder, write_text, written_whole
from experiments.runs.seed_model import SeedModel
from experiments.table.columns import COSTS, SETTINGS

_MEASURED_ANEW = ("bytes", "effective_bytes", "file_bytes", "file_gzip_bytes")
_TFMOT = "tfmot_"


class CompressedStages:
    """Does the unfinished ones of a run whose other stages are finished.

    Args:
        seed_model: of the run's seed: its problem, measures and meter.
        folder: of the run.
        run: what to do.
    """

    def __init__(self, seed_model: SeedModel, folder: RunFolder, run: Run) -> None:
        self._seed_model, self._folder, self._run = seed_model, folder, run
        self._text = run.name.rsplit("-", 1)[0]

    def do(self) -> None:
        """All that is not finished."""
        left = [stage for stage in self._run.compressed if not self._folder.finished(stage)]
        if not left:
            return
        with self._seed_model.watch("build"):
            model = self._seed_model.problem.load(self._folder.model)
        for stage in left:
            self._seed_model.work.say(f"{self._text}: {stage}")
            (self._by_tfmot if stage.startswith(_TFMOT) else self._after_training)(stage, model)

    def _after_training(self, stage: str, model: keras.Model) -> None:
        problem, path = self._seed_model.problem, self._folder.path / f"{stage}.safetensors"
        with self._seed_model.watch("prune"):
            if stage == "int8":
                pictures = problem.recipe.evaluation.calibration_pictures
                small = pruning.quantize(model, problem.calibration(pictures, self._run.settings.seed))
            elif stage == "float16":
                small = pruning.to_float16(model)
            else:
                small = pruning.cluster(model, int(stage.removeprefix("cluster")))
            write_text(self._folder.path / f"{stage}.report.json", small.quantization_report.to_json())
            with written_whole(path) as part:
                held = sum(one.bytes for one in pruning.save_compact(small, part).values())
        self._write(stage, small, path, {"bytes": held, "effective_bytes": held})

    def _by_tfmot(self, stage: str, model: keras.Model) -> None:
        path = self._folder.path / f"{stage}.tflite"
        with self._seed_model.watch("train"):
            content, names = trained(stage, model, self._seed_model, self._seed_model.data_seed(self._run.settings))
        with written_whole(path) as part:
            part.write_bytes(content)
        more = self._seed_model.recipe.finetune.steps
        steps = self._folder.read(self._run.uncompressed[-1])["steps"] + more
        self._write(stage, LiteRTPredictor(content, names), path, {"steps": steps})

    def _write(self, stage: str, model: Any, path: Path, changes: dict[str, Any]) -> None:
        seed_model, run = self._seed_model, self._run
        declared = seed_model.problem.declaration()
        before = self._folder.read(run.uncompressed[-1])
        known = {*SETTINGS, *COSTS, *declared.columns} - {*declared.measures, *_MEASURED_ANEW}
        row = {key: value for key, value in before.items() if key in known and not key.startswith("latency")}
        row |= {"stage": stage, "reference": run.reference(stage), **changes, **file_columns(path, gzipped=True)}
        with seed_model.watch("evaluate"):
            row |= seed_model.measuring.quality(model)
        if isinstance(model, keras.Model):
            seed_model.log.stage(run.stages.index(stage), row, model, seed_model.problem)
        self._folder.write(stage, {**row, **seed_model.watch.lap()})


def file_columns(path: Path, gzipped: bool) -> dict[str, int]:
    """Size of a file, and of the same gzipped if wanted, as columns of a row."""
    found = {"file_bytes": path.stat().st_size}
    if gzipped:
        buffer = io.BytesIO()
        with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as file:
            file.write(path.read_bytes())
        found["file_gzip_bytes"] = len(buffer.getvalue())
    return found


def check_compressions(problem: Problem, stages: Sequence[str]) -> None:
    """Refuse what a problem's models cannot be compressed by, before anything is trained.

    Raises:
        UserError: says why, and what to take instead.
    """
    wanted = [stage for stage in stages if stage.startswith(_TFMOT)]
    if not wanted:
        return
    losses, _ = problem.output_losses or ({"": None}, {})
    if not all(isinstance(loss, str) for loss in losses.values()):
        raise UserError(
            f"quantize: {wanted[0]}: tensorflow-model-optimization trains Functional models of standard layers with a "
            f"loss by name for each output; {type(problem).__name__} has none such. Choose int8, float16 or cluster16"
        )
    for package in ("tensorflow_model_optimization", "tf_keras", "ai_edge_litert"):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"quantize: {wanted[0]} needs {package}: pip install taskprune[tfmot]")
