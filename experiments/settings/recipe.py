"""What a recipe says, typed. A YAML file and the flags of every command both fill these models.

A problem adds sections of its own, such as `data` and `model`: `experiments.lookup.recipe_type` joins them.
"""

from __future__ import annotations

import re
import typing
from typing import Annotated, Any, Literal

import pydantic
from annotated_types import Ge, Gt, Lt

from experiments.settings.faults import explain
from experiments.settings.phases_settings import PhasesArms
from experiments.settings.retraining_settings import RetrainingName, RetrainingSettings, check_ways

Count = Annotated[int, Ge(1)]
Positive = Annotated[float, Gt(0)]
Fraction = Annotated[float, Ge(0), Lt(1)]

CriterionName = Literal[
    "l1", "l2", "random", "taylor", "fisher", "loss_rise", "group_l1", "group_l2", "fpgm", "batch_norm_scale"
]
ArbiterName = Literal["weighted_sum", "union", "mean_rank", "sum", "mean"]
ScheduleName = Literal["one_shot", "polynomial_decay", "iterative", "exponential", "cosine", "one_cycle"]
CompressionName = Literal["int8", "float16", "cluster16", "cluster32", "cluster64", "tfmot_cluster16", "tfmot_qat"]
COMPRESSIONS: tuple[str, ...] = typing.get_args(CompressionName)
_MODEL_NAME = re.compile(r"[A-Za-z][\w.-]*")


class Settings(pydantic.BaseModel):
    """Base: unknown keys are refused, and values do not change."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _one_value_is_a_list_of_one(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        field = cls.model_fields.get(info.field_name or "")
        listed = field is not None and typing.get_origin(field.annotation) is tuple
        return (value,) if listed and not isinstance(value, list | tuple) else value

    def changed(self) -> dict[str, Any]:
        """The settings that are not the default, in JSON's types: what a run is named by."""
        return self.model_dump(mode="json", exclude_defaults=True)


