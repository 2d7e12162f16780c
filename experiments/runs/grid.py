"""From a recipe to its runs: each is named by the hash of its settings that are not the default."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from dataclasses import dataclass
from typing import Any, Literal

from experiments.settings.quantities import macs_text
from experiments.settings.recipe import (
    ArbiterName,
    CriterionName,
    FinetuneSettings,
    GridSettings,
    PruningSettings,
    Recipe,
    ScheduleName,
    Settings,
    TrainingSettings,
)
from experiments.settings.retraining_settings import OWN_CUTS, RetrainingName, control_of, mattering

Kind = Literal["dense", "dense_control", "smaller_input", "pruned"]
BY_TASK = ("taylor", "fisher", "loss_rise")  # criteria that score each task, for an arbiter to join


class RunSettings(Settings):
    """All that defines one run. A field that does not matter for a run has its default there.

    A new field renames no run, as long as its default is what was done before.
    """

    problem: str = "maskrcnn"
    kind: Kind = "dense"
    seed: int = 0
    repeat: int = 0
    criterion: CriterionName | None = None
    arbiter: ArbiterName | None = None
    scope: str = "layer"
    normaliser: str = "raw"
    schedule: ScheduleName = "one_shot"
    budget: str = "filters"
    part: str = "all"
    ratio: float | None = None
    macs: float | str | None = None
    """in place of the ratio: MACs that are to be left, or the name of a model that has as many."""
    variant: str | None = None
    """name of the model, where the grid compares several."""
    input_size: int | None = None
    """px, of the dense model on smaller pictures."""
    retraining: RetrainingName = "finetune"
    training: TrainingSettings = TrainingSettings()
    pruning: PruningSettings = PruningSettings()
    finetune: FinetuneSettings = FinetuneSettings()
    sections: dict[str, dict[str, Any]] = {}
    """what the problem's own sections say that is not their default."""

    def changed(self) -> dict[str, Any]:
        """The settings that are not the default, in JSON's types."""
        found = super().changed()
        sections = found.pop("sections", {})
        return found | sections


@dataclass(frozen=True)
class Run:
    """A run of a sweep.

    Attributes:
        settings: all that defines it.
        dense: name of the run whose model it starts from; None for a dense run.
        control: name of the dense control that had the same extra training; None where there is none.
        quantize: what the recipe wants its last model compressed by.
    """

    settings: RunSettings
    dense: str | None = None
    control: str | None = None
    quantize: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """A readable beginning, and a hash of the settings that are not the default.

        How a run is measured is no part of the name: it is the same for a whole sweep.
        """
        run = self.settings
        start = f"{run.criterion}-{self._amount}" if run.kind == "pruned" else run.kind
        start += f"-{run.input_size}" if run.input_size else ""
        model = f"-{run.variant}" if run.variant else ""
        again = f"-r{run.repeat}" if run.repeat else ""
        changed = {key: value for key, value in run.changed().items() if key not in ("evaluation", "variant")}
        if run.criterion in ("l1", "l2"):  # in version 0.1 they were group_l1 and group_l2: none goes on as the other
            changed["formula"] = "as published"
        return f"{start}{model}-s{run.seed}{again}-{fingerprint(changed)}"

    @property
    def _amount(self) -> str:
        """How much it is pruned."""
        ratio, macs = self.settings.ratio, self.settings.macs
        if macs is None:
            return f"{ratio:g}"
        return f"to-{macs if isinstance(macs, str) else macs_text(macs).replace(' ', '')}"

    @property
    def network(self) -> str:
        """Names the network that it needs: runs that have the same one can use the same compiled model."""
        return f"{self.settings.variant or ''}-s{self.settings.seed}"

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that it has, in order."""
        return (*self.uncompressed, *self.compressed)

    @property
    def compressed(self) -> tuple[str, ...]:
        """The stages of its last model in fewer bits; a run that leaves no model has none."""
        return () if self.settings.retraining == "none" and self.settings.kind == "pruned" else self.quantize

    @property
    def uncompressed(self) -> tuple[str, ...]:
        """The stages before them; its model is that of the last one."""
        run = self.settings
        if run.kind != "pruned":
            return ("floor", "dense") if run.kind == "dense" else (run.kind,)
        if run.retraining == "scratch":
            return ("scratch",)
        first = ("pruned", "recalibrated") if run.pruning.recalibration_pictures else ("pruned",)
        return first if run.retraining == "none" else (*first, "finetuned", "removed")

    def reference(self, stage: str) -> str | None:
        """Name of the run that a stage is compared with: that with the same training, but nothing pruned.

        A model in fewer bits is compared with what the model before is; a dense one with itself.
        """
        if stage in self.compressed:
            return self.reference(self.uncompressed[-1]) if self.settings.kind == "pruned" else self.name
        return self.control if stage in ("finetuned", "removed") else self.dense


def fingerprint(settings: dict[str, Any]) -> str:
    """Six characters that stand for settings."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def dense_run(recipe: Recipe, seed: int, variant: str | None = None) -> Run:
    """The run that trains a seed's dense model.

    Args:
        recipe: of that model, one of `recipe.models`.
        seed: of the model.
        variant: its name, where there are several.
    """
    dumped = {name: one.changed() for name, one in recipe.sections.items()}
    place, colon, name = recipe.problem.rpartition(":")
    return Run(
        RunSettings(
            problem=place.rpartition("/")[2] + colon + name,  # wherever the file lies
            seed=seed,
            variant=variant,
            training=recipe.training,
            sections={name: content for name, content in dumped.items() if content},
        )
    )


