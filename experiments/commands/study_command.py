"""usage: taskprune study QUESTION RECIPE [--flags]

Ask a question about the tasks of a recipe's problem, with its seeds, training, ratios (of the MACs) and fine-tuning.

  phases     train the tasks jointly, in turn, one after the other, or by need: what does pruning cost each model then?
  budgets    the most that can go while every task stays within a budget, and while each alone does: asked, and held
  agreement  do the tasks want the same channels, and do their gradients agree, layer by layer?
  track      prune the dense model little by little while it trains on, with every task's measures live on the terminal
  ratios     ratios solved from what each task pays for each layer, against the same ratio everywhere

Writes results/<name>_<question>/: tidy tables (CSV), a picture, and the means as a page (Markdown). What is finished is
never done again: after an interruption, start the same command again. `phases`, started twice, shares the work between
the two processes.

  --allowed A B C               budgets: that each task may lose, in hundredths of the way from the trivial predictor to
                                the dense model trained as long
  --unit points                 or in points (1: an AP of 0.40 that falls to 0.39), percent of the measure, or absolute
  --measures mask_ap bbox_ap    by which tasks are judged; the primary measure of the others
  --counting all mask           whose budget: of all tasks together, of one alone; a search for each, all if not given
  --trials N                    budgets: short fine-tunings of a search, at most; 4 if not given
  --turns N                     phases: turns of each task where they alternate
  --phases.arms joint alternated   phases: the trainings to compare
  --phases.order A B C          phases: of the tasks' turns; tasks that carry the others, as proposals do, have none
  --phases.finetuned 0.4        phases: of --grid.ratio, those that are fine-tuned as well
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from annotated_types import Gt

from experiments.errors import UserError
from experiments.settings.flags import read_settings
from experiments.settings.recipe import Count, Recipe

QUESTIONS = ("phases", "budgets", "ratios", "agreement", "track")


class Study(Recipe):
    """A recipe, and what is asked of it."""

    allowed: tuple[Annotated[float, Gt(0)], ...] = (2.0, 5.0, 10.0)
    """budgets: that each task may lose against the dense model trained as long, in `unit`."""
    unit: Literal["points", "absolute", "percent", "quality"] = "quality"
    """budgets: quality: hundredths of the way from the trivial predictor to the dense model; points: hundredths of the
    measure; percent of the dense model's; absolute: the measure's own."""
    measures: tuple[str, ...] = ()
    """budgets: columns by which tasks are judged, such as mask_ap; a task's primary measure where none is named."""
    counting: tuple[str, ...] = ()
    """budgets: all: the tasks together; or a task that counts alone. A search for each; every one if empty."""
    trials: Count = 4
    """budgets: trials of a search, each with a fine-tuning, at most."""
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
    from experiments.studies.budget_study import Asked
    from experiments.studies.studies import ask

    tensorflow_setup.prepare(settings.threads)
    budgets = Asked(settings.allowed, settings.unit, settings.measures, settings.counting, settings.trials)
    for path in ask(question, open_problem(settings), budgets, settings.turns):
        print(path)
    return 0