class TrainingSettings(Settings):
    """How the network is trained: cosine decay after a linear warm-up."""

    steps: Count = 1000
    """optimizer updates."""
    batch_size: Count = 8
    """pictures in an update."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """sgd has Nesterov off and the momentum below."""
    learning_rate: Positive = 0.02
    """its peak, after the warm-up."""
    warmup_steps: Annotated[int, Ge(0)] = 100
    """updates of linear rise from a tenth of the peak."""
    final_rate: Annotated[float, Ge(0)] = 0.0
    """share of the peak left at the last update."""
    momentum: Fraction = 0.9
    """sgd: momentum."""
    weight_decay: Annotated[float, Ge(0)] = 1e-4
    """decoupled: each update takes learning_rate * weight_decay of every weight."""
    clip_norm: Positive | None = 10.0
    """largest norm of all gradients together; None: no limit."""
    augment: Literal["none", "flip", "dihedral", "standard"] = "none"
    """none; mirrored pictures; mirrored and turned by quarter turns; or mirrored, scaled, cropped, recoloured."""
    checkpoint_every: Count = 250
    """updates between checkpoints; a run that is started again goes on from the last one."""


class GridSettings(Settings):
    """The pruned runs: every combination of these. One value may stand for a list of one.

    A column of the table has the name of its axis. An arbiter joins the tasks' scores: criteria without such scores
    run once, whatever the arbiters.
    """

    model: dict[str, dict[str, Any]] = {}
    """models to compare: name -> what it has otherwise than the recipe's section `model`. Each has a dense model, a
    control and pruned runs of its own; the first is what others are timed against."""
    criterion: tuple[CriterionName, ...] = ("group_l1", "random")
    """what scores the channels; the lowest go. l1, l2, fpgm: a channel's filter; group_l1, group_l2: all that makes and
    reads it; batch_norm_scale: its batch norms; taylor, fisher, loss_rise: each task's loss."""
    arbiter: tuple[ArbiterName, ...] = ("weighted_sum",)
    """how the tasks' scores become one. weighted_sum is what mean is, a mean over the tasks that vote; sum adds up."""
    scope: tuple[Literal["layer", "part", "global", "isomorphic"], ...] = ("layer",)
    """where channels compete: layer is the same ratio everywhere, isomorphic among groups of equal structure."""
    normaliser: tuple[Literal["raw", "relative"], ...] = ("raw",)
    """what scores of several layers are compared by: raw: as they are; relative: each over the mean of its group's
    living channels. With scope layer it is no matter."""
    schedule: tuple[ScheduleName, ...] = ("one_shot",)
    """when channels go: at once before fine-tuning, or little by little in its first part."""
    budget: tuple[Literal["filters", "params", "macs"], ...] = ("filters",)
    """what the ratios are fractions of: filters of what may be pruned, params or macs of the whole network."""
    ratio: tuple[Annotated[float, Gt(0), Lt(1)], ...] = (0.25, 0.5, 0.75)
    """fractions of the budget to remove."""
    macs: tuple[Positive | str, ...] = ()
    """in place of ratio and budget: the MACs that are to be left, as a number, or as the name of a model in `model`,
    which has as many. A model that has no more than that is left out."""
    part: tuple[str, ...] = ("all",)
    """all, or the one part of the network that is pruned, or a regular expression of layer names."""
    retraining: tuple[RetrainingName, ...] = ("finetune",)
    """finetune; rewind (or lr_rewind): with the end of the training's own learning rates; weight_rewind: from the
    weights of the step where these begin; swd, greg: what will go decays before it is cut; distill: fine-tuning that
    learns from the dense network too; scratch: the smaller network from new weights, trained as the dense one was;
    none."""

    @pydantic.field_validator("retraining")
    @classmethod
    def _one_name(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys("rewind" if name == "lr_rewind" else name for name in value))

    @pydantic.field_validator("model", mode="before")
    @classmethod
    def _a_name_alone_changes_nothing(cls, value: Any) -> Any:
        return {name: given or {} for name, given in value.items()} if isinstance(value, dict) else value

    @pydantic.field_validator("macs", mode="before")
    @classmethod
    def _numbers_may_be_text(cls, value: Any) -> Any:
        """YAML and flags give 4e7 as text."""
        every = value if isinstance(value, list | tuple) else (value,)
        return tuple(_number(one) for one in every)

    @pydantic.model_validator(mode="after")
    def _models_are_known(self) -> GridSettings:
        taken = (*typing.get_args(CriterionName), *typing.get_args(ArbiterName))
        for name in self.model:
            if not _MODEL_NAME.fullmatch(name) or name in taken:
                raise ValueError(
                    f"model: the name {name!r} cannot be: expected a letter, then letters, digits, _, . or -, and no "
                    f"name of a criterion or arbiter"
                )
        for number, target in enumerate(self.macs):
            if isinstance(target, str) and target not in self.model:
                raise ValueError(
                    f"macs.{number} = {target!r}: expected a number of MACs, or a model that `model` names: "
                    f"{', '.join(self.model) or 'it names none'}"
                )
        return self


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


class PruningSettings(Settings):
    """How channels are chosen and taken, the same in all pruned runs."""

    round_to: Count = 1
    """kept channels are rounded to multiples of this."""
    min_channels: Count = 1
    """every group of channels keeps at least this many."""
    keep_at_least: Fraction = 0.0
    """every group of channels keeps at least this share of them; the field's frame is 0.1 with scope global."""
    include: tuple[str, ...] = ()
    """layers, parts or regular expressions of them that may be pruned; all if empty."""
    exclude: tuple[str, ...] = ()
    """layers, parts or regular expressions of them that may not."""
    criterion_pictures: Count = 64
    """criteria from data: training pictures that they look at."""
    chunk: Count = 8
    """loss_rise: so many neighbouring channels are silenced together."""
    gradual_share: Annotated[float, Gt(0), Lt(1)] = 0.5
    """gradual schedules: share of the fine-tuning steps in which channels go."""
    gradual_power: Positive = 3.0
    """polynomial_decay: the exponent; 3 is the paper's."""
    gradual_frequency: Count = 10
    """gradual schedules: updates between cuts."""
    recalibration_pictures: Annotated[int, Ge(0)] = 128
    """training pictures that batch norms are mended with after pruning; 0: they are left as they are."""
    recalibration: Literal["relative", "plain"] = "relative"
    """relative: of frozen batch norms only what pruning changed is mended; plain: they are estimated anew as well."""


