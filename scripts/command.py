"""What all commands share: a recipe from a file and flags, and errors that a user can read."""

from __future__ import annotations

import difflib
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic
import tyro
import yaml

import boot  # noqa: F401
from maskrcnn.data import DataError

_STYLE = (tyro.conf.AvoidSubcommands, tyro.conf.FlagConversionOff)


class UserError(Exception):
    """A mistake that the user can mend: shown as one message, without a traceback."""


def guarded(main: Callable[[], Any]) -> None:
    """Run a command and exit: with 2 and one message for a user's mistake; other errors keep their traceback.

    Args:
        main: the command; what it returns is the exit status (None is 0).
    """
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("stopped; start the same command again to go on", file=sys.stderr)
        sys.exit(130)
    except (UserError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def read_settings(kind: type[pydantic.BaseModel], description: str, argv: list[str] | None = None) -> Any:
    """Settings from an optional YAML file, its path being the first argument, and flags, which win.

    Args:
        kind: the settings' class.
        description: of the command, shown by --help.
        argv: arguments; those of the process if None.

    Raises:
        UserError: the file is missing, is no YAML, has an unknown key or a value that cannot be.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    default = kind()
    if arguments and not arguments[0].startswith("-"):
        default = from_yaml(kind, Path(arguments.pop(0)))
    name = f"{Path(sys.argv[0]).name} [RECIPE.yaml]"
    arguments = _bare_switches(kind, arguments)
    return tyro.cli(kind, default=default, args=arguments, prog=name, description=description, config=_STYLE)


def _bare_switches(kind: type[pydantic.BaseModel], arguments: list[str]) -> list[str]:
    """The arguments with True behind each switch that has no value: --dry-run is --dry-run True."""
    switches = {f"--{name.replace('_', '-')}" for name, field in kind.model_fields.items() if field.annotation is bool}
    found = []
    for argument, after in itertools.zip_longest(arguments, arguments[1:], fillvalue="--"):
        bare = argument.replace("_", "-") in switches and after.startswith("--")
        found += [argument, "True"] if bare else [argument]
    return found


def read_flags(kind: type[pydantic.BaseModel], description: str, argv: list[str] | None = None) -> Any:
    """Settings of a command that takes no recipe, from its arguments.

    Args:
        kind, description, argv: as for `read_settings`.
    """
    name = Path(sys.argv[0]).name
    return tyro.cli(kind, args=argv, prog=name, description=description, config=_STYLE)


def from_yaml(kind: type[pydantic.BaseModel], path: Path) -> Any:
    """Settings from a YAML file; `base: other.yaml` in it takes over what it does not say.

    Raises:
        UserError: as `read_settings`.
    """
    content = _read(path)
    try:
        return kind.model_validate(content)
    except pydantic.ValidationError as error:
        raise UserError(explain(error, kind, str(path))) from None


def _read(path: Path, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A YAML file's content; where it names a `base`, a file beside it, that one's with its own changes."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.yaml")], 1)
        hint = f" Did you mean {path.parent / near[0]}?" if near else ""
        raise UserError(f"{path}: the recipe cannot be read ({error.strerror}).{hint}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected `key: value` lines, found {type(content).__name__}")
    base = content.pop("base", None)
    if base is None:
        return content
    other = path.parent / str(base)
    if other.resolve() in (*below, path.resolve()):
        raise UserError(f"{path}: base: {base} leads back to itself")
    return _merged(_read(other, (*below, path.resolve())), content)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    found = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        found[key] = _merged(base[key], value) if both else value
    return found


def explain(error: pydantic.ValidationError, kind: type[pydantic.BaseModel], where: str) -> str:
    """What is wrong in settings, a line a fault; an unknown key comes with the nearest known one."""
    lines = []
    for fault in error.errors():
        key = ".".join(map(str, fault["loc"]))
        if fault["type"] == "value_error" and not key:
            lines.append(str(fault["ctx"]["error"]))
        elif fault["type"] == "extra_forbidden":
            known = _keys(kind, fault["loc"][:-1])
            near = difflib.get_close_matches(str(fault["loc"][-1]), known, 1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else "known here: " + ", ".join(known)
            lines.append(f"unknown key {key!r}: {hint}")
        else:
            lines.append(f"{key} = {fault['input']!r}: {fault['msg']}")
    return f"{where}: " + "; ".join(lines)


def _keys(kind: Any, path: tuple) -> list[str]:
    for name in path:
        kind = kind.model_fields[name].annotation
    return list(kind.model_fields)


def find(path: str, what: str, *folders: str | None) -> Path:
    """The path itself, or the first of `folders` that it exists in.

    Raises:
        UserError: it exists in none of them; says where it was looked for.
    """
    places = [Path(path), *(Path(folder) / path for folder in folders if folder)]
    for place in places:
        if place.exists():
            return place
    tried = ", ".join(str(place) for place in dict.fromkeys(places))
    raise UserError(
        f"{what} {path!r} does not exist; looked for {tried}. Correct it, or set $TASKPRUNE_DATA to the "
        "folder that holds it"
    )


def find_data(path: str) -> Path:
    """A file or folder of pictures; see DataSettings."""
    return find(path, "data", os.environ.get("TASKPRUNE_DATA"), "../shared/data")


def find_weights(path: str) -> Path:
    """A file of weights; see ModelSettings."""
    data = os.environ.get("TASKPRUNE_DATA")
    beside = f"{data}/../weights" if data else None
    return find(path, "weights", os.environ.get("TASKPRUNE_WEIGHTS"), beside, "../shared/weights")
