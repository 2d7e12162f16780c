"""RoIAlign as one meets it in sketches: on one map, or on maps of any strides."""

from __future__ import annotations

import keras

from maskrcnn.regions.roi_align import RoIAlign


@keras.saving.register_keras_serializable("maskrcnn")
class ROIAlign(RoIAlign):
    """Read a piece of fixed size of the features for each region (He et al. 2017, section 3). No weights.

    Called on [map, regions] or [[map, ...], regions], finest map first: maps (B, h, w, C), regions (B, N, 4) float32
    xyxy px. Returns (B * N, size, size, C), the regions of a picture side by side. Of several maps, a region is read
    from the one that fits its size (Lin et al. 2017, equation 1); each stride has to be twice the one before.

    ```python
    features, proposals = keras.Input((8, 8, 32)), keras.Input((300, 4))
    regions = ROIAlign(7)([features, proposals])
    assert regions.shape == (None, 7, 7, 32)
    coarser = keras.layers.MaxPooling2D()(features)
    regions = ROIAlign(7, strides=(16, 32))([[features, coarser], proposals])
    ```

    Args:
        size: bins along each side.
        strides: pixels a cell: a number for one map, a tuple for several.
        canonical_size: of several maps, the side in px of a region that is read from the map of stride 16.
        sampling_ratio: samples a bin along each axis.
        aligned: shift by half a cell; without it a region is at least a cell wide.

    Raises:
        ValueError: strides that do not double, or another number of maps.
    """

    def __init__(self, size, strides=16, canonical_size=224.0, sampling_ratio=2, aligned=True, **kwargs):
        several = strides if isinstance(strides, list | tuple) else (strides,)
        if any(after != 2 * before for before, after in zip(several, several[1:], strict=False)):
            raise ValueError(f"strides={strides!r}: each has to be twice the one before, finest map first")
        # The layer below counts levels from the first map on, as if its stride were 4.
        super().__init__(size, several, canonical_size * several[0] / 4, sampling_ratio, aligned, **kwargs)
        self._given = {"strides": strides, "canonical_size": canonical_size}
        self.supports_jit = False

    def call(self, inputs):
        return super().call(self._flat(inputs))

    def compute_output_spec(self, inputs):
        return super().compute_output_spec(self._flat(inputs))

    def _flat(self, inputs):
        *maps, rois = keras.tree.flatten(inputs)
        if len(maps) != len(self.strides):
            raise ValueError(
                f"{self.name!r} is called on {len(maps)} maps; strides={self._given['strides']!r} has "
                f"{len(self.strides)}"
            )
        return [*maps, rois]

    def get_config(self):
        return super().get_config() | self._given
