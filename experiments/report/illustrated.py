"""A page of sections, each with what it says, lists, or shows; it needs nothing beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from experiments.report.templates import rendered


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        title: a few words.
        text: a paragraph.
        lines: a list of sentences.
        rows: a table, its head first.
        code: shown as it is.
        picture: the address of a picture, such as `embedded` gives; caption: what it shows.
    """

    title: str
    text: str = ""
    lines: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    code: str = ""
    picture: str = ""
    caption: str = ""


def illustrated(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The page's HTML."""
    return rendered("illustrated.html.j2", title=title, lead=lead, sections=sections)


def embedded(figure: Figure) -> str:
    """A figure as an address that holds the picture itself, a PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
