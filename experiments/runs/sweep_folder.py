"""The folder of a sweep: where it lies, what it holds, and whether another recipe fits into it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from experiments.errors import UserError
from experiments.problem import Problem
from experiments.runs.run_folder import RunFolder, write_text, writing
from experiments.settings.recipe import Recipe
from experiments.table.columns import STAGES

_LEFT_BEHIND_S = 3600.0


def folder_of(recipe: Recipe) -> Path:
    """Where a recipe's sweep lies."""
    return Path(recipe.results) / recipe.name


def make_folder(problem: Problem) -> Path:
    """Make the folder of a sweep if need be, with its recipe and what the problem declares.

    Raises:
        WriteError: it cannot be written.
    """
    recipe = problem.recipe
    folder = folder_of(recipe)
    with writing(folder):
        (folder / "runs").mkdir(parents=True, exist_ok=True)
        for part in folder.glob("part-*"):  # of processes that were killed while they wrote, or of one that writes now
            with contextlib.suppress(FileNotFoundError):
                if time.time() - part.stat().st_mtime > _LEFT_BEHIND_S:
                    part.unlink()
    content = recipe.model_dump(mode="json", include=recipe_fields(recipe), exclude_defaults=True)
    if recipe.problem.partition(":")[0].endswith(".py"):  # from here, wherever a process is started
        place, _, name = recipe.problem.rpartition(":")
        content["problem"] = f"{Path(os.path.relpath(place, folder)).as_posix()}:{name}"
    write_text(folder / "recipe.yaml", yaml.safe_dump(content, sort_keys=False))
    write_text(folder / "problem.json", problem.declaration().to_json())
    return folder


def recipe_fields(recipe: Recipe) -> set[str]:
    """The names of a recipe's own settings, without those of the command that it was given to."""
    return {*Recipe.model_fields, *recipe.sections}


def has_rows(folder: Path) -> bool:
    """Whether any stage of a sweep is finished."""
    return any(path.stem in STAGES for path in folder.glob("runs/*/*.json"))


def check_same(recipe: Recipe, folder: Path) -> None:
    """Refuse a folder whose finished stages come from other data, networks, training or measures.

    Raises:
        UserError: names the settings that differ.
    """
    everywhere = ("training", *recipe.sections)  # the same for all runs of a model in a folder
    models = {
        name: dict(_flat({section: getattr(one, section).changed() for section in everywhere}))
        for name, one in recipe.models.items()
    }
    for path in sorted((folder / "runs").glob("*/")):
        run = RunFolder(path)
        if not run.finished("settings") or not any(run.finished(stage) for stage in STAGES):
            continue
        settings = run.read("settings")
        name = settings.get("variant")
        if (name is None) != (None in models):
            raise UserError(
                f"{folder} holds runs {'of one model' if name is None else 'that compare models'}, and this recipe "
                f"{'compares models' if name is None else 'has one'} (grid.model). Choose another --name, or delete "
                "the folder to begin anew"
            )
        if name not in models:  # as runs of a criterion that the grid has no more
            continue
        now = models[name]
        before = dict(_flat({section: settings.get(section, {}) for section in everywhere}))
        changed = [
            f"{key}: {before.get(key, 'default')} -> {now.get(key, 'default')}"
            for key in sorted({*before, *now})
            if before.get(key) != now.get(key)
        ]
        if changed:
            raise UserError(
                f"{folder} holds runs made with other settings ({'; '.join(changed)}). Choose another --name, or "
                "delete the folder to begin anew"
            )


def _flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
