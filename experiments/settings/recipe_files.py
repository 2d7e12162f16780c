"""A recipe from a YAML file and flags: what each says, laid over one another, and checked."""

from __future__ import annotations

import difflib
import functools
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pydantic
import yaml

from experiments.errors import UserError
from experiments.lookup import problem_class, recipe_type
from experiments.problem import Problem
from experiments.settings.faults import explain
from experiments.settings.recipe import Recipe

Content = dict[str, Any]
_PLACEHOLDER = re.compile(r"<.*>", flags=re.DOTALL)


def read_recipe(source: str | Path | None, flags: Sequence[Content] = (), base: type[Recipe] = Recipe) -> Any:
    """A recipe, of the type that its problem gives it.

    Args:
        source: a YAML file, or the name of a recipe that ships with the package; None: the defaults alone.
        flags: what the command line says over it (`flags.parsed`).
        base: Recipe, or a class of a command that adds settings of its own.

    Returns:
        an instance of `base`, with the sections of the problem.

    Raises:
        UserError: the file is missing or no YAML; a key is not known, a value cannot be or is a placeholder; the
            problem cannot be loaded.
    """
    path = None if source is None else recipe_path(source)
    layers = [] if path is None else _layers(path)
    given = next((layer["problem"] for layer in [*flags, *reversed(layers)] if "problem" in layer), "maskrcnn")
    spec = str(given[0] if isinstance(given, list) and len(given) == 1 else given)
    kind, problem = _types(spec, None if path is None else path.parent, base)
    content: Content = functools.reduce(lambda below, above: merged(below, above, problem), layers, {})
    if spec != "maskrcnn":
        content["problem"] = problem.spec
    of_file = content
    for one in flags:
        changes = {key: value for key, value in typed(one, kind).items() if key != "problem"}
        if base.needs_name:
            _refuse_foreign_folder(of_file, changes, problem)
        content = merged(content, changes, problem)
    where = " ".join([*([str(path)] if path else []), *(["and the flags"] if flags else [])]) or "the recipe"
    _refuse_placeholders(content, where)
    try:
        return kind.model_validate(content)
    except pydantic.ValidationError as error:
        raise UserError(explain(error, kind, where)) from None


def _types(spec: str, near: Path | None, base: type[Recipe]) -> tuple[type[Recipe], type[Problem]]:
    problem = problem_class(spec, near)
    return recipe_type(problem, base), problem


def recipe_path(source: str | Path) -> Path:
    """The file of a recipe: as it is named, that of a folder of results, or one that ships, such as `digits`.

    Raises:
        UserError: there is none; names a near one.
    """
    path = Path(source)
    for one in (path, path / "recipe.yaml"):
        if one.is_file():
            return one
    shipped = {one.stem: one for one in shipped_recipes()}
    if str(source) in shipped:
        return shipped[str(source)]
    beside = {str(one): one for one in path.parent.glob("*.yaml")} if path.parent.is_dir() else {}
    near = difflib.get_close_matches(str(source), [*beside, *shipped], 1, cutoff=0.6)
    hint = f"Did you mean {near[0]}?" if near else f"Recipes that ship: {', '.join(sorted(shipped))}."
    what = "is a folder" if path.is_dir() else "no such recipe"
    raise UserError(f"{source}: {what}. {hint}")


def shipped_recipes() -> list[Path]:
    """The recipes that come with the package."""
    folder = Path(str(resources.files("experiments") / "recipes"))
    return sorted(folder.glob("*.yaml"))


def _layers(path: Path, below: tuple[Path, ...] = ()) -> list[Content]:
    """The content of a file and before it that of its `base`, which it changes."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: the recipe cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected `key: value` lines, found {type(content).__name__}")
    other = content.pop("base", None)
    if other is None:
        return [content]
    beside = path.parent / str(other)
    if beside.resolve() in (*below, path.resolve()):
        raise UserError(f"{path}: base: {other} leads back to itself")
    return [*_layers(beside if beside.is_file() else recipe_path(str(other)), (*below, path.resolve())), content]


def merged(below: Content, changes: Content, problem: type[Problem] | None = None) -> Content:
    """One layer over another. Where other data are named, what the lower layer says of its own data goes.

    What a recipe says of one data set (its classes, its other splits, whose pictures they are) is wrong of any other.
    """
    found = dict(below)
    if problem is not None and other_data(below, changes, problem):
        for section, keys in problem.data_keys.items():
            kept = {key: below.get(section, {}).get(key) for key in keys[:1] if key in below.get(section, {})}
            found[section] = kept
        found.pop("credit", None)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = merged(found[key], value) if both else value
    return found


def other_data(below: Content, changes: Content, problem: type[Problem]) -> bool:
    """Whether a layer names other data than the one below it."""
    for section, keys in problem.data_keys.items():
        before, after = below.get(section) or {}, changes.get(section)
        if isinstance(after, Mapping) and any(key in after and after[key] != before.get(key) for key in keys):
            return bool(before)
    return False


def _refuse_foreign_folder(below: Content, changes: Content, problem: type[Problem]) -> None:
    if "name" in below and "name" not in changes and other_data(below, changes, problem):
        raise UserError(
            f"these are other data than the recipe's own, whose results are called {below['name']!r}: give them a name "
            "of their own, --name mine"
        )


def _refuse_placeholders(content: Content, where: str) -> None:
    for key, value in _leaves(content):
        if isinstance(value, str) and _PLACEHOLDER.fullmatch(value.strip()):
            raise UserError(
                f"{where}: {key} is still the placeholder {value!r}: fill it in, take the line out, or give --{key}"
            )


def _leaves(content: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _leaves(value, f"{key}.{name}" if key else str(name))
    else:
        yield key, content


def typed(content: Content, kind: Any) -> Content:
    """Texts of flags as the values that a YAML file would have in their place."""
    found: Content = {}
    for key, value in content.items():
        field = getattr(kind, "model_fields", {}).get(key)
        annotation = None if field is None else field.annotation
        if isinstance(value, dict):
            found[key] = typed(value, annotation)
        elif isinstance(value, list):
            values = [one if _holds_text(annotation) else yaml.safe_load(one) for one in value]
            values = [None if one in ("None", "null", "~") else one for one in values]
            single = len(values) == 1 and not (isinstance(values[0], str) and _is_list(annotation))
            found[key] = values[0] if single else values
        else:
            found[key] = value
    return found


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in typing.get_args(annotation):
        yield from _parts(part)


def _holds_text(annotation: Any) -> bool:
    return any(part is str or typing.get_origin(part) is typing.Literal for part in _parts(annotation))


def _is_list(annotation: Any) -> bool:
    return any(typing.get_origin(part) in (tuple, list) for part in _parts(annotation))
