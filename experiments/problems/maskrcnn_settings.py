"""What a recipe says of a Mask R-CNN: its pictures, its network, and how it is measured. No TensorFlow here."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Annotated, Any, Literal

import pydantic
from annotated_types import Ge

from experiments.settings.recipe import Count, EvaluationSettings, Settings
from maskrcnn.config import MaskRCNNConfig, batch_norm_trains


class DataSettings(Settings):
    """The pictures. Relative paths are tried in the working directory, $TASKPRUNE_DATA and ../shared/data."""

    kind: Literal["shapes", "via", "coco", "labelme", "masks"] = "shapes"
    """shapes: drawn, nothing to download; the others read annotated pictures."""
    level: Literal["easy", "hard"] = "easy"
    """shapes: the level of difficulty."""
    size: Annotated[int, Ge(32)] = 128
    """shapes: height and width, px."""
    train_count: Count = 2000
    """shapes: pictures to train on."""
    tune_count: Count = 300
    """shapes: pictures that choices are made on."""
    test_count: Count = 300
    """shapes: held-out pictures."""
    train_seed: int = 1
    """shapes: which pictures are trained on; each seed is another split."""
    tune_seed: int = 55
    """shapes: which pictures choices are made on."""
    test_seed: int = 99
    """shapes: which pictures are held out."""
    train: str | None = None
    """via, labelme, masks: folder of annotated pictures; coco: the instances JSON file."""
    tune: str | None = None
    """the same for the pictures that choices are made on; none if not given."""
    test: str | None = None
    """the same for the held-out pictures."""
    train_images: str | None = None
    """coco: folder of the pictures; the folder of the JSON file if not given."""
    tune_images: str | None = None
    """coco: the same for the pictures that choices are made on."""
    test_images: str | None = None
    """coco: the same for the held-out pictures."""
    class_attribute: str | None = None
    """via: the region attribute that holds the class."""
    class_name: str | None = None
    """via: the one class of files without such an attribute; masks: the class of all objects."""
    exif: Literal["auto", "apply", "ignore"] = "auto"
    """photos that say how to turn them: as the annotating tool shows them, all turned, or all as stored."""
    strict: bool = True
    """stop at the first fault in the annotations; false: leave faulty ones out, and say how many."""


def _comments(kind: type) -> dict[str, str]:
    """Field -> the comment behind it in the source of a dataclass."""
    rows = re.findall(r"^ {4}(\w+):[^#\n]*(?:#\s*(.*))?$", inspect.getsource(kind), flags=re.MULTILINE)
    return dict(rows)


def _network_fields() -> type[Settings]:
    """Settings with every field of MaskRCNNConfig but `class_names`, which the data gives."""
    comments = _comments(MaskRCNNConfig)
    kinds = inspect.get_annotations(MaskRCNNConfig, eval_str=True)
    fields: dict[str, Any] = {
        field.name: (kinds[field.name], pydantic.Field(field.default, description=comments.get(field.name) or None))
        for field in dataclasses.fields(MaskRCNNConfig)
        if field.name != "class_names"
    }
    return pydantic.create_model("NetworkFields", __base__=Settings, **fields)


class ModelSettings(_network_fields()):  # type: ignore[misc]  # a base made at import
    """The network: the fields of maskrcnn.MaskRCNNConfig.

    Relative paths of weights are tried in the working directory, $TASKPRUNE_WEIGHTS, weights/ beside $TASKPRUNE_DATA,
    and ../shared/weights.
    """

    def changed(self) -> dict[str, Any]:
        """The settings that are not the default; of batch norm, whether it trains.

        False was the default before None was: named by what is done, runs that said it or nothing, and had weights,
        keep their names.
        """
        found = super().changed()
        found.pop("train_batch_norm", None)
        trains = batch_norm_trains(self.train_batch_norm, self.backbone_weights)
        return found | ({"train_batch_norm": True} if trains else {})


class DetectorEvaluation(EvaluationSettings):
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
