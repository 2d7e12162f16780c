"""What a recipe says of a Mask R-CNN: its pictures, its network, and how it is measured. No TensorFlow here."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Annotated, Any, Literal

import pydantic
from annotated_types import Ge, Gt, Lt

from experiments.settings.recipe import Count, EvaluationSettings, Fraction, Settings
from maskrcnn.config import MaskRCNNConfig, batch_norm_trains

Places = str | tuple[str, ...] | None


class DataSettings(Settings):
    """The pictures. Relative paths are tried in the working directory, $TASKPRUNE_DATA and ../shared/data."""

    kind: Literal["shapes", "auto", "via", "coco", "labelme", "masks", "cvat"] = "shapes"
    """shapes: drawn, nothing to download; the others read annotated pictures; auto: whatever lies there."""
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
    train: Places = None
    """folder of annotated pictures, or the file of annotations; several are joined by the names of their classes. A
    folder with splits in it, such as an export's train, valid and test, gives them all."""
    tune: Places = None
    """the same for the pictures that choices are made on; none if neither given nor found beside those to train on."""
    test: Places = None
    """the same for the held-out pictures; if neither given nor found, test_share of those to train on."""
    test_share: Annotated[float, Gt(0), Lt(1)] = 0.2
    """of annotated pictures without a test split: the fraction that is held out of them."""
    tune_share: Fraction = 0.0
    """the same for choices; 0: none."""
    split_seed: int = 0
    """which pictures are held out of them."""
    split_by: str | None = None
    """what stays together when they are: parent, the pictures of a folder; or a regular expression, the pictures in
    whose names it finds the same. Copies that Roboflow made of one picture always stay together."""
    classes: tuple[str, ...] | None = None
    """only these, in this order; objects of others become background; all if not given."""
    train_pictures: Count | None = None
    """so many of the pictures to train on, which split_seed chooses; all if not given."""
    train_images: str | None = None
    """coco, cvat: folder of the pictures; looked for beside the file if not given."""
    tune_images: str | None = None
    """coco, cvat: the same for the pictures that choices are made on."""
    test_images: str | None = None
    """coco, cvat: the same for the held-out pictures."""
    class_attribute: str | None = None
    """via: the region attribute that holds the class."""
    class_name: str | None = None
    """via: the one class of files without such an attribute; masks: the class of all objects."""
    exif: Literal["auto", "apply", "ignore"] = "auto"
    """photos that say how to turn them: as the annotating tool shows them, all turned, or all as stored."""
    strict: bool = True
    """stop at the first fault in the annotations; false: leave faulty ones out, and say how many."""

    @pydantic.field_validator("train", "tune", "test", mode="before")
    @classmethod
    def _a_list_of_one_is_its_value(cls, value: Any) -> Any:
        return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value

    @pydantic.model_validator(mode="before")
    @classmethod
    def _folders_are_recognised(cls, content: Any) -> Any:
        """Where pictures are named and no kind is."""
        if isinstance(content, dict) and "kind" not in content and any(content.get(s) for s in ("train", "test")):
            return content | {"kind": "auto"}
        return content

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> DataSettings:
        named = [split for split in ("train", "tune", "test") if getattr(self, split)]
        if self.kind == "shapes" and named:
            raise ValueError(
                f"{named[0]} names pictures, and kind shapes draws its own: say --data.kind auto, or take the recipe "
                "own_data"
            )
        if self.test_share + self.tune_share >= 1:
            raise ValueError(f"test_share {self.test_share} and tune_share {self.tune_share} leave nothing to train on")
        return self

    def places(self, split: str) -> tuple[str, ...]:
        """What is named for a split."""
        found = getattr(self, split)
        return (found,) if isinstance(found, str) else tuple(found or ())


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
    """The network: the fields of maskrcnn.MaskRCNNConfig, and the weights that all of it begins with.

    Relative paths of weights are tried in the working directory, $TASKPRUNE_WEIGHTS, weights/ beside $TASKPRUNE_DATA,
    and ../shared/weights.
    """

    numerics: Literal["own", "torchvision", "matterport"] = "own"
    """whose defaults the fields have that are not given: those of MaskRCNNConfig, of its torchvision or matterport."""
    start: str | None = None
    """a whole detector to begin from: a saved model (.keras), torchvision's (.pth, .safetensors), or Matterport's (.h5,
    which needs numerics: matterport); of other classes too, whose layers are then drawn anew."""
    start_classes: Literal["auto", "load", "skip"] = "auto"
    """its layers of the classes. auto: those of a saved model with the same classes, none of other files, which do not
    say what their classes are; load: they are those of the data, in the same order; skip: none."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _numerics_are_spelt_out(cls, content: Any) -> Any:
        """Their fields beside those that are given, which win."""
        preset = content.get("numerics") if isinstance(content, dict) else None
        if preset not in ("torchvision", "matterport"):
            return content
        usual = MaskRCNNConfig(class_names=("any",)).get_config()
        fields = getattr(MaskRCNNConfig, preset)(class_names=("any",)).get_config()
        return {name: value for name, value in fields.items() if value != usual[name]} | content

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
    confidences: tuple[Annotated[float, Ge(0.05), Lt(1)], ...] = ()
    """AP also of those detections alone that have at least such a score: 0.7, Matterport's, gives bbox_ap50_at70."""
    rois: Count | None = None
    """proposals counted in MACs; the config's post_nms_test if not given."""
    detections: Count | None = None
    """detections counted in MACs; the held-out pictures' mean number of objects, rounded up, if not given."""

    @pydantic.field_validator("confidences")
    @classmethod
    def _hundredths_name_columns(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        found = [round(100 * score, 6) for score in value]
        if any(one != round(one) for one in found) or len(set(found)) != len(found):
            raise ValueError(f"{', '.join(map(str, value))}: expected hundredths, such as 0.7, each once")
        return value
