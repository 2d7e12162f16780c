"""What a sweep would do, and about how long it would take, from a few steps and pictures of its own network."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import time
from collections import Counter
from pathlib import Path

import maskrcnn
from grid import Run
from lab import Lab
from maskrcnn.evaluation import evaluate, probe_set
from pictures import Pictures
from progress import Meter, clock
from record import cores
from runner import Runner
from settings import Recipe
from stopwatch import Stopwatch
from training import fit, stream

_MOST = 5  # timed steps and passes, after a first one that compiles
_PATIENCE_S = 20.0  # for either


@dataclasses.dataclass(frozen=True)
class Speed:
    """Seconds of a training step, of evaluating a picture, and of compiling either."""

    step: float
    picture: float
    compile_step: float
    compile_picture: float


def report(recipe: Recipe, workers: int = 1) -> str:
    """The runs, their number, and an estimate of the time; nothing is written.

    Args:
        recipe: the experiment.
        workers: processes that would share it; `recipe.threads` are those of one.

    Raises:
        UserError, DataError: the data or the model cannot be made.
    """
    folder, quiet = Path(recipe.results) / recipe.name, Meter()
    runner = Runner(recipe, folder, quiet)
    pictures = Pictures(recipe, quiet)
    speed = measure(Lab(recipe, recipe.seeds[0], pictures, quiet, Stopwatch()))
    left = runner.unfinished()
    lines = [f"{folder}: {len(runner.runs)} runs, {len(runner.runs) - len(left)} of them finished"]
    for run in runner.runs.values():
        done = [stage for stage in run.stages if runner.folder(run.name).finished(stage)]
        todo = [stage for stage in run.stages if stage not in done]
        lines.append(f"  {run.name:<34}" + ", ".join([*(f"{stage} (finished)" for stage in done), *todo]))
    units = runner.work_left()
    seconds = estimate(left, units, speed) / workers
    threads = recipe.threads or cores()
    lines += [
        f"a training step of {recipe.training.batch_size} pictures takes {speed.step:.3g} s, evaluating a picture "
        f"{speed.picture:.3g} s, compiling them {speed.compile_step:.0f} s and {speed.compile_picture:.0f} s, on "
        f"{threads} {'threads' if threads > 1 else 'thread'} of this machine as busy as it is now",
        f"to do: {len(left)} runs with {units['step']} steps and {units['picture']} pictures to evaluate: about "
        f"{clock(seconds)} with {workers} {'processes' if workers > 1 else 'process'}",
    ]
    return "\n".join(lines)


def estimate(left: list[Run], units: Counter[str], speed: Speed) -> float:
    """Seconds of one process for the runs that are left.

    Args:
        left: unfinished runs.
        units: their steps and pictures.
        speed: measured.
    """
    smaller = [run for run in left if {"removed", "scratch"} & {*run.stages}]
    seeds = {run.settings.seed for run in left}
    compiled_steps = len(seeds) + sum("scratch" in run.stages for run in left)
    # Beside the measures, a smaller network's detection is compiled for its latency.
    compiled_pictures = len(seeds) + 2 * len(smaller)
    return (
        units["step"] * speed.step
        + units["picture"] * speed.picture
        + compiled_steps * speed.compile_step
        + compiled_pictures * speed.compile_picture
    )


def measure(lab: Lab) -> Speed:
    """Time a few training steps and evaluated pictures of a lab's model."""
    recipe, model = lab.recipe, lab.model
    size = recipe.evaluation.batch_size
    few = lab.pictures.test.subset(range(min(size, len(lab.pictures.test))))
    probes = probe_set(few, recipe.evaluation.probe_seed)

    def batches(step: int):
        return stream(lab.pictures.train, model.config, recipe.training.batch_size, 0, recipe.training.augment, step)

    def steps(until: int) -> list[float]:
        """Seconds from one update to the next."""
        marks = [time.perf_counter()]
        rate = recipe.training.learning_rate / 10
        fit(model, batches, until, lambda _: rate, lambda logs: marks.append(time.perf_counter()), lab.watch)
        return [after - before for before, after in itertools.pairwise(marks)]

    def look(one: maskrcnn.MaskRCNN) -> float:
        began = time.perf_counter()
        evaluate(one, few, batch_size=size, progress=False, probes=probes)
        return time.perf_counter() - began

    first, rough = steps(2)
    step = statistics.median(steps(4 + _affordable(rough))[1:])
    # A network that knows nothing detects as much as it may, and so does one right after pruning; a trained one little.
    sure = maskrcnn.MaskRCNN(dataclasses.replace(model.config, detection_min_score=1.0), network=model.network)
    first_look, rough = look(model), look(model)
    much, _ = statistics.median([look(model) for _ in range(_affordable(rough))]), look(sure)
    seen = (much + statistics.median([look(sure) for _ in range(_affordable(rough))])) / 2
    return Speed(step, seen / len(few), max(0.0, first - step), max(0.0, first_look - much))


def _affordable(seconds: float) -> int:
    """How many more of these are timed."""
    return max(1, min(_MOST, int(_PATIENCE_S / seconds)))
