"""What a recipe says, typed. A YAML file and the flags of every command both fill these models."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Annotated, Literal

import pydantic
from annotated_types import Ge, Gt, Lt

import boot  # noqa: F401
from maskrcnn import MaskRCNNConfig

Count = Annotated[int, Ge(1)]
Positive = Annotated[float, Gt(0)]
Fraction = Annotated[float, Ge(0), Lt(1)]


class Settings(pydantic.BaseModel):
    """Base: unknown keys are refused, and values do not change."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class DataSettings(Settings):
    """The pictures. Relative paths are tried in the working directory, $TASKPRUNE_DATA and ../shared/data."""

    kind: Literal["shapes", "via", "coco", "labelme"] = "shapes"
    """shapes: drawn, nothing to download; the others read annotated pictures."""
    level: Literal["easy", "hard"] = "easy"
    """shapes: the level of difficulty."""
    size: Annotated[int, Ge(32)] = 128
    """shapes: height and width, px."""
    train_count: Count = 2000
    """shapes: pictures to train on."""
    test_count: Count = 300
    """shapes: held-out pictures."""
    train_seed: int = 1
    """shapes: which pictures are trained on; each seed is another split."""
    test_seed: int = 99
    """shapes: which pictures are held out."""
    train: str | None = None
    """via, labelme: folder of annotated pictures; coco: the instances JSON file."""
    test: str | None = None
    """the same for the held-out pictures."""
    train_images: str | None = None
    """coco: folder of the pictures; the folder of the JSON file if not given."""
    test_images: str | None = None
    """coco: the same for the held-out pictures."""
    class_attribute: str | None = None
    """via: the region attribute that holds the class."""
    class_name: str | None = None
    """via: the one class of files without such an attribute."""
    strict: bool = True
    """stop at the first fault in the annotations; false: leave faulty ones out, and say how many."""


def _comments(kind: type) -> dict[str, str]:
    """Field -> the comment behind it in the source of a dataclass."""
    rows = re.findall(r"^ {4}(\w+):[^#\n]*(?:#\s*(.*))?$", inspect.getsource(kind), flags=re.MULTILINE)
    return dict(rows)


def _model_settings() -> type[Settings]:
    """Every field of MaskRCNNConfig but `class_names`, which the data gives."""
    comments = _comments(MaskRCNNConfig)
    kinds = inspect.get_annotations(MaskRCNNConfig, eval_str=True)
    fields = {
        field.name: (
            kinds[field.name], pydantic.Field(field.default, description=comments.get(field.name) or None)
        )
        for field in dataclasses.fields(MaskRCNNConfig)
        if field.name != "class_names"
    }
    doc = "The network: the fields of maskrcnn.MaskRCNNConfig. Relative paths of weights are tried in the "
    doc += "working directory, $TASKPRUNE_WEIGHTS, weights/ beside $TASKPRUNE_DATA, and ../shared/weights."
    return pydantic.create_model("ModelSettings", __base__=Settings, __doc__=doc, **fields)


ModelSettings = _model_settings()


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
    augment: Literal["none", "flip", "standard"] = "none"
    """none, mirrored pictures, or also scale with crop and colour."""
    checkpoint_every: Count = 250
    """updates between checkpoints; a run that is started again goes on from the last one."""


class ScheduleSettings(Settings):
    """When channels go: all at once before fine-tuning, or little by little in its first part."""

    name: Literal["one_shot", "polynomial_decay"] = "one_shot"
    """one_shot, or polynomial_decay (Zhu and Gupta 2017)."""
    share: Annotated[float, Gt(0), Lt(1)] = 0.5
    """polynomial_decay: share of the fine-tuning steps in which channels go."""
    power: Positive = 3.0
    """polynomial_decay: the exponent; 3 is the paper's."""
    frequency: Count = 10
    """polynomial_decay: updates between cuts."""


class FinetuneSettings(Settings):
    """Training after pruning, with the masks held; the dense control gets the same."""

    steps: Count = 120
    """optimizer updates, those of a gradual schedule included."""
    learning_rate: Positive = 0.002
    """its peak; all else is as in training."""
    warmup_steps: Annotated[int, Ge(0)] = 10
    """updates of linear rise."""


class PruningSettings(Settings):
    """The grid of pruned runs: every method at every ratio."""

    methods: tuple[Literal["l1", "l2", "random"], ...] = ("l1", "random")
    """criteria that score channels; the lowest scores go."""
    ratios: tuple[Annotated[float, Gt(0), Lt(1)], ...] = (0.25, 0.5, 0.75)
    """fractions of the filters to remove."""
    scope: Literal["layer", "part", "global"] = "layer"
    """where channels compete: layer is the same ratio everywhere."""
    round_to: Count = 1
    """kept channels are rounded to multiples of this."""
    include: tuple[str, ...] = ()
    """layers, parts or patterns that may be pruned; all if empty."""
    exclude: tuple[str, ...] = ()
    """layers, parts or patterns that may not."""
    schedule: ScheduleSettings = ScheduleSettings()
    finetune: FinetuneSettings = FinetuneSettings()


class EvaluationSettings(Settings):
    """How each task is measured, and what a MAC figure counts."""

    batch_size: Count = 8
    """pictures a call."""
    limit: Count | None = None
    """first so many held-out pictures only."""
    probe_seed: int = 0
    """seed of the probe boxes; leave it alone to compare models."""
    rois: Count | None = None
    """proposals counted in MACs; the config's post_nms_test if not given."""
    detections: Count | None = None
    """detections counted in MACs; the held-out pictures' mean number of objects, rounded up, if not given."""


class Recipe(Settings):
    """One experiment."""

    name: str = "shapes"
    """of the folder under results/."""
    seed: int = 0
    """of weights, samplers, order and random scores."""
    threads: Annotated[int, Ge(0)] = 0
    """of the computation; 0: one for every core."""
    results: str = "results"
    """folder that the run's folder is made in."""
    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    pruning: PruningSettings = PruningSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
