"""usage: taskprune study QUESTION RECIPE [--flags]

Ask a question about the tasks of a recipe's problem, with its seeds, training, ratios (of the MACs) and fine-tuning.

  phases     train the tasks jointly, in turn, one after the other, or by need: what does pruning cost each model then?
  budgets    the most that can go while every task stays within a budget, and while each alone does: asked, and held
  agreement  do the tasks want the same channels, and do their gradients agree, layer by layer?
  ratios     ratios solved from what each task pays for each layer, against the same ratio everywhere

Writes results/<name>_<question>/: tidy tables (CSV), a picture, and the means as a page (Markdown). What is finished is
never done again: after an interruption, start the same command again. `phases`, started twice, shares the work between
the two processes.

  --allowed A B C               budgets: in hundredths of the way from the trivial predictor to the dense model
  --turns N                     phases: turns of each task where they alternate
  --phases.arms joint alternated   phases: the trainings to compare
  --phases.order A B C          phases: of the tasks' turns; tasks that carry the others, as proposals do, have none
  --phases.finetuned 0.4        phases: of --grid.ratio, those that are fine-tuned as well
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Gt

from experiments.errors import UserError
from experiments.settings.flags import read_settings
from experiments.settings.recipe import Count, Recipe

QUESTIONS = ("phases", "budgets", "ratios", "agreement")


class Study(Recipe):
    """A recipe, and what is asked of it."""

    allowed: tuple[Annotated[float, Gt(0)], ...] = (2.0, 5.0, 10.0)
    """budgets: that tasks may lose, in hundredths of the way from the trivial predictor to the dense model."""
    turns: Count = 30
    """phases: turns of each task where they alternate."""


def main(arguments: Sequence[str]) -> int:
    given = list(arguments)
    question = given.pop(0) if given and not given[0].startswith("-") else ""
    if question and question not in QUESTIONS:
        raise UserError(f"{question!r} is no question; there are {', '.join(QUESTIONS)}: taskprune study phases digits")
    settings = read_settings(Study, __doc__ or "", given)
    if not question:
        raise UserError(f"expected a question, one of {', '.join(QUESTIONS)}, and then a recipe")
    from experiments.runs import tensorflow_setup  # isort: skip  # before anything that imports TensorFlow
    from experiments.lookup import open_problem
    from experiments.studies.studies import ask

    tensorflow_setup.prepare(settings.threads)
    for path in ask(question, open_problem(settings), settings.allowed, settings.turns):
        print(path)
    return 0
