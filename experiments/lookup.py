"""From what a recipe calls its problem to the class, the type of its recipes, and an instance."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

import pydantic

from experiments.errors import UserError
from experiments.problem import Problem
from experiments.settings.recipe import Recipe

SHIPPED = {
    "maskrcnn": "experiments.problems.maskrcnn.maskrcnn_problem:MaskRCNNProblem",
    "digits": "experiments.problems.digits:Digits",
}


def problem_class(spec: str, near: Path | None = None) -> type[Problem]:
    """The class that a recipe's `problem` names.

    Args:
        spec: maskrcnn, digits, file.py:Class or package.module:Class.
        near: folder that a file is looked for in, besides the working directory.

    Raises:
        UserError: there is none, it cannot be imported, or it is no complete Problem.
    """
    place, colon, name = SHIPPED.get(spec, spec).rpartition(":")
    if not colon or not place or not name:
        raise UserError(
            f"problem: {spec}: expected {', '.join(SHIPPED)}, my_file.py:MyProblem or my.package:MyProblem"
        )
    if spec != "maskrcnn":  # its settings are read without TensorFlow; others import it, and it should do so quietly
        from experiments.runs import tensorflow_setup  # noqa: F401
    module = _from_file(place, near) if place.endswith(".py") else _from_package(place, spec)
    found = getattr(module, name, None)
    if not (inspect.isclass(found) and issubclass(found, Problem)):
        every = [n for n, one in vars(module).items() if inspect.isclass(one) and issubclass(one, Problem)]
        known = ", ".join(n for n in every if n != "Problem") or "none"
        raise UserError(f"problem: {spec}: {place} has no Problem of the name {name!r}; it has {known}")
    needed = ("model", "batches", "evaluate", "floors")
    missing = [one for one in needed if getattr(found, one) is getattr(Problem, one)]
    if missing or not (found.tasks or found.declaration is not Problem.declaration):
        wanted = [*missing, *([] if found.tasks else ["tasks"])]
        raise UserError(f"problem: {spec}: {name} defines no {', '.join(wanted)}; see docs/own_problem.md")
    if spec in SHIPPED or not place.endswith(".py"):
        found.spec = spec
    else:
        found.spec = f"{Path(inspect.getfile(found)).resolve().as_posix()}:{name}"
    return found


def _from_file(place: str, near: Path | None) -> Any:
    places = [Path(place), *([near / place] if near else [])]
    path = next((one for one in places if one.is_file()), None)
    if path is None:
        raise UserError(f"problem: {place}: no such file; looked for {', '.join(map(str, places))}")
    path = path.resolve()
    name = f"taskprune_problem_{path.stem}"
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # so that it can import what lies beside it
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserError(f"problem: {path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _from_package(place: str, spec: str) -> Any:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        return importlib.import_module(place)
    except ImportError as error:
        raise UserError(f"problem: {spec}: {place} cannot be imported: {error}") from error


def recipe_type(problem: type[Problem], base: type[Recipe] = Recipe) -> Any:
    """The type of a problem's recipes: the settings of `base` with the problem's own sections."""
    return _recipe_type(problem, base)  # type: ignore[arg-type]  # classes have a hash


@functools.cache
def _recipe_type(problem: type[Problem], base: type[Recipe]) -> Any:
    sections: dict[str, Any] = {name: (kind, kind()) for name, kind in problem.sections.items()}

    def check_parts(recipe: Any) -> Any:
        known = ("all", *problem.parts)
        for number, part in enumerate(recipe.grid.part):
            if problem.parts and part not in known and not any(sign in part for sign in "/*"):
                raise ValueError(f"grid.part.{number} = {part!r}: expected one of {', '.join(known)}")
        return recipe

    validators: dict[str, Any] = {"parts_are_known": pydantic.model_validator(mode="after")(check_parts)}
    made = pydantic.create_model(base.__name__, __base__=base, __validators__=validators, **sections)
    made.__doc__ = base.__doc__
    return made


def open_problem(source: str | Path | Recipe) -> Problem:
    """The problem of a recipe, which is its `recipe`.

    Args:
        source: a recipe, its file, or the name of one that ships.

    Raises:
        UserError: the recipe or the problem cannot be used.
    """
    if isinstance(source, Recipe):
        return problem_class(source.problem)(source)
    from experiments.settings.recipe_files import read_recipe

    recipe = read_recipe(source)
    return problem_class(recipe.problem, Path(source).parent)(recipe)
