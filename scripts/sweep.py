"""Train a Mask R-CNN, prune it by every method at every ratio, fine-tune, and measure each task all along.

Writes results/<name>/: runs.csv (a row a stage, columns in columns.md), runs/*.json, dense.keras, tradeoff
plots. A finished stage is not done again: after an interruption, start the same command again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boot  # noqa: F401
from building import prepare, results_folder
from command import guarded, read_settings
from dense import Dense, check_same, identity
from lab import Lab, schedule_text
from progress import Work, clock
from settings import Recipe
from store import Store, fingerprint


@dataclass(frozen=True)
class Run:
    """A pruned run of the grid, or the dense control where `method` is None."""

    name: str
    settings: dict[str, Any]
    method: str | None = None
    ratio: float = 0.0

    @property
    def stages(self) -> tuple[str, ...]:
        return ("pruned", "finetuned") if self.method else ("dense_control",)


def grid(recipe: Recipe) -> list[Run]:
    """The dense control and every method at every ratio; a name has a hash of the non-default settings."""
    every = recipe.pruning.model_dump(exclude_defaults=True, exclude={"methods", "ratios"})
    tuning = {"finetune": every.get("finetune", {})}
    runs = [Run(f"dense_control-{fingerprint(tuning)}", tuning)]
    for method in recipe.pruning.methods:
        for ratio in recipe.pruning.ratios:
            settings = {"method": method, "ratio": ratio, **every}
            runs.append(Run(f"{method}-{ratio:g}-{fingerprint(settings)}", settings, method, ratio))
    return runs


def pending_work(
    recipe: Recipe, dense: Dense, runs: list[Run], store: Store, pictures: int
) -> dict[str, int]:
    """Units of work that are left: training steps and pictures to evaluate."""
    steps = 0 if dense.finished else recipe.training.steps
    evaluations = 0 if store.finished("dense", "dense") else 1
    for run in runs:
        left = [stage for stage in run.stages if not store.finished(run.name, stage)]
        steps += recipe.pruning.finetune.steps if left else 0
        evaluations += len(left)
    return {"step": steps, "picture": evaluations * pictures}


def do_dense(lab: Lab, dense: Dense, store: Store) -> None:
    """The dense model, its row and the floors."""
    settings, seed = identity(lab.recipe, "evaluation"), {"seed": lab.recipe.seed}
    if not store.finished("dense", "floor"):
        store.write("dense", settings, "floor", {**seed, **lab.floor()})
    row = lab.make_dense(dense)
    if not store.finished("dense", "dense"):
        store.write("dense", settings, "dense", {"asked": 0.0, **seed, **row, **lab.measure("dense")})


def do_run(lab: Lab, store: Store, run: Run) -> None:
    """The unfinished stages of a run."""
    if all(store.finished(run.name, stage) for stage in run.stages):
        return
    recipe = lab.recipe
    row = {"asked": run.ratio, "seed": recipe.seed}
    if run.method is None:
        lab.restore_dense()
        row |= lab.finetune("dense control")
        store.write(run.name, run.settings, "dense_control", {**row, **lab.measure("dense control")})
        return
    text = f"{run.method} {run.ratio:g}"
    row |= {"method": run.method, "scope": recipe.pruning.scope, "schedule": schedule_text(recipe.pruning)}
    cut = lab.prune(run.method, run.ratio)
    if not store.finished(run.name, "pruned"):
        store.write(run.name, run.settings, "pruned", {**row, **cut, **lab.measure(text)})
    tuned = lab.finetune(text)
    tuned["train_seconds"] += cut["train_seconds"]
    store.write(run.name, run.settings, "finetuned", {**row, **tuned, **lab.measure(text)})


def sweep(recipe: Recipe) -> Store:
    """Do what is not done yet.

    Raises:
        UserError, DataError: the recipe, its data or its folder cannot be used.
    """
    folder = results_folder(recipe)
    store = Store(folder)
    dense, runs = Dense(recipe, folder), grid(recipe)
    check_same(store.settings("dense"), identity(recipe, "evaluation"), folder)
    if not any(pending_work(recipe, dense, runs, store, 1).values()):
        store.write_table()
        return store
    prepare(recipe)
    size = recipe.training.batch_size
    guesses = {"picture": ("step", 0.8 / size), "step": ("picture", size / 0.8)}
    with Work({"step": 1, "picture": 1}, guesses) as work:
        lab = Lab(recipe, work)
        work.expect(pending_work(recipe, dense, runs, store, len(lab.test_set)))
        do_dense(lab, dense, store)
        for run in runs:
            do_run(lab, store, run)
        work.note(f"done in {clock(work.seconds_gone)}")
    return store


def main() -> int:
    recipe = read_settings(Recipe, __doc__)
    store = sweep(recipe)
    from plot import draw

    plots = draw(store.folder)
    print(f"table: {store.table}")
    print("plot:  " + "  ".join(str(path) for path in plots))
    return 0


if __name__ == "__main__":
    guarded(main)
