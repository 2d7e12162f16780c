"""Train the dense Mask R-CNN of a recipe, for each of its seeds: train.py scripts/recipes/balloon.yaml --seeds 0

Writes results/<name>/runs/dense-.../: model.keras, history.csv (losses), and a checkpoint while it trains. Started
again after an interruption, it goes on from the checkpoint and ends as an unbroken run would have. sweep.py finds the
model there.
"""

from __future__ import annotations

import boot  # noqa: F401
import record
from building import prepare
from command import UserError, guarded, read_settings
from folders import sweep_folder
from grid import dense_run
from lab import Lab
from pictures import Pictures
from progress import Work, clock
from settings import Recipe
from stages import train_dense
from stopwatch import Stopwatch
from store import RunFolder


def train(recipe: Recipe, seed: int, pictures: Pictures, work: Work) -> RunFolder:
    """Train a seed's dense model, if that has not been done.

    Raises:
        UserError: another process is at it, or the model cannot be made.
    """
    run = dense_run(recipe, seed)
    folder = RunFolder(sweep_folder(recipe) / "runs" / run.name)
    with folder.lock() as mine:
        if not mine:
            raise UserError(f"{folder.path} is being worked on by another process")
        if folder.model.exists():
            work.skip("step", recipe.training.steps)
        else:
            folder.write("settings", run.settings.changed())
            record.begin(folder, recipe.model_dump(mode="json"))
            train_dense(Lab(recipe, seed, pictures, work, Stopwatch()), folder, run.settings)
            record.end(folder)
    return folder


def main() -> int:
    recipe = read_settings(Recipe, __doc__)
    prepare(recipe)
    with Work({"step": recipe.training.steps * len(recipe.seeds)}) as work:
        pictures = Pictures(recipe, work)
        folders = [train(recipe, seed, pictures, work) for seed in recipe.seeds]
        work.note(f"done in {clock(work.seconds_gone)}")
    for folder in folders:
        print(f"model: {folder.model}  losses: {folder.path / 'history.csv'}")
    return 0


if __name__ == "__main__":
    guarded(main)
