"""Pictures of very many objects, for timing and weighing."""

from __future__ import annotations

import numpy as np

import maskrcnn


def crowded(count: int, size: int, objects: int, seed: int) -> list[maskrcnn.data.Sample]:
    """Pictures of exactly so many objects: mosaics of small ones of Shapes hard.

    Args:
        count: pictures; size: of their sides, px; objects: in each; seed: of the small pictures.
    """
    tiles = 4
    while True:
        side = size // tiles
        small = maskrcnn.data.shapes(count * tiles**2, side, seed, level="hard")
        samples: list[maskrcnn.data.Sample] = []
        for first in range(0, len(small), tiles**2):
            image, masks, labels = np.zeros((size, size, 3), np.uint8), [], []
            for place in range(tiles**2):
                sample, (row, column) = small[first + place], divmod(place, tiles)
                window = np.s_[row * side : (row + 1) * side, column * side : (column + 1) * side]
                image[window] = sample.image
                for mask, label in zip(sample.masks, sample.labels, strict=True):
                    masks.append(np.zeros((size, size), bool))
                    masks[-1][window] = mask
                    labels.append(int(label))
            if len(masks) < objects:
                break
            kept = np.sort(np.random.default_rng([seed, first]).permutation(len(masks))[:objects])
            samples.append(
                maskrcnn.data.Sample.of(image, np.array(masks)[kept], np.array(labels)[kept], image_id=len(samples) + 1)
            )
        else:
            return samples
        tiles *= 2
