"""The pages' templates, which share one style sheet."""

from __future__ import annotations

from typing import Any

import jinja2


def rendered(template: str, /, **values: Any) -> str:
    """A page's HTML; values are escaped, and one that is missing is an error.

    Args:
        template: its name, of this folder.
        values: what it shows.
    """
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("experiments", "report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return pages.get_template(template).render(**values)
