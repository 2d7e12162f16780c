"""What every source of pictures hands over: a `Dataset` of `Sample`s."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from .cut_masks import CutMasks
from .partition import Key, assign, key_of
from .sample import DataError, DataWarning, Entry, Sample

__all__ = ["DataError", "DataWarning", "Dataset", "Entry", "Sample"]


class Dataset(Sequence[Sample]):
    """A sequence of samples that are read when asked for.

    `one + other` joins two, by the names of their classes.

    Args:
        name: what to call it in messages and tables.
        class_names: the names of labels 1, 2, ...
        count: how many samples there are.
        read: index in [0, count) -> `Sample`; must give the same sample each time.
        dropped: reason -> how many annotations, parts of them or pictures were left out.
        entries: what is known of each sample without reading it; None: samples are read to know.
        category_ids: the source's id of each class; None: 1, 2, ... A class that the source lacks has None.

    Raises:
        DataError: if `count` is not positive.
    """

    def __init__(
        self,
        name: str,
        class_names: Iterable[str],
        count: int,
        read: Callable[[int], Sample],
        dropped: Mapping[str, int] | None = None,
        entries: Sequence[Entry] | None = None,
        category_ids: Iterable[int | str | None] | None = None,
    ) -> None:
        if count < 1:
            raise DataError(
                f"{name}: the dataset is empty ({count} pictures). Check the path, or ask for more.",
                "empty dataset",
            )
        self.name = name
        self.class_names = tuple(class_names)
        self.dropped: Counter[str] = Counter(dropped or {})
        numbered = range(1, len(self.class_names) + 1)
        self.category_ids = tuple(numbered if category_ids is None else category_ids)
        self._count = int(count)
        self._read = read
        self._entries = None if entries is None else tuple(entries)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]
        if not -self._count <= index < self._count:
            raise IndexError(f"{self.name} has {self._count} samples; asked for number {index}.")
        return self._read(int(index) % self._count)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {self._count} pictures, {len(self.class_names)} classes)"

    def entry(self, index: int) -> Entry:
        """Name, id and number of objects of a sample; it is read only where its source does not know them."""
        return self[index].entry if self._entries is None else self._entries[index]

    # Other data sets made of this one

    def subset(self, indices: Iterable[int]) -> Dataset:
        """The samples at `indices`, in that order, read from this dataset."""
        chosen = [range(self._count)[int(i)] for i in indices]
        entries = None if self._entries is None else [self._entries[i] for i in chosen]
        name = f"{self.name}[{len(chosen)}]"
        return self._like(name, len(chosen), lambda i: self._read(chosen[i]), entries)

    def split(self, parts: Sequence[float], seed: int = 0, by: Key | None = None) -> tuple[Dataset, ...]:
        """Parts without a common sample, in drawn order.

        ```python
        train, test = dataset.split([0.8, 0.2], seed=1, by=lambda name: name.split("_")[0])
        ```

        Args:
            parts: fractions that sum to at most 1, or numbers of samples.
            seed: which samples go where.
            by: samples for which it is the same stay together: a function of a sample's name, or the name of an
                attribute of that name as a `pathlib.PurePath`, such as "parent" or "stem". None: each by itself.

        Returns:
            A `Dataset` for each part; with `by`, sizes are as near to `parts` as the groups allow.

        Raises:
            DataError: for parts that cannot be, or one that would be empty.
        """
        keys = range(self._count) if by is None else [key_of(self.entry(i).name, by) for i in range(self._count)]
        return tuple(self.subset(rows) for rows in assign(list(keys), parts, seed, self.name))

    def of_classes(self, class_names: Sequence[str]) -> Dataset:
        """The same pictures with the objects of these classes only, labelled in this order.

        Objects of other classes become background, and so do pictures without one of these.

        Raises:
            DataError: a class is not there.
        """
        missing = [name for name in class_names if name not in self.class_names]
        if missing or not class_names:
            raise DataError(
                f"{self.name}: has no class {', '.join(map(repr, missing)) or 'at all in an empty list'}; there are "
                f"{', '.join(self.class_names)}.",
                "unknown category",
            )
        label = np.zeros(len(self.class_names) + 1, np.int32)
        for new, name in enumerate(class_names, 1):
            label[self.class_names.index(name) + 1] = new

        def read(index: int) -> Sample:
            return self._read(index).relabelled(label)

        ids = [self.category_ids[self.class_names.index(name)] for name in class_names]
        return Dataset(f"{self.name} of {len(ids)} classes", class_names, self._count, read, self.dropped, None, ids)

    def __add__(self, other: Dataset) -> Dataset:
        """This dataset's samples, then the other's; classes are matched by name, and new ones appended."""
        if not isinstance(other, Dataset):
            return NotImplemented
        new = [name for name in other.class_names if name not in self.class_names]
        names = (*self.class_names, *new)
        theirs = dict(zip(other.class_names, other.category_ids, strict=True))
        mine = dict(zip(self.class_names, self.category_ids, strict=True))
        ids = [theirs.get(name) if mine.get(name) is None else mine[name] for name in names]
        label = np.array([0, *(names.index(name) + 1 for name in other.class_names)], np.int32)

        def read(index: int) -> Sample:
            if index < self._count:
                return self._read(index)
            sample = other._read(index - self._count)
            return sample.relabelled(label)

        known = self._entries is not None and other._entries is not None
        return Dataset(
            f"{self.name} + {other.name}",
            names,
            self._count + other._count,
            read,
            self.dropped + other.dropped,
            (self._entries or ()) + (other._entries or ()) if known else None,
            ids if len(set(ids)) == len(ids) else None,
        )

    def cached(self, max_bytes: int = 256 * 2**20) -> Dataset:
        """The same dataset, keeping the first samples that are read, up to `max_bytes`.

        What does not fit is read again each time: with a shuffled order, keeping what came first hits more
        often than replacing. Masks are kept as bits, within their windows.
        """
        return self._like(self.name, self._count, _Cache(self._read, max_bytes), self._entries)

    def _like(
        self, name: str, count: int, read: Callable[[int], Sample], entries: Sequence[Entry] | None
    ) -> Dataset:
        return Dataset(name, self.class_names, count, read, self.dropped, entries, self.category_ids)

    # Whether it can be trained on

    def check_trainable(self) -> None:
        """Raises a `DataError` that says why, if no sample has an object to train on."""
        objects = crowds = 0
        for i in range(self._count):
            entry = self.entry(i)
            objects, crowds = objects + entry.objects, crowds + entry.crowds
            if objects > crowds:
                return
        why = [f"its {self._count} pictures hold no object"]
        if crowds:
            why = [
                f"all {crowds} objects of its {self._count} pictures are crowds (iscrowd 1), which are not trained "
                "on; where each is one object, as CVAT's brush masks are, write iscrowd 0"
            ]
        why += [f"left out: {', '.join(f'{n} x {reason}' for reason, n in self.dropped.items())}"] * bool(self.dropped)
        raise DataError(f"{self.name}: nothing to train on: {'; '.join(why)}.", "nothing to train on")

    def surplus(self, max_instances: int) -> str | None:
        """A sentence on the pictures with more objects than are trained on, if there are some and it is known."""
        amounts = [entry.objects for entry in self._entries or () if entry.objects > max_instances]
        if not amounts:
            return None
        pictures = f"{len(amounts)} of its {self._count} pictures hold"
        return surplus_text(self.name, pictures, max(amounts), max_instances)


def surplus_text(name: str, pictures: str, most: int, max_instances: int) -> str:
    """The sentence that says that objects are lost to `max_instances`."""
    return (
        f"{name}: {pictures} more objects than max_instances={max_instances} (up to {most}): the largest are trained "
        f"on, the others become background. Set max_instances={most} to train on all."
    )


class _Cache:
    """Read-through cache of packed samples with a bound on its bytes."""

    def __init__(self, read: Callable[[int], Sample], max_bytes: int) -> None:
        self._read = read
        self._free = max_bytes
        self._kept: dict[int, tuple[Sample, np.ndarray, np.ndarray]] = {}
        self._lock = threading.Lock()  # tf.data reads from several threads

    def __call__(self, index: int) -> Sample:
        kept = self._kept.get(index)
        if kept is not None:
            sample, windows, bits = kept
            height, width = sample.image.shape[:2]
            pixels = np.unpackbits(bits).view(bool)
            return sample.changed(CutMasks.from_pixels((height, width), windows, pixels))
        sample = self._read(index)
        masks = sample.cut_masks
        bits = np.packbits(masks.pixels())
        size = sample.image.nbytes + bits.nbytes + masks.windows.nbytes + sample.boxes.nbytes + 1024
        with self._lock:
            if index not in self._kept and size <= self._free:
                self._free -= size
                sample.image.flags.writeable = False  # shared by every later reader
                self._kept[index] = (sample.changed(masks.take(np.zeros(0, int))), masks.windows, bits)
        return sample