def dense_runs(recipe: Recipe) -> list[Run]:
    """The runs that train a recipe's dense models: of every model that the grid compares, one a seed."""
    return [dense_run(one, seed, name) for name, one in recipe.models.items() for seed in recipe.seeds]


def grid(recipe: Recipe) -> list[Run]:
    """Every run of a recipe: for each model and seed the dense one, its controls and rivals, and the pruned ones."""
    found: dict[str, Run] = {}
    for bare in dense_runs(recipe):
        dense, seed = dataclasses.replace(bare, quantize=recipe.quantize), bare.settings.seed
        controls = {
            way: Run(_trained_on(dense.settings, recipe.finetune, way), dense.name, quantize=recipe.quantize)
            for way in recipe.grid.retraining
            if control_of(way)
        }
        rivals = [
            Run(dense.settings.model_copy(update={"kind": "smaller_input", "input_size": size}), dense.name)
            for size in recipe.smaller_inputs
        ]
        repeats = range(recipe.repeats if seed == recipe.seeds[0] else 1)
        points = _points(recipe.grid, dense.settings.variant)
        pruned = [
            Run(
                _pruned(dense.settings, recipe, {**point, "repeat": repeat}),
                dense.name,
                controls[point["retraining"]].name if point["retraining"] in controls else None,
                recipe.quantize,
            )
            for repeat in repeats
            for point in points
        ]
        found.update({run.name: run for run in (dense, *controls.values(), *rivals, *pruned)})
    return list(found.values())


def _points(wanted: GridSettings, variant: str | None) -> list[dict[str, Any]]:
    """Every combination of the grid's axes for one model; one that is to have its own MACs is not pruned."""
    axes = wanted.model_dump(exclude={"model"})
    axes |= {"ratio": (None,), "budget": ("macs",)} if wanted.macs else {"macs": (None,)}
    points = [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]
    return [point for point in points if point["macs"] is None or point["macs"] != variant]


def _trained_on(dense: RunSettings, finetune: FinetuneSettings, way: str) -> RunSettings:
    """The dense control of a way of retraining: as many updates, at the same rates, and nothing else of the way."""
    control = control_of(way)
    rounds = finetune.rewind_rounds if way == "weight_rewind" else 1
    settings = _tuning(finetune, control).model_copy(update={"rewind_rounds": rounds})
    named = control if rounds == 1 else way  # whose rates come again in every round
    return dense.model_copy(update={"kind": "dense_control", "retraining": named, "finetune": settings})


def _tuning(finetune: FinetuneSettings, way: str | None) -> FinetuneSettings:
    """What matters of the fine-tuning for a way of retraining; the rest has its default."""
    return FinetuneSettings(**mattering(finetune.model_dump(), way))


def _pruned(dense: RunSettings, recipe: Recipe, point: dict[str, Any]) -> RunSettings:
    """Settings of a pruned run, those that do not matter at this point of the grid set to their defaults."""
    default, pruning = RunSettings(), recipe.pruning.model_dump()
    finetune = _tuning(recipe.finetune, point["retraining"])
    blank = []
    if point["criterion"] not in BY_TASK:
        point["arbiter"] = None
        blank.append("criterion_pictures")
    if point["scope"] == "layer":
        point["normaliser"] = default.normaliser
    if point["criterion"] != "loss_rise":
        blank.append("chunk")
    if point["retraining"] in ("scratch", *OWN_CUTS):
        point["schedule"] = "one_shot"
    if point["retraining"] == "scratch":
        blank.append("recalibration_pictures")
    if point["retraining"] == "scratch" or not pruning["recalibration_pictures"]:
        blank.append("recalibration")
    if point["schedule"] == "one_shot":
        blank += ["gradual_share", "gradual_frequency"]
        if point["retraining"] in ("scratch", "none"):
            finetune = default.finetune
    if point["schedule"] != "polynomial_decay":
        blank.append("gradual_power")
    for name in blank:
        pruning[name] = getattr(default.pruning, name)
    changes = {"kind": "pruned", **point, "pruning": PruningSettings(**pruning), "finetune": finetune}
    return dense.model_copy(update=changes)