class FinetuneSettings(Settings, RetrainingSettings):
    """Training after pruning, with the masks held; the dense control gets the same steps at the same rates."""

    steps: Count = 120
    """optimizer updates, those of a gradual schedule included."""
    learning_rate: Positive = 0.002
    """its peak; all else is as in training. retraining: rewind takes its rates from the training."""
    warmup_steps: Annotated[int, Ge(0)] = 10
    """updates of linear rise."""


class PhasesSettings(Settings, PhasesArms):
    """taskprune study phases: which trainings are compared, and how their models are pruned."""


class EvaluationSettings(Settings):
    """How the tasks are measured."""

    split: Literal["test", "tune"] = "test"
    """what stages are measured on: tune while choices are made, test once they are."""
    latency_rounds: Annotated[int, Ge(0)] = 10
    """timings of a smaller network and the dense one, in turn; 0: none."""
    calibration_pictures: Count = 64
    """quantize: int8: training pictures that the ranges of activations are taken from."""


class Recipe(Settings):
    """One experiment."""

    needs_name: typing.ClassVar[bool] = True  # whether other data than the recipe's own need a name of their own

    name: str = "shapes"
    """of the folder under results/."""
    problem: str = "maskrcnn"
    """maskrcnn, digits, or your own: my_file.py:MyProblem or my.package:MyProblem."""
    seeds: tuple[Annotated[int, Ge(0)], ...] = (0,)
    """of weights, samplers, order and random scores; each has its own dense model and the whole grid."""
    repeats: Count = 1
    """times that each pruned run of the first seed is made, with another order of the pictures in fine-tuning."""
    threads: Annotated[int, Ge(0)] = 0
    """of the computation; 0: one for every core."""
    results: str = "results"
    """folder that the sweep's folder is made in."""
    dense_from: str | None = None
    """folder of another sweep, such as results/shapes_hard: its dense models are copied where they are the same."""
    smaller_inputs: tuple[Count, ...] = ()
    """a rival to pruning: every dense model also measured, as it is, on pictures whose shorter side has so many px; a
    run each."""
    quantize: tuple[CompressionName, ...] = ()
    """every run's last model in fewer bits as well, a row each: int8; float16; cluster16, 32, 64: so many different
    weights in a layer; tfmot_cluster16, tfmot_qat: the same and quantization-aware training by
    tensorflow-model-optimization, a LiteRT file each, with finetune's steps. No part of a run's name."""
    credit: str | None = None
    """whose pictures are shown, under which licence; without it, photographs are drawn on plain grey."""
    training: TrainingSettings = TrainingSettings()
    grid: GridSettings = GridSettings()
    pruning: PruningSettings = PruningSettings()
    finetune: FinetuneSettings = FinetuneSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    phases: PhasesSettings = PhasesSettings()

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        if self.pruning.include and self.grid.part != ("all",):
            raise ValueError("grid.part and pruning.include both say what may be pruned; give one of them")
        trained = self.training
        check_ways(self.grid.retraining, self.finetune, self.finetune.steps, trained.steps, trained.weight_decay)
        _ = self.models  # the settings of each can be
        return self

    @property
    def models(self) -> dict[str | None, Recipe]:
        """Every model that `grid.model` names, as a recipe that has it as its `model`; itself, under None, if none.

        Raises:
            ValueError: the problem has no section `model`, or a model's settings cannot be.
        """
        if not self.grid.model:
            return {None: self}
        section = getattr(self, "model", None)
        if not isinstance(section, Settings):
            raise ValueError("grid.model: this problem has no section `model`, which the models would change")
        given = section.model_dump(exclude_unset=True)
        found: dict[str | None, Recipe] = {}
        for name, changes in self.grid.model.items():
            try:
                model = type(section).model_validate(given | changes)
            except pydantic.ValidationError as error:
                raise ValueError(explain(error, type(section), f"grid.model.{name}")) from None
            found[name] = self.model_copy(update={"model": model})
        return found

    @property
    def sections(self) -> dict[str, Settings]:
        """The sections that belong to the problem, and how it is evaluated."""
        common = ("training", "grid", "pruning", "finetune", "phases")
        values = {name: getattr(self, name) for name in type(self).model_fields if name not in common}
        return {name: value for name, value in values.items() if isinstance(value, Settings)}
