"""Most memory that a process has which does nothing but detect, or train: this project's, and torchvision's.

`scripts/benchmark.py` starts them, each by itself; all read the same weights and the same pictures from a file.
"""

from __future__ import annotations

import json
import pickle
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import UserError

if TYPE_CHECKING:
    from maskrcnn.data import Sample

CALLS = 5  # from the second on no more memory is taken
WHO = ("taskprune", "torchvision")
WHAT = ("detect", "step")


def peaks(
    size: int, threads: int, state: Mapping[str, np.ndarray], samples: Sequence[Sample], what: Sequence[str] = WHAT,
    calls: int = CALLS,
) -> dict[str, dict[str, dict[str, int]]]:  # fmt: skip
    """Bytes before the first call and at most: what is called -> whose process it is.

    Args:
        size: of the pictures' sides, px.
        threads: of an operation.
        state: torchvision's weights by name.
        samples: the pictures of a training step; the first is the one to detect in.
        what: methods of `Ours` and `Torchvision`.
        calls: of each.

    Raises:
        UserError: a process was killed, as a rule for want of memory.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "work.pickle"
        # Bare arrays: whoever reads them does not import this project, and TensorFlow with it.
        pictures = [[sample.image, sample.boxes, sample.labels, sample.masks] for sample in samples]
        work = {"size": size, "threads": threads, "state": dict(state), "pictures": pictures, "calls": calls}
        path.write_bytes(pickle.dumps(work))
        return {one: {who: _process(who, one, path) for who in WHO} for one in what}


def _process(who: str, what: str, path: Path) -> dict[str, int]:
    command = [sys.executable, "-m", __name__, who, what, str(path)]
    answer = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if answer.returncode:
        raise UserError(f"the process for {what} of {who} ended with {answer.returncode}; with -9, for want of memory")
    return json.loads(answer.stdout.splitlines()[-1])


def _model(who: str, work: Mapping[str, Any]) -> Any:
    """Whichever is asked for; the other's library is not imported."""
    if who == "torchvision":
        from experiments.problems.detector_speed.torchvision_model import Torchvision

        bare: list[Any] = [SimpleNamespace(image=i, boxes=b, labels=n, masks=m) for i, b, n, m in work["pictures"]]
        return Torchvision(work["size"], bare, work["threads"], state=work["state"])
    # isort: off
    from experiments.runs import tensorflow_setup  # noqa: F401  # before anything that imports TensorFlow
    # isort: on

    import tensorflow as tf

    import maskrcnn
    from experiments.problems.detector_speed.our_model import Ours

    tf.config.threading.set_intra_op_parallelism_threads(work["threads"])
    samples = [
        maskrcnn.data.Sample.of(image, masks, labels, image_id=number)
        for number, (image, _, labels, masks) in enumerate(work["pictures"], 1)
    ]
    return Ours(work["size"], samples, work["state"])


def most_bytes() -> int:
    """Most memory that this process has had; on Linux not what its parent had, which `getrusage` counts as well."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(1024 * int(line.split()[1]) for line in status.read_text().splitlines() if line[:6] == "VmHWM:")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> int:
    who, what, path = sys.argv[1:]
    work = pickle.loads(Path(path).read_bytes())
    call = getattr(_model(who, work), what)
    before = most_bytes()
    for _ in range(work["calls"]):
        call()
    print(json.dumps({"before_bytes": before, "peak_bytes": most_bytes()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
