"""A region proposal network (Ren et al. 2015, section 3.1) for one map or the levels of a pyramid."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from maskrcnn.layers.box_layer import BoxLayer
from maskrcnn.layers.plain_layers import PlainLayers
from maskrcnn.network.heads import rpn_head
from maskrcnn.proposals.anchors import pyramid_anchors

SIZES, RATIOS = (128.0, 256.0, 512.0), (0.5, 1.0, 2.0)  # Ren et al. 2015


def _by_level(anchor_sizes, strides) -> tuple[tuple[tuple[float, ...], ...], tuple[int, ...]]:
    """Anchor sizes and stride of each level.

    Raises:
        ValueError: they do not fit one another.
    """
    single = not isinstance(strides, list | tuple)
    strides = (strides,) if single else tuple(strides)
    levels = (anchor_sizes,) if single else anchor_sizes
    if not isinstance(levels, list | tuple) or len(levels) != len(strides):
        raise ValueError(
            f"anchor_sizes={anchor_sizes!r}, strides={strides!r}: expected a size, or a tuple of sizes, for each stride"
        )
    sizes = tuple(tuple(map(float, level if isinstance(level, list | tuple) else (level,))) for level in levels)
    if len({len(level) for level in sizes}) > 1 or not all(sizes):
        raise ValueError(
            f"anchor_sizes={anchor_sizes!r}: one head serves all maps, so each has equally many sizes, one or more"
        )
    return sizes, strides


@keras.saving.register_keras_serializable("maskrcnn")
class AnchorGrid(BoxLayer):
    """Lays anchors over the maps of an RPN's answers. No weights; a part of RegionProposal.

    Called on [logits, deltas], lists of a map (B, h, w, A) and (B, h, w, 4 A) a level; returns what RegionProposal
    returns.

    Args:
        anchor_sizes, strides, ratios, rounding: see `RegionProposal`.
    """

    settings = ("anchor_sizes", "strides", "ratios", "rounding")

    def __init__(self, anchor_sizes=SIZES, strides=16, ratios=RATIOS, rounding=False, **kwargs):
        super().__init__(**kwargs)
        self.anchor_sizes, self.strides, self.ratios, self.rounding = anchor_sizes, strides, tuple(ratios), rounding
        self._sizes, self._strides = _by_level(anchor_sizes, strides)

    def call(self, inputs):
        logits, deltas = inputs
        batch = tf.shape(logits[0])[0]
        grids = [(tf.shape(level)[1], tf.shape(level)[2]) for level in logits]
        covered = [(rows * side, columns * side) for (rows, columns), side in zip(grids, self._strides, strict=True)]
        anchors = [
            pyramid_anchors([grid], size, [sides], self.ratios, self.rounding)[0]
            for grid, size, sides in zip(grids, covered, self._sizes, strict=True)
        ]
        return {
            "objectness": [tf.reshape(level, (batch, -1)) for level in logits],
            "deltas": [tf.reshape(level, (batch, -1, 4)) for level in deltas],
            "anchors": anchors,
            "image_size": tf.repeat(tf.cast([covered[0]], tf.float32), batch, axis=0),
        }

    def compute_output_spec(self, inputs):
        logits, _ = inputs
        counts = [None if None in level.shape[1:] else math.prod(level.shape[1:]) for level in logits]
        batch = logits[0].shape[0]
        return {
            "objectness": [keras.KerasTensor((batch, count), "float32") for count in counts],
            "deltas": [keras.KerasTensor((batch, count, 4), "float32") for count in counts],
            "anchors": [keras.KerasTensor((count, 4), "float32") for count in counts],
            "image_size": keras.KerasTensor((batch, 2), "float32"),
        }


@keras.saving.register_keras_serializable("maskrcnn")
class RegionProposal(PlainLayers):
    """Where there may be objects: objectness and a box of every anchor.

    Called on a map (B, h, w, C), or on a list of maps of equal width, which share one head. Returns a dict for
    `Proposals` and `RegionProposalLoss`, with a list of one tensor a map: objectness (B, A), logits; deltas (B, A, 4),
    (dx, dy, dw, dh); anchors (A, 4) xyxy, the same for all pictures; and image_size (B, 2), the height and width that
    the first map covers. In a graph it is a nested model with the convolutions `rpn_conv`, `rpn_class` and `rpn_bbox`.

    ```python
    image = keras.Input((128, 128, 3))
    features = keras.layers.Conv2D(32, 3, strides=16, padding="same")(image)
    rpn = RegionProposal(anchor_sizes=(16, 32, 64), strides=16)(features)
    assert rpn["objectness"][0].shape == (None, 8 * 8 * 9) and rpn["anchors"][0].shape == (8 * 8 * 9, 4)

    finer = keras.layers.Conv2D(32, 3, strides=8, padding="same")(image)
    pyramid = RegionProposal(anchor_sizes=(16, 32), strides=(8, 16), width=64)([finer, features])
    assert [level.shape[1] for level in pyramid["objectness"]] == [16 * 16 * 3, 8 * 8 * 3]
    ```

    Args:
        anchor_sizes: sides in px of the square anchors of every cell. Of several maps: for each a number, or a tuple of
            as many numbers as the others have.
        strides: pixels a cell: a number for one map, a tuple for a list of maps.
        ratios: height / width of each anchor; the area stays.
        width: channels of the head's convolution.
        rounding: whether anchors have whole pixels as corners.

    Raises:
        ValueError: sizes and strides do not fit one another; called on another number of maps, or maps of other widths.
    """

    def __init__(
        self, anchor_sizes=SIZES, strides=16, ratios=RATIOS, width=256, rounding=False, name="rpn", **kwargs
    ):
        super().__init__(name=name, **kwargs)
        self.anchor_sizes, self.strides, self.ratios = anchor_sizes, strides, tuple(ratios)
        self.width, self.rounding = width, rounding
        self.grid = AnchorGrid(anchor_sizes, strides, ratios, rounding, name=f"{name}_anchors")
        self._levels, self._anchors = len(self.grid._strides), len(self.grid._sizes[0]) * len(self.ratios)

    def make_network(self, shape):
        return rpn_head(self.width_of(shape), self._anchors, self.width, self.name)

    def call(self, features):
        maps = list(features) if isinstance(features, list | tuple) else [features]
        if len(maps) != self._levels:
            raise ValueError(
                f"{self.name!r} is called on {len(maps)} maps; strides={self.strides!r} has {self._levels}"
            )
        if len(widths := {level.shape[-1] for level in maps}) > 1:
            raise ValueError(f"{self.name!r} is called on maps of {sorted(widths)} channels; one head needs equal ones")
        answers = [self.network(level) for level in maps]
        return self.grid([[logits for logits, _ in answers], [deltas for _, deltas in answers]])

    def get_config(self):
        names = ("anchor_sizes", "strides", "ratios", "width", "rounding")
        return super().get_config() | {name: getattr(self, name) for name in names}
