"""What a model answered on each sample: for a bootstrap over samples, for single classes, and for what changed."""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from experiments.errors import UserError
from experiments.runs.run_folder import written_whole


class Redrawn(Protocol):
    """A measure whose samples can be drawn again without measuring anything again."""

    @property
    def samples(self) -> int: ...

    def drawn(self, times: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Tally:
    """A task's primary measure as sums over samples: sum(counted) / sum(of), and the mean of that over classes.

    Samples may so be drawn again without measuring anything again.

    Attributes:
        counted: (N, K) float, what each of N samples adds to each of K classes: right answers, an IoU, a squared error.
        of: (N, K) float, out of how many.
        classes: names of the classes; empty where there is one sum for all samples (K is 1).
        macro: whether classes count alike; else the measure is the sum of all `counted` over the sum of all `of`.
        root: whether the measure is the square root of that, as an RMSE is.
    """

    counted: np.ndarray
    of: np.ndarray
    classes: tuple[str, ...] = ()
    macro: bool = True
    root: bool = False

    def __post_init__(self) -> None:
        shapes = np.shape(self.counted), np.shape(self.of)
        if len(shapes[0]) != 2 or shapes[0] != shapes[1] or shapes[0][1] != (len(self.classes) or 1):
            raise ValueError(
                f"a Tally counts {shapes[0]} of {shapes[1]} for {len(self.classes)} classes; expected two arrays of "
                "(samples, classes), or of (samples, 1) without classes"
            )

    @property
    def samples(self) -> int:
        """N."""
        return len(self.counted)

    def drawn(self, times: np.ndarray) -> np.ndarray:
        """The measure where each sample counts so many times.

        Args:
            times: (B, N), of B draws.

        Returns:
            (B,); a class without a sample is left out of its draw's mean, which is NaN where none is left.
        """
        with np.errstate(all="ignore"):
            counted, of = times @ self.counted, times @ self.of
            if not self.macro:
                counted, of = counted.sum(axis=1, keepdims=True), of.sum(axis=1, keepdims=True)
            shares = counted / of
            there = ~np.isnan(shares)
            means = np.where(there, shares, 0.0).sum(axis=1) / there.sum(axis=1)
            return np.sqrt(means) if self.root else means

    @property
    def value(self) -> float:
        """The measure of all samples, each once."""
        return float(self.drawn(np.ones((1, len(self.counted))))[0])

    def by_class(self) -> dict[str, float]:
        """Class -> its own measure; a class without a sample is missing, and so are all where there are none."""
        if not self.classes:
            return {}
        with np.errstate(all="ignore"):
            shares = self.counted.sum(axis=0) / self.of.sum(axis=0)
        shares = np.sqrt(shares) if self.root else shares
        return {name: float(v) for name, v in zip(self.classes, shares, strict=True) if not np.isnan(v)}


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model answered on a split.

    Attributes:
        tallies: task -> its primary measure as sums over samples, in the same order for every model; a task may be
            missing.
        found: arrays that `Problem.churn` compares; what they are is the problem's own affair.
        others: column -> a measure that is no primary one, such as "mask_ap"; not kept in files.
        by_class: column -> class -> that measure of the class alone, such as "mask_ap"; tallies have their own. What is
            no measure, such as "objects", may stand beside them.
    """

    tallies: Mapping[str, Tally] = field(default_factory=dict)
    found: Mapping[str, np.ndarray] = field(default_factory=dict)
    others: Mapping[str, Redrawn] = field(default_factory=dict)
    by_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def redrawn(self, task: str, measure: str, primary: str) -> Redrawn | None:
        """A task's measure, for a bootstrap; None where the samples of it cannot be drawn again.

        Args:
            task, measure: which.
            primary: the measure that the task's tally is of.
        """
        return self.tallies.get(task) if measure == primary else self.others.get(f"{task}_{measure}")

    def arrays(self) -> dict[str, np.ndarray]:
        """As arrays by name; `read_answers` is the inverse of writing them with `np.savez`."""
        content = {f"found/{name}": np.asarray(value) for name, value in self.found.items()}
        for task, tally in self.tallies.items():
            content |= {
                f"tally/{task}/counted": tally.counted, f"tally/{task}/of": tally.of,
                f"tally/{task}/classes": np.array(tally.classes, dtype=str),
                f"tally/{task}/macro": np.array(tally.macro), f"tally/{task}/root": np.array(tally.root),
            }  # fmt: skip
        return content


def read_answers(path: Path) -> Answers | None:
    """The answers that a file holds; None if there is no file.

    Raises:
        UserError: it cannot be read.
    """
    if not path.is_file():
        return None
    try:
        with np.load(path) as stored:
            content = {name: stored[name] for name in stored.files}
        tallies = {
            task: Tally(
                content[f"tally/{task}/counted"], content[f"tally/{task}/of"],
                tuple(content[f"tally/{task}/classes"].tolist()), bool(content[f"tally/{task}/macro"]),
                bool(content[f"tally/{task}/root"]),
            )
            for task in dict.fromkeys(name.split("/")[1] for name in content if name.startswith("tally/"))
        }  # fmt: skip
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read ({error}); delete it: its run's intervals are left out") from None
    found = {name.removeprefix("found/"): value for name, value in content.items() if name.startswith("found/")}
    return Answers(tallies, found)


def answers_path(run: Path, stage: str) -> Path:
    """Where a run keeps what its network answered at a stage."""
    return run / f"{stage}.answers.npz"


def keep_answers(run: Path, stage: str, answers: Answers) -> None:
    """Write what a run's network answered at a stage, whole or not at all."""
    with written_whole(answers_path(run, stage)) as part:
        np.savez_compressed(part, **answers.arrays())  # type: ignore[arg-type]


def bootstrap(
    now: Redrawn, reference: Redrawn, confidence: float = 0.95, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the difference of two models' measure, the same samples drawn for both (Efron 1979).

    Args:
        now, reference: of the same samples in the same order.
        confidence: of the interval.
        draws: of as many samples as there are, with replacement.
        seed: of the draws: all rows of a table draw the same samples.

    Returns:
        low, high; NaN for fewer than two samples.

    Raises:
        ValueError: the two are not of the same samples.
    """
    count = now.samples
    if count != reference.samples:
        raise ValueError(f"{count} and {reference.samples} samples: a paired bootstrap wants the same samples")
    if count < 2:
        return float("nan"), float("nan")
    times = _times(count, draws, seed)
    differences = now.drawn(times) - reference.drawn(times)
    tail = 100 * (1 - confidence) / 2
    low, high = np.nanpercentile(differences, [tail, 100 - tail])
    return float(low), float(high)


@functools.lru_cache(maxsize=8)  # the rows of a table have few numbers of samples
def _times(count: int, draws: int, seed: int) -> np.ndarray:
    """How often each of so many samples is drawn, (draws, count) float64, read-only."""
    found = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws).astype(float)
    found.flags.writeable = False
    return found
