"""Pruning-aware decay in a run: channels decay while the dense network trains on, and are cut then."""

from __future__ import annotations

from collections.abc import Callable

import pruning
from experiments.runs.grid import RunSettings
from experiments.runs.run_folder import RunFolder, written_whole
from experiments.runs.seed_model import SeedModel
from experiments.runs.training.loop import steps_done
from experiments.runs.training.optimizers import finetuning_rates
from experiments.runs.training.state import State


def cut_after_decay(
    seed_model: SeedModel, folder: RunFolder, run: RunSettings, text: str, resume: Callable[[], None]
) -> tuple[pruning.Plan, int]:
    """From dense weights to the cut: SWD (Tessier et al. 2022) or GReg (Wang et al., ICLR 2021).

    Args:
        seed_model: holds the dense weights.
        folder: of the run.
        run: its settings.
        text: what to call it.
        resume: goes on from the checkpoint, if there is one.

    Returns:
        the plan, and the update of the cut.
    """
    settings = run.finetune
    last = max(1, round(settings.decay_share * settings.steps))
    path = folder.path / "plan.json"
    resume()
    if steps_done(seed_model.model) < last:
        seed_model.train(
            folder, "pruned", last, finetuning_rates(settings, run.training, run.retraining),
            seed_model.data_seed(run), f"{text}, decaying", callbacks=[_decay(seed_model, folder, run, last)],
            steps=settings.steps,
        )  # fmt: skip
        with seed_model.watch("prune"):
            kept = folder.path / _name(_chosen_at(folder))
            if run.retraining == "greg":  # what decayed is what goes
                plan = pruning.Plan.load(kept)
            else:
                plan = seed_model.plan_now(run)
            with written_whole(path) as part:
                plan.save(part)
            seed_model.hold(plan, run.part)
        State(seed_model.model).save(folder.checkpoint)  # of the cut: no other is written at this update
    for choice in folder.path.glob(_name("*")):
        choice.unlink()
    return pruning.Plan.load(path), last


def _decay(seed_model: SeedModel, folder: RunFolder, run: RunSettings, last: int) -> pruning.SelectiveWeightDecay:
    """The callback that decays; its choices lie beside the run, so that one that goes on makes the same."""
    settings, graph = run.finetune, seed_model.graph(run.part)

    def plan_at(step: int) -> pruning.Plan:
        path = folder.path / _name(step)
        if not path.exists():
            with seed_model.watch("prune"), written_whole(path) as part:
                seed_model.plan_now(run).save(part)
        return pruning.Plan.load(path)

    if run.retraining == "swd":
        return pruning.SelectiveWeightDecay(
            plan_at, last, run.training.weight_decay, settings.swd_first, settings.swd_last, settings.decay_interval,
            graph=graph,
        )  # fmt: skip
    return pruning.GrowingRegularization(
        plan_at, last, settings.greg_ceiling, settings.decay_interval, settings.greg_variant, graph=graph
    )


def _name(step: int | str) -> str:
    return f"choice-{step}.json"


def _chosen_at(folder: RunFolder) -> int:
    """The step of the latest choice."""
    return max(int(path.stem.removeprefix("choice-")) for path in folder.path.glob(_name("*")))
