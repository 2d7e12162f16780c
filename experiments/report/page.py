"""Writes a sweep's report: one page that needs nothing beside it.

It shows settings, machines, verdicts, plots, every run and the failures; the plots are also written beside it.
"""

from __future__ import annotations

import base64
from pathlib import Path

from experiments.plots.draw import drawings
from experiments.plots.elements.drawn import Options
from experiments.plots.elements.style import save
from experiments.report.content import (
    contents,
    failures,
    lead,
    machines,
    margins,
    meanings,
    recipe_text,
    summary_table,
    table_cells,
    verdicts,
)
from experiments.report.task_drops import task_drops
from experiments.report.templates import rendered
from experiments.runs.run_folder import write_text
from experiments.table.sweep_data import Sweep, read


def write_report(folder: Path | str, options: Options | None = None) -> Path:
    """Write `folder/report.html`, and the plots beside it.

    Args:
        folder: of the sweep; has runs.csv.
        options: of the plots.

    Returns:
        the page's path.

    Raises:
        UserError: there is no such table.
    """
    path = Path(folder) / "report.html"
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
        "drops": task_drops(sweep),
        "verdicts": verdicts(sweep),
        "margins": margins(sweep),
        "plots": plots,
        "skipped": skipped,
        "table": table_cells(sweep),
        "failures": failures(sweep),
        "recipe": recipe_text(sweep),
        "machines": machines(sweep),
        "columns": meanings(sweep),
    }
    return rendered("report.html.j2", **page, contents=contents(page))
