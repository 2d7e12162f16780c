"""Weigh ResNet-50-FPN beside torchvision's where pictures are large, crowded and many.

Most memory of detection in all of them at once, and of training steps of a few, each in a process of its own. Needs
the extra `bench` (torch, torchvision). Writes results/benchmark/large_batch.csv.
"""

from __future__ import annotations

import os
from pathlib import Path

# isort: off
from experiments.problems.detector_speed.torchvision_model import Torchvision  # before TensorFlow
from experiments.runs import tensorflow_setup  # noqa: F401  # before anything that imports TensorFlow
# isort: on

import pandas as pd
from rich.progress import Progress

from experiments.commands import guarded
from experiments.problems.detector_speed.crowded_pictures import crowded
from experiments.problems.detector_speed.peak_memory import peaks
from experiments.runs.run_folder import write_text
from experiments.settings.flags import read_flags
from experiments.settings.recipe import Count, Settings


class LargeBatch(Settings):
    """What is weighed."""

    size: Count = 1056
    """height and width of the pictures, px; the default has as many pixels as 800 x 1344, and a few more."""
    objects: Count = 100
    """of a picture."""
    pictures: Count = 8
    """to detect in at once."""
    train_pictures: tuple[Count, ...] = (1, 2)
    """of a training step, one size after the other."""
    calls: Count = 2
    """of each; from the second on no more memory is taken."""
    threads: int = 0
    """of both; 0: one for every core."""
    seed: int = 0
    """of weights and pictures."""
    output: str = "results/benchmark"
    """folder to write into."""


def weigh(settings: LargeBatch) -> pd.DataFrame:
    """A row for each call, number of pictures and project."""
    threads = settings.threads or os.cpu_count() or 1
    calls = [("detect_all", settings.pictures), *(("step", count) for count in settings.train_pictures)]
    samples = crowded(max(count for _, count in calls), settings.size, settings.objects, settings.seed)
    state = Torchvision(settings.size, samples[:1], threads, settings.seed).state()
    rows = []
    with Progress() as bar:
        for what, count in bar.track(calls, description="weighing"):
            (found,) = peaks(settings.size, threads, state, samples[:count], (what,), settings.calls).values()
            common = {"what": what, "pictures": count, "size": settings.size, "objects": settings.objects}
            rows += [{**common, "who": who, **held} for who, held in found.items()]
    return pd.DataFrame(rows)


def main() -> int:
    settings = read_flags(LargeBatch, "large_batch.py", __doc__)
    table = weigh(settings)
    path = Path(settings.output) / "large_batch.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, table.to_csv(index=False))
    for row in table.to_dict("records"):
        print(f"{row['what']}, {row['pictures']} pictures of {row['objects']} objects, {row['who']}: "
              f"{row['peak_bytes'] / 1e9:.2f} GB ({row['before_bytes'] / 1e9:.2f} before)")  # fmt: skip
    print(f"written: {path}")
    return 0


if __name__ == "__main__":
    guarded(main)
