"""torchvision's Mask R-CNN ResNet-50-FPN, as the benchmark times and weighs it.

torch is imported before TensorFlow, where both are: in the other order they crash, as both bring libraries of the same
names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import UserError

if TYPE_CHECKING:
    from maskrcnn.data import Sample


def _imported(name: str) -> Any:
    """A module that is an extra; None where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


torch, torchvision = _imported("torch"), _imported("torchvision")
CLASSES = 90  # those of COCO's numbering, without the background


class Torchvision:
    """A model whose batch norms are frozen, as with any pretrained backbone, and its calls.

    Args:
        size: height and width of the pictures, px.
        samples: the pictures of a training step; the first is the one to detect in.
        threads: of an operation.
        seed: of the weights.
        state: weights by name. If None, they are random: batch norms fit the pictures, and the class layer is scaled
            until there are detections.

    Raises:
        UserError: torch or torchvision is not installed.
    """

    def __init__(
        self, size: int, samples: Sequence[Sample], threads: int, seed: int = 0,
        state: Mapping[str, np.ndarray] | None = None,
    ) -> None:  # fmt: skip
        if torch is None:
            raise UserError(
                "torch and torchvision are not installed: pip install -c constraints.txt -e '.[bench]', or make "
                "benchmark"
            )
        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        self.model = torchvision.models.detection.maskrcnn_resnet50_fpn(
            weights=None, weights_backbone=None, num_classes=CLASSES + 1, min_size=size, max_size=size
        )
        self.images = [torch.from_numpy(s.image.copy()).permute(2, 0, 1).float() / 255 for s in samples]
        self.targets = [
            {
                "boxes": torch.from_numpy(s.boxes),
                "labels": torch.from_numpy(s.labels.astype(np.int64)),
                "masks": torch.from_numpy(s.masks.astype(np.uint8)),
            }
            for s in samples
        ]
        if state is None:
            self._fit_batch_norms()
        self._freeze_batch_norms()
        if state is None:
            self._sharpen()
        else:
            self.model.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-5, momentum=0.9)

    def _fit_batch_norms(self) -> None:
        """Statistics of the pictures."""
        self.model.train()
        with torch.no_grad():
            for layer in self.model.backbone.body.modules():
                if isinstance(layer, torch.nn.BatchNorm2d):
                    layer.momentum = 1.0
            self.model(self.images, self.targets)

    def _freeze_batch_norms(self) -> None:
        for parent in list(self.model.backbone.body.modules()):
            for name, layer in list(parent.named_children()):
                if isinstance(layer, torch.nn.BatchNorm2d):
                    frozen = torchvision.ops.FrozenBatchNorm2d(layer.num_features, layer.eps)
                    frozen.load_state_dict(layer.state_dict())
                    setattr(parent, name, frozen)

    def _sharpen(self) -> None:
        """Scale the class layer until there are detections."""
        head = self.model.roi_heads.box_predictor.cls_score
        for _ in range(12):
            if len(self.detect()["boxes"]) >= 20:
                return
            with torch.no_grad():
                head.weight *= 2.0
        raise RuntimeError("the random network detects nothing: choose another --seed")

    def detect(self) -> dict[str, Any]:
        self.model.eval()
        with torch.inference_mode():
            return self.model(self.images[:1])[0]

    def detect_all(self) -> list[dict[str, Any]]:
        self.model.eval()
        with torch.inference_mode():
            return self.model(self.images)

    def step(self) -> None:
        self.model.train()
        self.optimizer.zero_grad()
        sum(self.model(self.images, self.targets).values()).backward()
        self.optimizer.step()

    def state(self) -> dict[str, np.ndarray]:
        return {name: value.detach().numpy().copy() for name, value in self.model.state_dict().items()}
