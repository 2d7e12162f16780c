"""From a recipe's data settings to the pictures of each split: named, found in an export, or held out."""

from __future__ import annotations

import functools
import operator
import re
from pathlib import Path
from typing import TYPE_CHECKING

import maskrcnn
from experiments.errors import UserError
from experiments.problems.maskrcnn.maskrcnn_settings import DataSettings
from experiments.settings.places import find_data

if TYPE_CHECKING:
    from maskrcnn.data import Dataset
    from maskrcnn.data.layouts import Annotations, Kind

SPLITS = ("train", "tune", "test")
_SHOWN = 20  # names of classes
_COPY = re.compile(r"\.rf\.[0-9a-zA-Z]+(?=\.\w+$)")  # Roboflow's mark on a copy of a picture


class AnnotatedPictures:
    """The annotated pictures that settings name.

    A held-out split is the one that is named, else the one that lies beside the pictures to train on, as exports have
    it, else a share of these.

    Args:
        data: of another kind than shapes.
    """

    def __init__(self, data: DataSettings) -> None:
        self._data = data
        self._kind: Kind | None = None if data.kind == "auto" or data.kind == "shapes" else data.kind
        self._known: dict[str, dict[str, Annotations]] = {}
        self._parts: dict[tuple[str, ...], dict[str, Dataset]] = {}

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that there are."""
        named = {split for split in SPLITS if self._data.places(split)}
        if "train" in named:
            named |= {*self._beside, *self._shares}
        return tuple(split for split in SPLITS if split in named)

    def read(self, split: str, class_names: tuple[str, ...] | None) -> Dataset:
        """The pictures of a split.

        Args:
            split: "train", "tune" or "test".
            class_names: those of a model that the pictures are for; the data's own if None.

        Raises:
            UserError: a needed setting is missing, a folder or file is, or the annotations are faulty.
        """
        data = self._data
        try:
            if self._shares and split in ("train", *self._shares):
                return self._held_out(class_names)[split]
            if data.places(split):
                return self._joined(data.places(split), split, split, class_names)
            if split in self._beside:
                return self._joined(self._beside[split], split, "train", class_names)
        except maskrcnn.data.DataError as error:
            raise UserError(str(error)) from None
        raise UserError(
            f"data.{split} is not set: give the folder of annotated pictures, or the file of their annotations, as in "
            f"--data.{split} my/folder"
        )

    def notes(self) -> list[str]:
        """Lines on what was found, and held out, without being named."""
        data, found = self._data, []
        if data.kind == "auto" or self._beside:
            every = [(split, one) for place in data.places("train") for split, one in self._in(place).items()]
            names = self.read("train", None).class_names
            more = f" and {len(names) - _SHOWN} more" * (len(names) > _SHOWN)
            found += [
                "found " + ", ".join(f"{split or 'all'}: {one}" for split, one in every),
                f"classes: {', '.join(names[:_SHOWN])}{more}",
            ]
        if self._shares:
            parts = self._held_out(None)
            count = sum(map(len, parts.values()))
            found += [
                f"no {split} split is named or found: {len(parts[split])} of the {count} pictures are held out for it "
                f"(data.{split}_share {share:g}; data.split_seed and data.split_by say which)"
                for split, share in self._shares.items()
            ]
        return found

    @functools.cached_property
    def _beside(self) -> dict[str, tuple[str, ...]]:
        """Held-out split that is not named -> those of the places to train on that have it."""
        if self._data.test:
            return {}
        having = {
            split: tuple(place for place in self._data.places("train") if split in self._in(place))
            for split in SPLITS[1:]
            if not self._data.places(split)
        }
        return {split: places for split, places in having.items() if places}

    @property
    def _shares(self) -> dict[str, float]:
        """Split -> the fraction of the pictures to train on that is held out for it."""
        data = self._data
        if not data.train:
            return {}
        wanted = {"tune": data.tune_share, "test": data.test_share}
        return {s: f for s, f in wanted.items() if f and not data.places(s) and s not in self._beside}

    def _held_out(self, class_names: tuple[str, ...] | None) -> dict[str, Dataset]:
        """The pictures to train on, and those held out of them."""
        names = class_names or ()
        if names not in self._parts:
            whole = self._joined(self._data.places("train"), "train", "train", class_names)
            fractions = [1 - sum(self._shares.values()), *self._shares.values()]
            parts = whole.split(fractions, self._data.split_seed, by=self._source)
            named = dict(zip(("train", *self._shares), parts, strict=True))
            self._parts[names] = self._parts[whole.class_names] = named
        return self._parts[names]

    def _source(self, name: str) -> str:
        """What a picture's name is grouped by."""
        by = self._data.split_by
        if by is None:
            return _COPY.sub("", name)
        if by == "parent":
            return Path(name).parent.as_posix()
        try:
            found = re.search(by, name)
        except re.error as error:
            raise UserError(f"data.split_by = {by!r} is neither parent nor a regular expression: {error}") from None
        if found is None:
            raise UserError(
                f"data.split_by = {by!r} finds nothing in the name {name!r}; it must in every picture's, as '^[^_]+' "
                "finds what stands before the first _"
            )
        return found[1] if found.re.groups else found[0]

    def _in(self, place: str) -> dict[str, Annotations]:
        """The annotations that lie in a place, by split."""
        if place not in self._known:
            try:
                self._known[place] = maskrcnn.data.annotations_in(find_data(place), self._kind)
            except maskrcnn.data.DataError as error:
                raise UserError(str(error)) from None
        return self._known[place]

    def _joined(
        self, places: tuple[str, ...], split: str, named: str, class_names: tuple[str, ...] | None
    ) -> Dataset:
        """A split's pictures of several places; `named` is the split that the settings name them for."""
        data = self._data
        images = getattr(data, f"{named}_images")
        if data.classes is not None:
            class_names = None  # all are read, of which those are taken
        found = []
        for place in places:
            known = self._in(place)
            only = len(known) == 1  # what was named for this split, however its folder is called
            found.append(
                maskrcnn.data.load(
                    find_data(place),
                    None if only else split,
                    self._kind,
                    find_data(images) if images else None,
                    data.strict,
                    class_names,
                    data.class_name,
                    data.class_attribute,
                    data.exif,
                )
            )
        whole = functools.reduce(operator.add, found)
        return whole if data.classes is None else whole.of_classes(data.classes)
