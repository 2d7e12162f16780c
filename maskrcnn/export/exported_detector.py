"""An exported file that detects as the model it was written from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from maskrcnn.data.placement import Placement
from maskrcnn.detection.detections import Detections
from maskrcnn.detection.inference import as_float
from maskrcnn.export.export_choices import FORMATS
from maskrcnn.export.runtimes import open_file
from maskrcnn.export.sidecar import read_sidecar, sidecar_path
from maskrcnn.regions.pasting import paste_masks


class ExportedDetector:
    """Runs a file that `MaskRCNN.export` wrote; see `load`.

    Attributes:
        path: of the file.
        sidecar: what stands in the JSON beside it.
        class_names: of the labels, in order.
        config: with `class_names` and `detections_per_image`, as `maskrcnn.evaluate` asks of a model.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self.path, self.sidecar = path, read_sidecar(path)
        self.class_names: tuple[str, ...] = tuple(self.sidecar["class_names"])
        self.config = SimpleNamespace(
            class_names=self.class_names, detections_per_image=int(self.sidecar["max_detections"])
        )
        self._run = open_file(path, self.sidecar["format"], threads)

    @property
    def image_size(self) -> tuple[int, int] | None:
        """(height, width) px of the pictures that the file takes; None: of any size."""
        size = self.sidecar["image_size"]
        return None if size is None else (size[0], size[1])

    def detect(self, image, score_threshold=None, max_detections=None):
        """Find the objects of one picture, or of each of a list of pictures, as `MaskRCNN.detect`.

        A picture of another size than the file takes is fitted into that first (`fitted`), and its boxes and masks come
        back in its own pixels.

        Args:
            image: (H, W, 3) RGB, uint8 or float in [0, 1]; or a list of such, of any sizes.
            score_threshold: only scores above it; the file's own limit holds as well.
            max_detections: at most; likewise.

        Returns:
            Detections, best first, in pixels of the picture as given; or a list of them.

        Raises:
            ValueError: for a picture of another shape, type or range.
        """
        if isinstance(image, list | tuple):
            return [self.detect(one, score_threshold, max_detections) for one in image]
        pixels, placement = self._fit(image)
        found = self._run(pixels)
        count = int(found["count"])
        least = -1.0 if score_threshold is None else score_threshold
        rows = np.flatnonzero(np.asarray(found["scores"])[:count] > least)
        boxes = np.asarray(found["boxes"], np.float32)[rows]
        height, width = placement.old
        boxes = np.clip(placement.back(boxes), 0, np.float32([width, height, width, height])).astype("float32")
        inside = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1) | (placement.size == placement.padded)
        rows, boxes = rows[inside][:max_detections], boxes[inside][:max_detections]
        return Detections(
            boxes,
            np.asarray(found["labels"], np.int32)[rows],
            np.asarray(found["scores"], np.float32)[rows],
            self._masks(np.asarray(found["masks"])[rows], boxes, placement),
            self.class_names,
        )

    def fitted(self, image) -> np.ndarray:
        """What the file is given of a picture: (height, width, 3) uint8 of its size; the picture, if that is free.

        A picture of another size is made to fit, its sides in proportion (bilinear), at the top left; what remains is
        of the colour of the network's own padding.
        """
        return self._fit(image)[0]

    def _fit(self, image) -> tuple[np.ndarray, Placement]:
        import tensorflow as tf

        image = np.asarray(image)
        height, width = as_float(image).shape[:2]
        pixels = image if image.dtype == np.uint8 else np.round(image * 255).astype(np.uint8)
        wanted = self.image_size or (height, width)
        if (height, width) == wanted:
            return np.ascontiguousarray(pixels), Placement((height, width), wanted, wanted)
        scale = min(wanted[0] / height, wanted[1] / width)
        size = tuple(max(1, min(full, round(side * scale))) for side, full in zip((height, width), wanted, strict=True))
        canvas = np.empty((*wanted, 3), np.uint8)
        canvas[:] = np.round(np.float32(self.sidecar["padding"]) * 255)
        resized = tf.image.resize(pixels, size, "bilinear", antialias=False).numpy()
        canvas[: size[0], : size[1]] = np.round(resized)
        return canvas, Placement((height, width), size, wanted)

    def _masks(self, masks: np.ndarray, boxes: np.ndarray, placement: Placement) -> np.ndarray:
        height, width = placement.old
        if self.sidecar["masks"] == "box":
            return paste_masks(masks, boxes, height, width, 0.5, self.sidecar["mask_to_box"])
        masks = masks[:, : placement.size[0], : placement.size[1]].astype(bool)
        if placement.size == placement.old or not len(masks):
            return masks
        from PIL import Image

        sizes = [Image.fromarray(mask.astype(np.uint8) * 255).resize((width, height), 2) for mask in masks]
        return np.stack([np.asarray(one) > 127 for one in sizes])


def load(path: str | Path, threads: int | None = None) -> ExportedDetector:
    """Open a file that `MaskRCNN.export` wrote, whatever its format, in that format's runtime.

    ```python
    model.export("mine.tflite", format="litert")
    found = maskrcnn.export.load("mine.tflite").detect(picture)
    ```

    Args:
        path: of the file, or the folder of a SavedModel; its sidecar says what it is.
        threads: that the runtime may use; None: all cores.

    Returns:
        An ExportedDetector, with `detect` as a MaskRCNN has it.

    Raises:
        ImportError: the format's runtime is not installed; names the extra.
        ValueError: there is no such file, no sidecar, or it cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder")
    return ExportedDetector(path, threads)


def is_exported(path: str | Path) -> bool:
    """Whether a path is that of an exported file, by its ending or its sidecar."""
    path = Path(path)
    return path.suffix in [ending for ending in FORMATS.values() if ending] or sidecar_path(path).is_file()
