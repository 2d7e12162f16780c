"""What every source of pictures hands over: a `Dataset` of `Sample`s."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np


class DataError(ValueError):
    """Input that cannot be used; the message names the file and the annotation and says what to do.

    Attributes:
        reason: the kind of fault in a few words; what `Dataset.dropped` counts.
    """

    def __init__(self, message: str, reason: str = "bad input") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Sample:
    """One picture with its objects, in pixels of the picture as stored.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        boxes: (N, 4) float32, (x0, y0, x1, y1) px; the right and bottom edges are exclusive.
        labels: (N,) int32, 1-based positions in the dataset's `class_names`.
        masks: (N, H, W) bool, the visible pixels of each object.
        crowd: (N,) bool, True where the annotation covers a group.
        areas: (N,) float64, the source's own area where it states one, else the mask's pixels.
        image_id: the source's id.
        name: file name, or "shapes-easy/17".
        distractors: (D, 4) float32 boxes of things that look like objects and are not (Shapes, hard level).
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray
    image_id: int
    name: str
    distractors: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))


class Dataset(Sequence[Sample]):
    """A sequence of samples that are read when asked for.

    Args:
        name: what to call it in messages and tables.
        class_names: the names of labels 1, 2, ...
        count: how many samples there are.
        read: index in [0, count) -> `Sample`; must give the same sample each time.
        dropped: reason -> how many annotations or pictures were left out (`strict=False` only).
        names: index -> the sample's name without reading it.

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
    ) -> None:
        if count < 1:
            raise DataError(
                f"{name}: the dataset is empty ({count} pictures). Check the path, or ask for more.",
                "empty dataset",
            )
        self.name = name
        self.class_names = tuple(class_names)
        self.dropped: Counter[str] = Counter(dropped or {})
        self._count = int(count)
        self._read = read

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]
        if not -self._count <= index < self._count:
            raise IndexError(f"{self.name} has {self._count} samples; asked for number {index}.")
        return self._read(int(index) % self._count)

    def subset(self, indices: Iterable[int]) -> Dataset:
        """The samples at `indices`, in that order, read from this dataset."""
        chosen = [range(self._count)[int(i)] for i in indices]
        return Dataset(
            f"{self.name}[{len(chosen)}]",
            self.class_names,
            len(chosen),
            lambda i: self._read(chosen[i]),
            self.dropped,
        )

    def cached(self, max_bytes: int = 256 * 2**20) -> Dataset:
        """The same dataset, keeping the first samples that are read, up to `max_bytes`.

        What does not fit is read again each time: with a shuffled order, keeping what came first hits more
        often than replacing. Masks are kept as bits.
        """
        cached = Dataset(
            self.name, self.class_names, self._count, _Cache(self._read, max_bytes), self.dropped
        )
        return cached

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {self._count} pictures, {len(self.class_names)} classes)"


class _Cache:
    """Read-through cache of packed samples with a bound on its bytes."""

    def __init__(self, read: Callable[[int], Sample], max_bytes: int) -> None:
        self._read = read
        self._free = max_bytes
        self._kept: dict[int, tuple[Sample, np.ndarray]] = {}
        self._lock = threading.Lock()  # tf.data reads from several threads

    def __call__(self, index: int) -> Sample:
        kept = self._kept.get(index)
        if kept is not None:
            sample, bits = kept
            height, width = sample.image.shape[:2]
            masks = np.unpackbits(bits, axis=-1, count=width).view(bool)
            return replace(sample, masks=masks.reshape(-1, height, width))
        sample = self._read(index)
        bits = np.packbits(sample.masks, axis=-1)
        size = sample.image.nbytes + bits.nbytes + sample.boxes.nbytes + 1024
        with self._lock:
            if index not in self._kept and size <= self._free:
                self._free -= size
                sample.image.flags.writeable = False  # shared by every later reader
                self._kept[index] = (replace(sample, masks=np.zeros((0, 0, 0), bool)), bits)
        return sample
