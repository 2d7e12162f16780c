"""A progress bar for what turns out to take long."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

_PATIENCE_S = 3.0  # a pass that ends sooner shows no bar


def with_bar(items: Iterable[T], count: int, show: bool) -> Iterator[T]:
    """The `count` items, with a progress bar once a pass has lasted a few seconds."""
    if not show:
        yield from items
        return
    from rich.progress import Progress

    bar = Progress(transient=True)
    task = bar.add_task("evaluating", total=count)
    began, shown = time.monotonic(), False
    try:
        for item in items:
            if not shown and time.monotonic() - began > _PATIENCE_S:
                bar.start()
                shown = True
            yield item
            bar.advance(task)
    finally:
        if shown:
            bar.stop()
