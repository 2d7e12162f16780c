"""The heads that answer about regions."""

from __future__ import annotations

import keras

from maskrcnn.layers.plain_layers import PlainLayers
from maskrcnn.network.heads import box_head, mask_head


class _RegionHead(PlainLayers):
    """A head on regions of one fixed size.

    Attributes:
        settings: names of the arguments that `get_config` writes.
    """

    settings: tuple[str, ...] = ("classes", "widths")

    def __init__(self, classes, widths, **kwargs):
        super().__init__(**kwargs)
        if classes < 1:
            raise ValueError(f"classes={classes!r}: at least one is needed; the background is not counted")
        self.classes, self.widths = classes, tuple(widths)

    def side_of(self, shape) -> int:
        """Bins along a side of the regions."""
        if len(shape) != 4 or shape[1] is None or shape[1] != shape[2]:
            raise ValueError(f"{self.name!r} reads regions (R, size, size, C) of known size; found {shape}")
        return shape[1]

    def get_config(self):
        return super().get_config() | {name: getattr(self, name) for name in self.settings}


@keras.saving.register_keras_serializable("maskrcnn")
class BoxHead(_RegionHead):
    """What a region shows, and how its box should move.

    Called on regions (R, size, size, C); returns a dict: logits (R, classes + 1), background first, and deltas
    (R, 4 (classes + 1)), class by class (dx, dy, dw, dh). In a graph it is a nested model with the layers `box_fc1`,
    ..., `mrcnn_class_logits` and `mrcnn_bbox`.

    ```python
    answers = BoxHead(classes=3, widths=(256, 256))(keras.Input((7, 7, 64)))
    assert answers["logits"].shape == (None, 4) and answers["deltas"].shape == (None, 16)
    ```

    Args:
        classes: of objects; the background is one more.
        widths: of the dense layers.

    Raises:
        ValueError: for regions of another shape.
    """

    def __init__(self, classes, widths=(1024, 1024), name="box_head", **kwargs):
        super().__init__(classes, widths, name=name, **kwargs)

    def make_network(self, shape):
        return box_head(self.width_of(shape), self.side_of(shape), self.classes + 1, self.widths, self.name)

    def call(self, regions):
        logits, deltas = self.network(regions)
        return {"logits": logits, "deltas": deltas}


@keras.saving.register_keras_serializable("maskrcnn")
class MaskHead(_RegionHead):
    """The mask of each class in each region.

    Called on regions (R, size, size, C); returns logits (R, 2 size, 2 size, classes + 1), channel i for label i. In a
    graph it is a nested model with the layers `mask_conv1`, ..., `mask_deconv` and `mrcnn_mask`.

    ```python
    logits = MaskHead(classes=3, widths=(64, 64), deconv_width=64)(keras.Input((14, 14, 64)))
    assert logits.shape == (None, 28, 28, 4)
    ```

    Args:
        classes: of objects; the background is one more, which nothing reads.
        widths: of the convolutions; deconv_width: of the transposed one.

    Raises:
        ValueError: for regions of another shape.
    """

    settings = ("classes", "widths", "deconv_width")

    def __init__(self, classes, widths=(256, 256, 256, 256), deconv_width=256, name="mask_head", **kwargs):
        super().__init__(classes, widths, name=name, **kwargs)
        self.deconv_width = deconv_width

    def make_network(self, shape):
        width, side = self.width_of(shape), self.side_of(shape)
        return mask_head(width, side, self.classes + 1, self.widths, self.deconv_width, self.name)

    def call(self, regions):
        return self.network(regions)
