"""The folder of a sweep: where it lies, what recipe it holds, and whether another fits into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from columns import STAGES
from command import UserError
from settings import Recipe
from store import RunFolder, write_text, writing

_EVERYWHERE = ("data", "model", "training", "evaluation")  # the same for all runs of a folder


def sweep_folder(recipe: Recipe) -> Path:
    """The folder of a recipe's sweep, made if need be.

    Raises:
        WriteError: it cannot be written.
    """
    folder = Path(recipe.results) / recipe.name
    with writing(folder):
        (folder / "runs").mkdir(parents=True, exist_ok=True)
    return folder


def check_same(recipe: Recipe, folder: Path) -> None:
    """Refuse a folder whose finished stages come from other data, networks, training or measures.

    Raises:
        UserError: names the settings that differ.
    """
    now = dict(_flat({name: getattr(recipe, name).model_dump(mode="json", exclude_defaults=True)
                      for name in _EVERYWHERE}))  # fmt: skip
    for path in sorted((folder / "runs").glob("*/")):
        run = RunFolder(path)
        if not run.finished("settings") or not any(run.finished(stage) for stage in STAGES):
            continue
        settings = run.read("settings")
        before = dict(_flat({name: settings.get(name, {}) for name in _EVERYWHERE}))
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


def _flat(settings: dict[str, Any], prefix: str = ""):
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def write_recipe(recipe: Recipe, folder: Path) -> None:
    """Write `recipe.yaml`: what is not the default."""
    content = recipe.model_dump(mode="json", include=set(Recipe.model_fields), exclude_defaults=True)
    write_text(folder / "recipe.yaml", yaml.safe_dump(content, sort_keys=False))
