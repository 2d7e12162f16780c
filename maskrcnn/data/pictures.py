"""Annotated picture files as a `Dataset`: the common end of the COCO, VIA and LabelMe readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .dataset import DataError, Dataset, Sample
from .files import check_picture, read_image
from .regions import Region, decode

T = TypeVar("T")


@dataclass
class Picture:
    """A picture file and its regions, whose labels are 1-based positions."""

    path: Path
    name: str
    image_id: int
    height: int
    width: int
    regions: list[Region] = field(default_factory=list)


class Checks:
    """What happens on a fault: raise it (strict), or count it and leave the thing out."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.dropped: Counter[str] = Counter()

    def attempt(self, make: Callable[..., T], *args: Any) -> T | None:
        """make(*args), or None where it raised a `DataError` and faults are only counted."""
        try:
            return make(*args)
        except DataError as error:
            if self.strict:
                raise DataError(
                    f"{error} (strict=False leaves it out and counts it.)", error.reason
                ) from error
            self.dropped[error.reason] += 1
            return None

    def size(
        self, path: Path, annotations: Path, stated: tuple[int, int] | None = None
    ) -> tuple[int, int] | None:
        """(height, width) of a usable picture. All pixels are decoded where faults are to be left out."""
        return self.attempt(check_picture, path, annotations, stated, not self.strict)


def picture_dataset(
    name: str, class_names: Sequence[str], pictures: list[Picture], checks: Checks
) -> Dataset:
    """The dataset of these pictures; nothing is read before it is asked for.

    Raises:
        DataError: if there is no picture.
    """
    if not pictures:
        left_out = f" (left out: {dict(checks.dropped)})" if checks.dropped else ""
        raise DataError(
            f"{name}: the dataset is empty{left_out}. Check that the file names pictures.", "empty dataset"
        )
    return Dataset(name, class_names, len(pictures), lambda i: _sample(pictures[i]), checks.dropped)


def _sample(picture: Picture) -> Sample:
    image = read_image(picture.path)
    height, width = image.shape[:2]
    if (height, width) != (picture.height, picture.width):
        raise DataError(
            f"{picture.path}: is {width}x{height} px now and was {picture.width}x{picture.height} when "
            "loaded. Load the dataset again.",
            "image size",
        )
    masks = np.zeros((len(picture.regions), height, width), bool)
    for mask, region in zip(masks, picture.regions, strict=True):
        mask[:] = decode(region, height, width)
    areas = [
        float(mask.sum()) if region.area is None else region.area
        for mask, region in zip(masks, picture.regions, strict=True)
    ]
    return Sample(
        image=image,
        boxes=np.array([r.box for r in picture.regions], np.float32).reshape(-1, 4),
        labels=np.array([r.label for r in picture.regions], np.int32),
        masks=masks,
        crowd=np.array([r.crowd for r in picture.regions], bool),
        areas=np.array(areas, np.float64),
        image_id=picture.image_id,
        name=picture.name,
    )


def positions(class_names: Iterable[str], source: Path) -> dict[str, int]:
    """Class name -> label.

    Raises:
        DataError: if there is no name or one occurs twice.
    """
    names = list(class_names)
    if not names:
        raise DataError(
            f"{source}: no class is named. Annotate an object, or give class_names.", "empty dataset"
        )
    twice = [n for n, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{source}: the class name {twice[0]!r} occurs twice; rename one.", "duplicate id")
    return {name: i for i, name in enumerate(names, 1)}


def labelled(
    pictures: list[Picture], class_names: Sequence[str] | None, source: Path, checks: Checks
) -> list[str]:
    """Replaces the regions' class names by labels.

    Args:
        pictures: their regions' labels are names; changed in place.
        class_names: order of the labels; sorted names of all regions if None.
        source: file or folder, for messages.

    Returns:
        The class names in the order of labels.

    Raises:
        DataError: for a region whose class is not in `class_names` (strict).
    """
    names = (
        list(class_names)
        if class_names is not None
        else sorted({r.label for p in pictures for r in p.regions})
    )
    known = positions(names, source)

    def relabel(region: Region) -> Region:
        if region.label not in known:
            raise DataError(
                f"{region.where}: unknown category {region.label!r}; expected one of {names}. Correct it, "
                "or add it to class_names.",
                "unknown category",
            )
        return Region(
            region.where, known[region.label], region.outline, region.box, region.crowd, region.area
        )

    for picture in pictures:
        regions = (checks.attempt(relabel, region) for region in picture.regions)
        picture.regions = [region for region in regions if region is not None]
    return names
