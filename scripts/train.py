"""Train a Mask R-CNN by a recipe: train.py scripts/recipes/balloon.yaml --training.steps 500

Writes results/<name>/: dense.keras, history.csv (losses), and a checkpoint while it trains. Started again
after an interruption, it goes on from the checkpoint and ends as an unbroken run would have. sweep.py finds
the model there.
"""

from __future__ import annotations

import boot  # noqa: F401
from building import dataset, model, prepare, results_folder
from command import guarded, read_settings
from dense import Dense
from progress import Work, clock
from settings import Recipe


def main() -> int:
    recipe = read_settings(Recipe, __doc__)
    dense = Dense(recipe, results_folder(recipe))
    if dense.finished:
        print(f"finished before: {dense.path}")
        return 0
    prepare(recipe)
    with Work({"step": recipe.training.steps}) as work:
        work.say("reading the data")
        pictures = dataset(recipe.data, "train")
        work.say("building the network")
        seconds = dense.train(model(recipe, pictures.class_names), pictures, work)
    print(f"trained in {clock(seconds)}: {dense.path}")
    print(f"losses: {dense.folder / 'history.csv'}")
    return 0


if __name__ == "__main__":
    guarded(main)
