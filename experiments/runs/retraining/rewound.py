"""Weight rewinding in a run: cut, back to the weights of an early step, train again as from there; in rounds."""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Callable, Mapping, Sequence

import filelock
import keras
import numpy as np

import pruning
from experiments.errors import UserError
from experiments.runs.grid import RunSettings
from experiments.runs.run_folder import RunFolder, written_whole
from experiments.runs.seed_model import SeedModel
from experiments.runs.training.loop import fit, steps_done
from experiments.runs.training.optimizers import finetuning_rates, training_rates
from experiments.settings.recipe import FinetuneSettings, Recipe, TrainingSettings


def rewinding_point(finetune: FinetuneSettings, training: TrainingSettings) -> int:
    """The update of the dense training that every round goes back to."""
    return training.steps - finetune.steps // finetune.rewind_rounds


def keeping(recipe: Recipe, folder: RunFolder) -> Sequence[keras.callbacks.Callback]:
    """Callbacks of the dense training that keep the weights which the recipe's runs go back to."""
    if "weight_rewind" not in recipe.grid.retraining:
        return ()
    step = rewinding_point(recipe.finetune, recipe.training)
    return [pruning.KeepWeights(step, lambda weights: _write(folder, step, weights))]


def weights_of(seed_model: SeedModel, folder: RunFolder, run: RunSettings) -> Mapping[str, np.ndarray]:
    """The weights that a run goes back to; where the dense training kept none, its beginning is done again.

    That gives the same weights: data, samplers and rates are functions of the step alone.

    Args:
        seed_model: holds the dense weights, before and after.
        folder: of the dense run.
        run: the settings of the run that goes back.
    """
    step = rewinding_point(run.finetune, run.training)
    path = _path(folder, step)
    with filelock.FileLock(folder.path / "rewinding.lock"):  # other processes may want the same
        if not path.exists():
            _train_to(seed_model, folder, run, step)
    try:
        with np.load(path) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read ({error}); delete it, and it is made anew") from None


def _train_to(seed_model: SeedModel, folder: RunFolder, run: RunSettings, step: int) -> None:
    model, problem = seed_model.model, seed_model.problem
    seed_model.work.note(f"{folder.name} has kept no weights of update {step}: the training is done again up to there")
    seed_model.restore_new()
    keep = pruning.KeepWeights(step, lambda weights: _write(folder, step, weights))
    keep.set_model(model)
    keep.on_train_begin()  # the very first weights need no training
    fit(
        model, lambda done: problem.batches("train", 2 * run.seed, done), step, training_rates(run.training),
        lambda logs: seed_model.work.say(f"{folder.name}: again up to update {step}, now {steps_done(model)}"),
        seed_model.watch, [keep],
    )  # fmt: skip
    seed_model.restore_dense()


def cut_and_rewind(
    seed_model: SeedModel, folder: RunFolder, run: RunSettings, text: str, resume: Callable[[], None], dense: RunFolder
) -> tuple[pruning.Plan, int]:
    """From dense weights to the last cut; all rounds but the last are trained here.

    Every round cuts the same share of what remains (Frankle & Carbin 2019). After the last cut the weights are still
    those that it was made on, to be measured: `go_back` comes then.

    Args:
        seed_model: holds the dense weights.
        folder: of the run.
        run: its settings.
        text: what to call it.
        resume: goes on from the checkpoint, if there is one.
        dense: folder of the dense run.

    Returns:
        the last plan, and the update of the cut.
    """
    settings, rounds = run.finetune, run.finetune.rewind_rounds
    assert run.ratio is not None, "a run that prunes has a ratio"
    length, graph = settings.steps // rounds, seed_model.graph(run.part)
    weights = weights_of(seed_model, dense, run)
    rate = finetuning_rates(settings, run.training, run.retraining)
    resume()
    for number in range(1, rounds + 1):
        update = (number - 1) * length
        if steps_done(seed_model.model) > update:
            continue
        if steps_done(seed_model.model) < update:
            held = _asked(run.ratio, number - 1, rounds)
            seed_model.train(
                folder, "pruned", update, rate, seed_model.data_seed(run), f"{text}, round {number - 1} of {rounds}",
                sparsity=functools.partial(_held, held), steps=settings.steps,
            )  # fmt: skip
        path = folder.path / ("plan.json" if number == rounds else f"plan-{number}.json")
        with seed_model.watch("prune"):
            if not path.exists():
                plan = seed_model.plan_now(run, _asked(run.ratio, number, rounds))
                with written_whole(path) as part:
                    plan.save(part)
            plan = pruning.Plan.load(path)
            if number < rounds:
                pruning.rewind(seed_model.model, weights, plan, graph)
            else:
                seed_model.hold(plan, run.part)
    return pruning.Plan.load(folder.path / "plan.json"), (rounds - 1) * length


def go_back(seed_model: SeedModel, folder: RunFolder, run: RunSettings, plan: pruning.Plan, dense: RunFolder) -> None:
    """The weights of the early step, with the last plan held."""
    pruning.rewind(seed_model.model, weights_of(seed_model, dense, run), plan, seed_model.graph(run.part))


def _held(sparsity: float, step: int) -> float:
    return sparsity


def _asked(ratio: float, number: int, rounds: int) -> float:
    """What is to be gone after so many of the rounds: the same share of what remains in each."""
    return ratio if number == rounds else 1 - (1 - ratio) ** (number / rounds)


def _path(folder: RunFolder, step: int):
    return folder.path / f"weights-{step}.npz"


def _write(folder: RunFolder, step: int, weights: Mapping[str, np.ndarray]) -> None:
    with written_whole(_path(folder, step)) as part:
        np.savez(part, **weights)  # type: ignore[arg-type]
