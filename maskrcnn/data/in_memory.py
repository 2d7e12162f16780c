"""A data set from arrays that are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .dataset import DataError, Dataset
from .sample import Sample


def from_arrays(
    images: Sequence[Any],
    masks: Sequence[Any],
    labels: Sequence[Any],
    class_names: Sequence[str],
    name: str = "arrays",
) -> Dataset:
    """A data set from pictures, masks and labels in memory.

    ```python
    data = maskrcnn.data.from_arrays(images, masks, labels, class_names=("cat", "dog"))
    model.fit(data, epochs=10)
    ```

    Args:
        images: a picture each: (H, W, 3) RGB or (H, W) grey, uint8 or floats in [0, 1]; sizes may differ.
        masks: for each picture (N, H, W), 0 or 1; N, its number of objects, may be 0.
        labels: for each picture N classes: names, or positions in `class_names` from 1 on.
        class_names: the classes.
        name: what to call the data set; samples are "name/0", "name/1", ...

    Returns:
        A `Dataset`; boxes and areas are the masks', ids are 1, 2, ...

    Raises:
        DataError: for lists of different lengths, or a picture whose arrays do not fit; the message names it.
    """
    names = [class_names] if isinstance(class_names, str) else list(class_names)
    if not len(images) == len(masks) == len(labels):
        raise DataError(
            f"{name}: {len(images)} images, {len(masks)} masks and {len(labels)} labels; expected one of each for a "
            "picture."
        )

    def positions(given: Any, where: str) -> np.ndarray:
        values = np.asarray(given).reshape(-1).tolist()
        known = {text: i for i, text in enumerate(names, 1)}
        found = [known.get(value, value) if isinstance(value, str) else value for value in values]
        wrong = [v for v in found if isinstance(v, str) or not 1 <= v <= len(names) or v != int(v)]
        if wrong:
            raise DataError(
                f"{where}: label {wrong[0]!r} is no class; expected a name of {names}, or 1 to {len(names)} (the "
                "first class is 1).",
                "unknown category",
            )
        return np.array(found, np.int32)

    samples = []
    for i, (image, bitmaps, given) in enumerate(zip(images, masks, labels, strict=True)):
        where = f"{name}/{i}"
        samples.append(Sample.of(image, bitmaps, positions(given, where), image_id=i + 1, name=where))
    return Dataset(name, names, len(samples), samples.__getitem__, entries=[sample.entry for sample in samples])
