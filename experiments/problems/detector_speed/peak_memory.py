"""Most memory that a process has which does nothing but detect: this project's, and torchvision's.

`scripts/benchmark.py` starts it, once for each; both read the same weights and the same picture from a file.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = 90
CALLS = 5  # of detect; from the second on no more memory is taken


def peaks(size: int, threads: int, state: Mapping[str, np.ndarray], image: np.ndarray) -> dict[str, dict[str, int]]:
    """Bytes before the first detection and at most, of a process of each.

    Args:
        size: of the pictures' sides, px.
        threads: of an operation.
        state: torchvision's weights by name.
        image: (H, W, 3) uint8.
    """
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "state.npz", **state)  # type: ignore[arg-type]  # a weight may have any name
        np.save(Path(folder) / "image.npy", image)
        return {
            who: json.loads(
                subprocess.run(
                    [sys.executable, "-m", __name__, who, folder, str(size), str(threads)],
                    check=True, stdout=subprocess.PIPE, text=True,
                ).stdout.splitlines()[-1]
            )
            for who in ("taskprune", "torchvision")
        }  # fmt: skip


def our_model(size: int, state: Mapping[str, np.ndarray]) -> Any:
    """A Mask R-CNN with these weights of torchvision's.

    Args:
        size: of the pictures' sides, px; state: weights by name.

    Raises:
        RuntimeError: weights are missing.
    """
    import maskrcnn

    names = tuple(f"class {number}" for number in range(1, CLASSES + 1))
    model = maskrcnn.MaskRCNN(maskrcnn.MaskRCNNConfig.torchvision(names, min_size=size, max_size=size))
    report = maskrcnn.weights.load_torchvision(model, dict(state))
    if report.missing:
        raise RuntimeError(f"weights are missing: {report}")
    return model


def _ours(folder: Path, size: int, threads: int) -> Callable[[], Any]:
    # isort: off
    from experiments.runs import tensorflow_setup  # noqa: F401  # before anything that imports TensorFlow
    # isort: on

    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    with np.load(folder / "state.npz") as state:
        model = our_model(size, state)
    image = np.load(folder / "image.npy")
    return lambda: model.detect(image)


def _torchvision(folder: Path, size: int, threads: int) -> Callable[[], Any]:
    import torch
    import torchvision

    torch.set_num_threads(threads)
    model = torchvision.models.detection.maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=CLASSES + 1, min_size=size, max_size=size
    ).eval()
    with np.load(folder / "state.npz") as state:
        model.load_state_dict({name: torch.from_numpy(state[name]) for name in state}, strict=False)
    image = torch.from_numpy(np.load(folder / "image.npy")).permute(2, 0, 1).float() / 255

    def detect() -> Any:
        with torch.inference_mode():
            return model([image])

    return detect


def most_bytes() -> int:
    """Most memory that this process has had; on Linux not what its parent had, which `getrusage` counts as well."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(1024 * int(line.split()[1]) for line in status.read_text().splitlines() if line[:6] == "VmHWM:")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> int:
    who, folder, size, threads = sys.argv[1:]
    detect = (_ours if who == "taskprune" else _torchvision)(Path(folder), int(size), int(threads))
    before = most_bytes()
    for _ in range(CALLS):
        detect()
    print(json.dumps({"before_bytes": before, "peak_bytes": most_bytes()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
