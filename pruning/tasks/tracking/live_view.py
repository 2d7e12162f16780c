"""Tasks on the terminal while a model is pruned: a table that is kept up to date, or lines in a plain log."""

import atexit
import io
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pruning.tasks.tracking.task_history import TOTAL, TaskRecord

_BAR = 24  # cells
_EVERY_S = 0.25  # between two redrawings
_MOST_PARTS = 8


class LiveView:
    """Shows the latest record: a table on a terminal, one line a record in a plain log.

    Args:
        console: where; the standard output if None.
        show: False: nothing is shown, and `picture` still knows the records.
    """

    def __init__(self, console: Console | None = None, show: bool = True) -> None:
        self.console, self._shows = console or Console(), show
        self._live: Live | None = None
        self._latest: TaskRecord | None = None

    def begin(self, first: TaskRecord, dense: Mapping[str, Mapping[str, float]], steps: int | None) -> None:
        """Begin with a training's first record.

        Args:
            first: of the training.
            dense: the dense model's measures, which later records are shown beside.
            steps: of the whole training, where it is known.
        """
        self.end()
        self._latest, self._dense = first, dense
        self._steps, self._step, self._drawn = steps, first.step, 0.0
        self._began, self._from = time.monotonic(), first.step
        if not self._shows:
            return
        if self.console.is_terminal:
            self._live = Live(self.render(), console=self.console, auto_refresh=False)
            self._live.start()
            atexit.register(self.end)
        else:
            self._line(first)

    def step(self, step: int) -> None:
        """So many updates are done."""
        self._step = step
        if self._live and time.monotonic() - self._drawn > _EVERY_S:
            self._draw()

    def show(self, record: TaskRecord) -> None:
        """A new record."""
        self._latest, self._step = record, record.step
        if self._live:
            self._draw()
        elif self._shows:
            self._line(record)

    def end(self) -> None:
        """Leave the last state on the terminal."""
        if self._live:
            self._draw()
            self._live.stop()
            self._live = None
            atexit.unregister(self.end)

    def picture(self, path: str | Path, record: TaskRecord | None = None, width: int = 80) -> None:
        """Save the table as an SVG picture.

        Args:
            path: of the file.
            record: what it shows; the latest if None.
            width: in letters.
        """
        if record is not None:
            self._latest, self._step = record, record.step
        paper = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
        paper.print(self.render())
        paper.save_svg(str(path), title="TaskTracker")

    def _draw(self) -> None:
        assert self._live is not None
        self._live.update(self.render(), refresh=True)
        self._drawn = time.monotonic()

    def render(self) -> Group:
        """The table and the line below it."""
        record = self._latest
        assert record is not None, "begin comes first"
        table = Table(title=self._title(record), title_justify="left", title_style="bold", box=None, padding=(0, 1))
        for name, justify in (("task", "left"), ("measure", "left"), ("dense", "right"), ("now", "right")):
            table.add_column(name, justify=justify)  # type: ignore[arg-type]
        table.add_column("kept of the dense model", min_width=_BAR + 6)
        table.add_column("loss", justify="right")
        weighed = bool(record.factors)
        if weighed:
            table.add_column("weighs", justify="right")
        for task, values in record.measured.items():
            name = record.primary.get(task, "")
            style = "bold red" if task == record.worst else ""
            cells: list[Any] = [task, name, _number(self._dense.get(task, {}).get(name)), _number(values.get(name))]
            cells += [_bar(record.quality.get(task, math.nan), task == record.worst), _number(values.get("loss"))]
            if weighed:
                cells.append(_number(record.factors.get(task)))
            table.add_row(*cells, style=style)
        return Group(table, Text(f" filters gone: {_parts(record)}"), Text(f" {self._progress()}", style="dim"))

    def _title(self, record: TaskRecord) -> str:
        what = {"begin": "before training", "pruned": "right after a cut", "epoch": "end of an epoch"}[record.event]
        return f"update {record.step}, {what}" + (f": {record.worst} is worst" if record.worst else "")

    def _progress(self) -> str:
        if not self._steps:
            return f"update {self._step}"
        done, gone = self._step - self._from, time.monotonic() - self._began
        ahead = self._from + self._steps - self._step
        left = f", {gone / done * ahead:.0f} s left" if done and ahead > 0 and self._live else ""
        share = min(1.0, done / self._steps)
        return f"{'━' * round(share * 40):<40} update {self._step} of {self._from + self._steps}{left}"

    def _line(self, record: TaskRecord) -> None:
        tasks = [
            f"{task} {record.primary[task]} {_number(record.measured[task].get(record.primary[task]))}"
            f" ({_percent(record.quality.get(task, math.nan))})"
            for task in record.measured
            if task in record.primary
        ]
        asked = "" if math.isnan(record.asked) else f", asked {record.asked:.1%}"
        worst = f", worst: {record.worst}" if record.worst else ""
        gone = f"filters gone {record.gone[TOTAL]:.1%}{asked}"
        text = f"update {record.step} ({record.event}): {gone}; {', '.join(tasks)}{worst}"
        self.console.print(text, highlight=False, soft_wrap=True)


def _bar(quality: float, worst: bool) -> Text:
    if math.isnan(quality):
        return Text("unknown", style="dim")
    full = round(_BAR * min(max(quality, 0.0), 1.0))
    text = Text("█" * full, style="red" if worst else "green")
    return text.append("░" * (_BAR - full), style="dim").append(f" {_percent(quality)}")


def _percent(quality: float) -> str:
    return "?" if math.isnan(quality) else f"{quality:.0%}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _parts(record: TaskRecord) -> str:
    parts = {part: share for part, share in record.gone.items() if part != TOTAL}
    shown = [f"{part} {share:.0%}" for part, share in list(parts.items())[:_MOST_PARTS]]
    more = f" and {len(parts) - _MOST_PARTS} more parts" if len(parts) > _MOST_PARTS else ""
    asked = "" if math.isnan(record.asked) else f", asked {record.asked:.1%}"
    inside = f" ({', '.join(shown)}{more})" if len(parts) > 1 else ""
    return f"{record.gone[TOTAL]:.1%}{asked}{inside}"
