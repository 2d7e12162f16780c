"""Write a sweep's report, one page that needs nothing beside it: report.py results/shapes

Makes report.html and the plots in the sweep's folder: settings, machines, verdicts, plots, every run, failures.
"""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path
from typing import Annotated

import jinja2
import tyro

import boot  # noqa: F401
from command import guarded
from curves import final, labels, names, whole
from plot import drawings
from plots import Options
from reading import Sweep, read
from report_data import (
    contents,
    failures,
    lead,
    machines,
    meanings,
    recipe_text,
    summary_table,
    table_cells,
)  # fmt: skip
from selecting import Side
from store import write_text
from style import save
from verdicts import compare, sentence, text, within_margin

_MOST_PAIRS = 15


def write_report(folder: Path, options: Options | None = None) -> Path:
    """Write `folder/report.html`, and the plots beside it.

    Args:
        folder: of the sweep; has runs.csv.
        options: of the plots.

    Returns:
        the page's path.

    Raises:
        UserError: there is no such table.
    """
    path = folder / "report.html"
    write_text(path, render(read(folder), options or Options()))
    return path


def render(sweep: Sweep, options: Options) -> str:
    """The page's HTML; the plots are written into the sweep's folder on the way."""
    skipped: list[str] = []
    plots = []
    for drawn in drawings(sweep, options, skipped.append):
        png, svg = save(drawn.figure, sweep.folder, drawn.name)
        kind, path = ("png", png) if drawn.raster else ("svg+xml", svg)
        source = f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
        plots.append({"name": drawn.name, "title": drawn.title, "caption": drawn.caption, "source": source})
    page = {
        "name": sweep.name,
        "lead": lead(sweep),
        "summary": summary_table(sweep),
        "verdicts": verdicts(sweep),
        "margins": [line for one in sides(sweep) for line in within_margin(one)],
        "plots": plots,
        "skipped": skipped,
        "table": table_cells(sweep),
        "failures": failures(sweep),
        "recipe": recipe_text(sweep),
        "machines": machines(sweep),
        "columns": meanings(sweep),
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("report.html.j2").render(**page, contents=contents(page))


def sides(sweep: Sweep) -> list[Side]:
    """Every curve of a sweep as a side of a comparison."""
    ends = whole(final(sweep.table))
    curves = labels(ends, ends)
    return [Side(name, sweep.table, ends[curves == name]) for name in names(sweep.table)]


def verdicts(sweep: Sweep) -> list[dict]:
    """The comparisons of all pairs of curves, in words; the last curve, random, is the second side where it is one.

    With very many curves only those with the last one are made.
    """
    every = sides(sweep)
    pairs = [(a, b) for number, a in enumerate(every) for b in every[number + 1 :]]
    if len(pairs) > _MOST_PAIRS:
        pairs = [(one, every[-1]) for one in every[:-1]]
    found = []
    for first, second in pairs:
        result = compare(first, second)
        if result is None:
            continue
        lines = [(sentence(contrast, result.names), contrast.claimed) for contrast in result.contrasts]
        lines += [(line.strip(), False) for line in text(result)[1 + len(lines) :]]
        found.append({"title": f"{first.name} against {second.name}", "lines": lines})
    return found


def main() -> int:
    @dataclasses.dataclass(frozen=True)
    class Arguments(Options):
        folder: Annotated[Path, tyro.conf.Positional] = dataclasses.field(kw_only=True)
        """of the sweep; has runs.csv."""

    given = tyro.cli(Arguments, description=__doc__)
    options = Options(**{field.name: getattr(given, field.name) for field in dataclasses.fields(Options)})
    print(write_report(given.folder, options))
    return 0


if __name__ == "__main__":
    guarded(main)
