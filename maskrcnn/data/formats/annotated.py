"""Annotated picture files as a `Dataset`: the common end of all readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..dataset import DataError, Dataset, Entry, Sample
from ..picture_files.image_file import ImageFile, read_image
from .regions import Box, Region, share_inside
from .run_lengths import cut_masks

T = TypeVar("T")


@dataclass
class Picture:
    """A picture file and its regions, whose labels are 1-based positions."""

    file: ImageFile
    name: str
    image_id: int | str
    regions: list[Region] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) px."""
        return self.file.height, self.file.width


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


def check_turn(picture: Picture, boxes: Iterable[Box]) -> None:
    """Refuses a picture that was turned as EXIF says, where its outlines fit the stored one only.

    Args:
        picture: one whose annotations state no size.
        boxes: extents of its outlines, px.

    Raises:
        DataError: the annotations are of the stored picture.
    """
    if picture.file.turn < 5:  # not turned, or into a picture of the same size
        return
    some = [box for box in boxes if box[2] > box[0] and box[3] > box[1]]
    turned, stored = (min((share_inside(b, s) for b in some), default=1) for s in (picture.size, picture.size[::-1]))
    if turned < 0.9 < stored:
        raise DataError(
            f"{picture.file.source}: has EXIF orientation {picture.file.orientation}, and its outlines fit the picture "
            'as it is stored only. Give exif="ignore" if all were annotated so (before 2020, browsers did not turn '
            "pictures).",
            "EXIF orientation",
        )


def picture_dataset(
    name: str,
    class_names: Sequence[str],
    pictures: list[Picture],
    checks: Checks,
    category_ids: Sequence[int | str | None] | None = None,
) -> Dataset:
    """The dataset of these pictures; nothing is read before it is asked for.

    Raises:
        DataError: if there is no picture.
    """
    if not pictures:
        raise DataError(
            f"{name}: the dataset is empty{left_out(checks)}. Check that the file names pictures.", "empty dataset"
        )
    entries = [Entry(p.name, p.image_id, len(p.regions), sum(r.crowd for r in p.regions)) for p in pictures]
    return Dataset(
        name, class_names, len(pictures), lambda i: _sample(pictures[i]), checks.dropped, entries, category_ids
    )


def left_out(checks: Checks) -> str:
    """What was left out so far, to put behind a word."""
    return f" (left out: {dict(checks.dropped)})" if checks.dropped else ""


def _sample(picture: Picture) -> Sample:
    regions = picture.regions
    return Sample(
        image=read_image(picture.file),
        boxes=np.array([r.box for r in regions], np.float32).reshape(-1, 4),
        labels=np.array([r.label for r in regions], np.int32),
        masks=cut_masks([r.mask for r in regions], *picture.size),  # type: ignore[arg-type]  # whole when asked for
        crowd=np.array([r.crowd for r in regions], bool),
        areas=np.array([r.area for r in regions], np.float64),
        image_id=picture.image_id,
        name=picture.name,
    )


def positions(class_names: Iterable[str], source: Path, why: str = "") -> dict[str, int]:
    """Class name -> label.

    Args:
        class_names: the names in the order of labels.
        source: file or folder, for messages.
        why: what was left out, where names come from what is left.

    Raises:
        DataError: if there is no name or one occurs twice.
    """
    names = [class_names] if isinstance(class_names, str) else list(class_names)
    if not names:
        raise DataError(
            f"{source}: no class is named{why}. Annotate an object, or give class_names.", "empty dataset"
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
    found = sorted({r.label for p in pictures for r in p.regions})
    known = positions(found if class_names is None else class_names, source, left_out(checks))

    def relabel(region: Region) -> Region:
        if region.label not in known:
            raise DataError(
                f"{region.where}: unknown category {region.label!r}; expected one of {list(known)}. Correct it, "
                "or add it to class_names.",
                "unknown category",
            )
        return replace(region, label=known[region.label])

    for picture in pictures:
        regions = (checks.attempt(relabel, region) for region in picture.regions)
        picture.regions = [region for region in regions if region is not None]
    return list(known)
