"""Asks one of the questions of a problem, from its recipe to tables, a picture and a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.errors import UserError
from experiments.problem import Problem
from experiments.runs.monitoring.progress_bar import Work, clock
from experiments.runs.run_folder import write_text
from experiments.studies.agreement_study import agreement_study
from experiments.studies.budget_study import Asked, budget_study
from experiments.studies.pages.agreement_pictures import agreement_pages
from experiments.studies.pages.budget_pictures import budget_pages
from experiments.studies.pages.study_pictures import phases_pages, ratios_pages
from experiments.studies.phases_study import phases_study, steps_in_all
from experiments.studies.ratios_study import ASKED, ratios_study
from experiments.studies.track_study import track_study


def ask(question: str, problem: Problem, budgets: Asked, turns: int) -> list[Path]:
    """Answer a question; what is finished is not done again.

    Args:
        question: "phases", "budgets", "ratios", "agreement" or "track".
        problem: with its recipe.
        budgets, turns: see `taskprune study --help`.

    Returns:
        the paths of the tables, the picture and the page.

    Raises:
        UserError: the folder is of another recipe, or the question cannot be asked of the problem.
    """
    recipe = problem.recipe
    folder = Path(recipe.results) / f"{recipe.name}_{question}"
    declared = problem.declaration()
    titles = declared.titles
    if question == "budgets":  # what cannot be asked is said before anything is trained
        for counting in budgets.searches(problem).values():
            budgets.budget(problem, counting, budgets.allowed[0])
    _same_recipe(problem, folder, question, budgets, turns)
    if question == "track":
        return track_study(problem, folder)  # the tracker's table stands where the bar would
    with Work({"step": _steps(question, problem, budgets)}) as work:
        if question == "phases":
            phases_study(problem, folder, work, turns)
            made = [folder / "phases.csv", *phases_pages(folder, titles, declared.figures)]
        elif question == "budgets":
            budget_study(problem, folder, work, budgets)
            made = [folder / "budgets.csv", folder / "budget_tasks.csv", *budget_pages(folder, titles)]
        elif question == "agreement":
            agreement_study(problem, folder, work)
            made = [folder / "agreement.csv", *agreement_pages(folder)]
        else:
            ratios_study(problem, folder, work)
            made = [folder / "ratios.csv", *ratios_pages(folder, titles)]
        work.note(f"done in {clock(work.seconds_gone)}")
    return made


def _steps(question: str, problem: Problem, budgets: Asked) -> int:
    """Updates in all, for the bar; groups are not known before the model is."""
    recipe = problem.recipe
    searches = len(budgets.searches(problem)) * len(budgets.allowed)
    dense, tuned, ratios = recipe.training.steps, recipe.finetune.steps, len(recipe.grid.ratio)
    each = {
        "phases": steps_in_all(problem) if question == "phases" else 0,
        "budgets": dense + (1 + budgets.trials * searches) * tuned,
        "agreement": dense,
        "ratios": dense + (1 + 3 * ratios) * tuned + 4 * len(ASKED) * tuned // 2,
    }
    return each[question] * len(recipe.seeds)


def _same_recipe(problem: Problem, folder: Path, question: str, budgets: Asked, turns: int) -> None:
    """Write recipe.yaml, or see that it says the same as before.

    Raises:
        UserError: it says something else.
    """
    import yaml

    more = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in vars(budgets).items()
        if name == "allowed" or value != getattr(Asked, name)
    }
    questions: dict[str, dict[str, Any]] = {"phases": {"turns": turns}, "budgets": more}
    said = {**problem.recipe.changed(), **questions.get(question, {})}
    text = f"# taskprune study {question} {folder / 'recipe.yaml'}\n" + yaml.safe_dump(said, sort_keys=False)
    path = folder / "recipe.yaml"
    if path.exists() and path.read_text(encoding="utf-8") != text and (folder / "units").exists():
        raise UserError(
            f"{path} is of another recipe; give this one another --name, or delete {folder} to ask anew"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
