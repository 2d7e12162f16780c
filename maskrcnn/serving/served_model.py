"""A model under a name, with the figures that are shown beside what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from maskrcnn.detection.drawing import COLOURS
from maskrcnn.model import MaskRCNN


@dataclass(frozen=True)
class ServedModel:
    """A model to serve.

    Attributes:
        name: by which requests choose it.
        model: loaded.
        macs: multiply-adds of one picture, if they were counted.
        macs_for: what they were counted for, in words.
        file_bytes: of the saved model, if it was.
    """

    name: str
    model: MaskRCNN
    macs: int | None = None
    macs_for: str = ""
    file_bytes: int | None = None

    def warm_up(self) -> None:
        """Detects in an empty picture: the first call compiles the graph, which takes seconds."""
        config = self.model.config
        self.model.detect(np.zeros((config.min_size, config.max_size, 3), np.uint8))

    def described(self) -> dict[str, Any]:
        """The model's row of `GET /models`."""
        names = self.model.config.class_names
        return {
            "name": self.name,
            "class_names": list(names),
            "colours": [COLOURS[number % len(COLOURS)] for number in range(len(names))],
            "parameters": int(self.model.network.count_params()),
            "macs": self.macs,
            "macs_for": self.macs_for,
            "file_bytes": self.file_bytes,
            "detection_min_score": self.model.config.detection_min_score,
        }
