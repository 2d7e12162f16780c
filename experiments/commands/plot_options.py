"""The flags of the commands that draw: a sweep's folder, and the options of its plots."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from experiments.plots.elements.drawn import Options


@dataclasses.dataclass(frozen=True)
class _Arguments(Options):
    folder: Annotated[Path, tyro.conf.Positional] = dataclasses.field(kw_only=True)
    """of the sweep; has runs.csv."""


def read_options(program: str, description: str, arguments: Sequence[str]) -> tuple[Path, Options]:
    """A sweep's folder and the options of its plots, from a command's arguments."""
    given = tyro.cli(_Arguments, args=arguments, prog=program, description=description)
    return given.folder, Options(**{field.name: getattr(given, field.name) for field in dataclasses.fields(Options)})
