"""Flags of the commands: every setting of a recipe is one, and reads like its line in a YAML file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from experiments.errors import UserError
from experiments.settings.recipe import Recipe, Settings

_STOP = ("-h", "--help", "--help-all")


def parsed(arguments: Sequence[str]) -> dict[str, Any]:
    """Flags as nested settings: `--data.train my/train` is {"data": {"train": ["my/train"]}}; no value is True.

    Raises:
        UserError: something stands before the first flag.
    """
    found: dict[str, Any] = {}
    values: list[str] = []
    place: tuple[dict, str] | None = None
    for argument in [*arguments, "--"]:
        if not argument.startswith("--"):
            if place is None:
                raise UserError(f"{argument!r}: expected a flag, such as --name mine; one recipe comes before flags")
            values.append(argument)
            continue
        if place is not None:
            place[0][place[1]] = values or True
        if argument == "--":
            break
        key, equals, value = argument[2:].partition("=")
        *sections, name = key.replace("-", "_").split(".")
        section = found
        for one in sections:
            section = section.setdefault(one, {})
        place, values = (section, name), [value] if equals else []
    return found


def read_settings(base: type[Recipe], usage: str, arguments: Sequence[str]) -> Any:
    """Settings of a command that takes a recipe: RECIPE, a file or a name, then flags, which win.

    Args:
        base: Recipe, or a class that adds the command's own settings.
        usage: what --help prints.
        arguments: of the command line.

    Raises:
        UserError: as `read_recipe`.
    """
    from experiments.settings.recipe_files import read_recipe

    given = list(arguments)
    source = given.pop(0) if given and not given[0].startswith("-") else None
    if any(flag in given for flag in _STOP[:2]):
        print(usage.strip() + "\n\n" + _COMMON)
        sys.exit(0)
    if "--help-all" in given:
        given.remove("--help-all")
        _print_all(type(read_recipe(source, [parsed(given)] if given else [], base)), usage)
        sys.exit(0)
    return read_recipe(source, [parsed(given)] if given else [], base)


def split_recipe(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """The recipe that a flag `--recipe` names, as a list of one or none, and the other flags."""
    rest, found = [], []
    flags = iter(given)
    for flag in flags:
        if flag == "--recipe":
            found = [value for value in [next(flags, "")] if value]
        elif flag.startswith("--recipe="):
            found = [flag.partition("=")[2]]
        else:
            rest.append(flag)
    return found, rest


def read_flags(
    kind: type[Settings], program: str, description: str | None, arguments: Sequence[str] | None = None
) -> Any:
    """Settings of a command that takes no recipe.

    Args:
        kind: of the settings.
        program: its name, for --help.
        description: what --help says first.
        arguments: of the command line; those of the process if None.
    """
    import tyro

    config = (tyro.conf.AvoidSubcommands, tyro.conf.FlagConversionOff)
    return tyro.cli(kind, args=arguments, prog=program, description=description, config=config)


def _print_all(kind: type[Recipe], usage: str) -> None:
    read_flags(kind, "taskprune", usage, ["--help"])


_COMMON = """\
RECIPE is a YAML file, a folder of results that has one, or the name of one that ships with the package, such as
digits or shapes. Every setting of a recipe is a flag that wins over it; the most used:
  --name TEXT                   of the folder under results/
  --seeds 0 1 2                 each with its own dense model and the whole grid
  --data.train, --data.test     your own data in place of the recipe's (problem: maskrcnn); see own_data
  --training.steps N            updates of the dense model's training
  --finetune.steps N            updates after pruning
  --grid.criterion l1 taylor    what scores the channels: l1, group_l1, random, fpgm, taylor, fisher, ...
  --grid.ratio 0.2 0.4          fractions to remove, of --grid.budget filters, params or macs
  --grid.macs 2e8               or the MACs that are to be left, in place of both
  --evaluation.split tune       measure on the pictures for choices; test once they are made
  --threads N                   0: one for every core
  --help-all                    every setting, with its meaning"""
