"""Mask R-CNN as a problem of four tasks: boxes, classes, masks, and the proposals that all of them need."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import maskrcnn
from experiments.declaration import Declaration
from experiments.errors import UserError
from experiments.problem import Problem
from experiments.problems.maskrcnn import maskrcnn_tasks
from experiments.problems.maskrcnn.maskrcnn_building import at_input_size, built
from experiments.problems.maskrcnn.maskrcnn_churn import COLUMNS, churn, kept_answers
from experiments.problems.maskrcnn.maskrcnn_pictures import Pictures
from experiments.problems.maskrcnn.maskrcnn_settings import DataSettings, DetectorEvaluation, ModelSettings
from experiments.problems.maskrcnn.maskrcnn_start import begin_from, load
from experiments.sample_answers import Answers
from experiments.settings.places import find_weights
from maskrcnn.data.placement import place
from maskrcnn.evaluation import Evaluation, confident, evaluate, evaluate_in_detail, floors, probe_set

if TYPE_CHECKING:
    import keras

    from experiments.settings.recipe import FinetuneSettings
    from pruning import Distillation

REFERENCE = (1000, 100)  # RoIs and detections that MACs are also counted for, as published figures are
_TIMED_PICTURES = 2
_SCORE = 0.5  # detections below it are not shown
_GREY = 225


class MaskRCNNProblem(Problem):
    """Mask R-CNN on the pictures that a recipe names."""

    tasks = maskrcnn_tasks.TASKS
    figures, breakdowns = maskrcnn_tasks.FIGURES, maskrcnn_tasks.BREAKDOWNS
    parts, loss_titles = maskrcnn_tasks.PARTS, maskrcnn_tasks.LOSS_TITLES
    columns = maskrcnn_tasks.COLUMNS | COLUMNS
    sections = {"data": DataSettings, "model": ModelSettings, "evaluation": DetectorEvaluation}
    data_errors = (maskrcnn.data.DataError,)
    data_keys = {"data": ("kind", "train", "tune", "test")}

    def __init__(self, recipe: Any = None) -> None:
        super().__init__(recipe)
        self.pictures = Pictures(self.recipe.data, self.recipe.evaluation)
        self._progress: Callable[[int, str], None] = lambda count, text: None

    @property
    def splits(self) -> tuple[str, ...]:
        return self.pictures.splits

    def check(self) -> list[str]:
        for split in ("train", "test", *(["tune"] if "tune" in self.splits else [])):
            self.pictures[split]
        found = self.pictures.check_trainable(self.config(0))
        size, count = self.recipe.training.batch_size, len(self.pictures["train"])
        if count < size:
            raise UserError(
                f"there are {count} pictures to train on, fewer than a batch: --training.batch_size {count}"
            )
        return self.pictures.notes() + self.pictures.dropped + found

    def declaration(self) -> Declaration:
        found = super().declaration()
        scores = self.recipe.evaluation.confidences
        changes = {
            "tasks": maskrcnn_tasks.with_confidences(found.tasks, scores),
            "figures": maskrcnn_tasks.figures_with_confidences(scores),
            "photographs": self.recipe.data.kind != "shapes",
        }
        return dataclasses.replace(found, **changes)

    # The network

    def config(self, seed: int) -> maskrcnn.MaskRCNNConfig:
        """The network's configuration; `seed` is that of its samplers.

        Raises:
            UserError: a field that cannot be, or a file of weights that is not there.
        """
        fields = self.recipe.model.model_dump()
        weights = fields["backbone_weights"]
        if weights not in (None, "imagenet"):
            fields["backbone_weights"] = str(find_weights(weights))
        fields["seed"] = seed
        for name in ("numerics", "start", "start_classes"):
            del fields[name]
        try:
            return maskrcnn.MaskRCNNConfig(class_names=tuple(self.pictures.class_names), **fields)
        except ValueError as error:
            raise UserError(f"model: {error}") from None

    def model(self, seed: int) -> maskrcnn.MaskRCNN:
        made = built(self.config(seed))
        if self.recipe.model.start is not None:
            begin_from(find_weights(self.recipe.model.start), made, self.recipe.model.start_classes)
        return made

    def uncompiled(self, model: Any) -> maskrcnn.MaskRCNN:
        return maskrcnn.MaskRCNN(model.config, network=model.network, name=model.name)

    def at_input_size(self, model: Any, size: int) -> maskrcnn.MaskRCNN:
        return at_input_size(model, size)

    def load(self, path: str | Path) -> maskrcnn.MaskRCNN:
        found = load(path)
        self.pictures.expect(found.config.class_names)
        return found

    def distillation(self, model: Any, teacher: Any, settings: FinetuneSettings) -> Distillation:
        from experiments.problems.maskrcnn.maskrcnn_distillation import distillation

        return distillation(model, teacher, settings)

    # Data

    def batches(self, split: str, seed: int, step: int = 0) -> Iterable:
        pictures, training = self.pictures[split], self.recipe.training
        per_pass = max(1, len(pictures) // training.batch_size)
        passes = itertools.count(step // per_pass)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", maskrcnn.data.DataWarning)  # `check` has said it
            data = maskrcnn.data.batches(
                pictures, self.config(0), training.batch_size, seed=seed, augment=training.augment,
                epoch=lambda: next(passes),
            )  # fmt: skip
        return data.repeat().skip(step % per_pass)

    def calibration(self, count: int, seed: int) -> list:
        chosen, size = self.pictures.some(count, seed), self.recipe.training.batch_size
        return list(maskrcnn.data.batches(chosen, self.config(0), size, training=False))

    # Measures

    def measuring_callback(self, measure: Callable, every: int, report: Callable) -> maskrcnn.callbacks.Evaluate:
        return maskrcnn.callbacks.Evaluate(measure, every, unit="update", prefix=None, report=report)

    def examples(self, split: str) -> int:
        return len(self.pictures[split])

    def watch(self, progress: Callable[[int, str], None]) -> None:
        self._progress = progress

    def evaluate(self, model: keras.Model, split: str) -> Mapping[str, Mapping[str, float]]:
        return self.evaluate_with_answers(model, split)[0]

    def evaluate_with_answers(
        self, model: keras.Model, split: str
    ) -> tuple[Mapping[str, Mapping[str, float]], Answers]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", maskrcnn.data.DataWarning)  # `check` has said it
            found = evaluate_in_detail(
                _Reporting(model, self.examples(split), self._progress),
                self.pictures[split],
                batch_size=self.recipe.evaluation.batch_size,
                progress=False,
                probes=self.pictures.probes(split),
                known=self.pictures.known(split),
            )
        return self._measures(found), kept_answers(found, self.pictures.class_names)

    def _measures(self, found: Evaluation) -> Mapping[str, Mapping[str, float]]:
        sure = confident(found, self.recipe.evaluation.confidences)
        return {task: {**measures, **sure.get(task, {})} for task, measures in found.measures.items()}

    def churn(self, dense: Answers, now: Answers) -> Mapping[str, Mapping[str, Any]]:
        return churn(dense.found, now.found, self.pictures.class_names)

    def evaluate_in_detail(self, model: keras.Model, split: str) -> dict[str, Any]:
        found = evaluate_in_detail(
            model,
            self.pictures[split],
            batch_size=self.recipe.evaluation.batch_size,
            probes=self.pictures.probes(split),
            known=self.pictures.known(split),
        )
        return {"measures": self._measures(found), "per_class": found.per_class}

    def floors(self, split: str) -> Mapping[str, Mapping[str, float]]:
        return floors(self.pictures[split], self.pictures.probes(split))

    def time_evaluation(self, model: Any, affordable: Callable[[float], int]) -> tuple[float, float]:
        """On a few pictures, with a network that detects as much as it may and with one that detects nothing."""
        wanted, pictures = self.recipe.evaluation, self.pictures[self.recipe.evaluation.split]
        few = pictures.subset(range(min(wanted.batch_size, len(pictures))))
        probes = probe_set(few, wanted.probe_seed)

        def seconds(one: Any) -> float:
            began = time.perf_counter()
            evaluate(one, few, batch_size=wanted.batch_size, progress=False, probes=probes)
            return time.perf_counter() - began

        def usual(one: Any) -> float:
            rough = seconds(one)
            return statistics.median([seconds(one) for _ in range(affordable(rough))])

        # A network that knows nothing detects as much as it may, and so does one right after pruning; a trained one
        # little.
        sure = maskrcnn.MaskRCNN(dataclasses.replace(model.config, detection_min_score=1.0), network=model.network)
        first, much, _ = seconds(model), usual(model), seconds(sure)
        return first - much, (much + usual(sure)) / 2 / len(few)

    # Costs

    def _counted(self, model: Any) -> tuple[tuple[int, int], int, int]:
        config, wanted = model.config, self.recipe.evaluation
        height, width = place((config.min_size, config.max_size), config).padded
        detections = wanted.detections or self.pictures.objects(wanted.split)
        return (height, width), wanted.rois or config.post_nms_test, detections

    def input_shapes(self, model: Any) -> dict[str, tuple[int, ...]]:
        return model.input_shapes(*self._counted(model))

    def reference_shapes(self, model: Any) -> dict[str, dict[str, tuple[int, ...]]]:
        return {"macs_1000_100": model.input_shapes(self._counted(model)[0], *REFERENCE)}

    def cost_columns(self, model: Any) -> dict[str, Any]:
        (height, width), rois, detections = self._counted(model)
        return {"macs_image": f"{height}x{width}", "macs_rois": rois, "macs_detections": detections}

    def timing(self, model: Any) -> tuple[Any, int, Callable[[Any, Any], Any]]:
        """Both models make the detections that MACs count, however sure they are: one that finds less is not faster."""
        split = self.recipe.evaluation.split
        images = [self.pictures[split][i].image for i in range(min(_TIMED_PICTURES, self.examples(split)))]
        most = self._counted(model)[2]

        def call(one: Any, pictures: list) -> None:
            one.detect(pictures, score_threshold=0.0, max_detections=most)

        return images, len(images), call

    # Pictures

    def show(
        self, models: Mapping[str, Any], count: int, photographs: bool
    ) -> list[list[tuple[str, np.ndarray]]]:
        from maskrcnn.detection.drawing import draw_detections

        names = self.pictures.class_names
        rows = []
        for sample in self.pictures.busiest(self.recipe.evaluation.split, count):
            canvas = sample.image if photographs else np.full_like(sample.image, _GREY)
            truth = maskrcnn.Detections(
                sample.boxes, sample.labels, np.full(len(sample.labels), np.nan, np.float32), sample.masks.astype(bool)
            )
            seen = {"truth": truth} | {title: model.detect(sample.image, _SCORE) for title, model in models.items()}
            rows.append([(title, np.asarray(draw_detections(canvas, found, names))) for title, found in seen.items()])
        return rows

    def inside(self, model: Any) -> dict[str, np.ndarray]:
        from maskrcnn.inspect import drawn_panels, stage_panels, trace

        (sample,) = self.pictures.busiest(self.recipe.evaluation.split, 1)
        return drawn_panels(stage_panels(trace(model, sample.image, sample, _SCORE)))


class _Reporting:
    """A model that says how far its evaluation is: pictures are read before their turn, and in another thread.

    The time since the last report belongs to the pictures that it was asked for before.
    """

    def __init__(self, model: keras.Model, total: int, progress: Callable[[int, str], None]) -> None:
        self.config, self._model = model.config, model
        self._total, self._progress = total, progress
        self._asked = self._told = 0

    def measure(self, images: list, boxes: list, mask_boxes: list) -> list:
        if self._asked > self._told:
            self._progress(self._asked - self._told, f"{self._asked}/{self._total}")
            self._told = self._asked
        self._asked += len(images)
        return self._model.measure(images, boxes, mask_boxes)
