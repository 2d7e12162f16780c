"""A progress bar for passes that last."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

_PATIENCE_S = 3.0  # a pass that ends sooner shows no bar


def with_bar(items: Iterable, label: str, total: int | None = None, show: bool = True) -> Iterator[Any]:
    """The items, with a progress bar once the pass has lasted a few seconds.

    Args:
        items: what is passed over.
        label: what the bar is called.
        total: how many items, where it is known.
        show: False: never a bar.
    """
    if not show:
        yield from items
        return
    from rich.progress import Progress

    bar = Progress(transient=True)
    task = bar.add_task(label, total=total)
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
