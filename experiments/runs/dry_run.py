"""What a sweep would do, and about how long it would take, from a few steps and samples of its own network."""

from __future__ import annotations

import itertools
import statistics
import time
from collections import Counter
from dataclasses import dataclass

from experiments.problem import Problem
from experiments.runs.compared_models import LeftOut
from experiments.runs.executors.jobs import cores
from experiments.runs.grid import Run
from experiments.runs.monitoring.progress_bar import Meter, clock
from experiments.runs.monitoring.stopwatch import Stopwatch
from experiments.runs.rivals.smaller_inputs import check_smaller_inputs
from experiments.runs.runner import Runner, check_data
from experiments.runs.seed_model import SeedModel
from experiments.runs.training.loop import fit

_MOST = 5  # timed steps and passes, after a first one that compiles
_PATIENCE_S = 20.0  # for either


@dataclass(frozen=True)
class Speed:
    """Seconds of a training step, of evaluating a sample, and of compiling either."""

    step: float
    picture: float
    compile_step: float
    compile_picture: float


def report(problem: Problem, workers: int = 1) -> str:
    """The runs, their number, and an estimate of the time; nothing is written.

    Args:
        problem: with its recipe, whose threads are those of one process.
        workers: processes that would share it.

    Raises:
        UserError: the data or the model cannot be made.
    """
    quiet, recipe = Meter(), problem.recipe
    check_data(problem, quiet)
    runner = Runner(problem, quiet)
    unfinished, threads = runner.unfinished(), recipe.threads or cores()
    left_out, left, speeds, seconds = {}, [], [], 0.0
    for name, one in runner.models.problems.items():
        if not any(run.settings.variant == name for run in unfinished):
            continue
        seed_model = SeedModel(one, recipe.seeds[0], quiet, Stopwatch())
        check_smaller_inputs(one, seed_model.model)
        speed, todo = measure(seed_model), []
        for run in [run for run in unfinished if run.settings.variant == name]:
            try:
                runner.models.ratio(run.settings, seed_model.costs.macs)
                todo.append(run)
            except LeftOut as reason:
                left_out[run.name] = f"left out: {reason}"
        left += todo
        seconds += estimate(todo, runner.units(todo), speed) / workers
        speeds.append(
            f"{f'{name}: ' if name else ''}a training step of {recipe.training.batch_size} samples takes "
            f"{speed.step:.3g} s, evaluating a sample {speed.picture:.3g} s, compiling them {speed.compile_step:.0f} s "
            f"and {speed.compile_picture:.0f} s, on {threads} {'threads' if threads > 1 else 'thread'} of this machine "
            "as busy as it is now"
        )
    lines = [f"{runner.path}: {len(runner.runs)} runs, {len(runner.runs) - len(unfinished)} of them finished"]
    for run in runner.runs.values():
        stages = [f"{stage} (finished)" if runner.folder(run.name).finished(stage) else stage for stage in run.stages]
        lines.append(f"  {run.name:<34}" + left_out.get(run.name, ", ".join(sorted(stages, key=_unfinished))))
    units = runner.units(left)
    lines += speeds
    lines.append(
        f"to do: {len(left)} runs with {units['step']} steps and {units['picture']} samples to evaluate: about "
        f"{clock(seconds)} with {workers} {'processes' if workers > 1 else 'process'}"
    )
    return "\n".join(lines)


def _unfinished(stage: str) -> bool:
    return not stage.endswith("(finished)")


def estimate(left: list[Run], units: Counter[str], speed: Speed) -> float:
    """Seconds of one process for the runs that are left.

    Args:
        left: unfinished runs.
        units: their steps and samples.
        speed: measured.
    """
    smaller = [run for run in left if {"removed", "scratch", "smaller_input"} & {*run.stages}]
    networks = {run.network for run in left}
    compiled_steps = len(networks) + sum("scratch" in run.stages for run in left)
    # Beside the measures, a smaller network's inference is compiled for its latency.
    compiled_pictures = len(networks) + 2 * len(smaller) + sum(len(run.compressed) for run in left)
    return (
        units["step"] * speed.step
        + units["picture"] * speed.picture
        + compiled_steps * speed.compile_step
        + compiled_pictures * speed.compile_picture
    )


def measure(seed_model: SeedModel) -> Speed:
    """Time a few training steps and evaluations of a seed's model."""
    problem, model = seed_model.problem, seed_model.model
    training = problem.recipe.training

    def steps(until: int) -> list[float]:
        """Seconds from one update to the next."""
        marks = [time.perf_counter()]
        rate = training.learning_rate / 10
        fit(
            model, lambda step: problem.batches("train", 0, step), until, lambda _: rate,
            lambda logs: marks.append(time.perf_counter()), seed_model.watch,
        )  # fmt: skip
        return [after - before for before, after in itertools.pairwise(marks)]

    first, rough = steps(2)
    step = statistics.median(steps(4 + _affordable(rough))[1:])
    first_look, look = problem.time_evaluation(model, _affordable)
    return Speed(step, look, max(0.0, first - step), max(0.0, first_look))


def _affordable(seconds: float) -> int:
    """How many more of these are timed."""
    return max(1, min(_MOST, int(_PATIENCE_S / max(seconds, 1e-6))))
