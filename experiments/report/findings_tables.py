"""Tables of docs/findings.md: what each method costs at every ratio, and the contrasts that answer a question.

The questions are written down here: a family of contrasts that Holm's correction runs over as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.table.claims.verdicts import Comparison, compare_all
from experiments.table.class_table import OBJECTS, class_changes, class_means, class_measures
from experiments.table.selection import NoRuns, Selection, select
from experiments.table.summary import figure, summary
from experiments.table.sweep_data import Sweep, read
from experiments.table.task_curves import labels, names, percent, whole_network_ends

Table = tuple[list[str], list[list[str]]]
POINTS = 100.0
# Method -> selector. "global": channels of all layers compete, a tenth of every group stays; else one ratio for all.
METHODS = {
    "Taylor": "taylor,arbiter=mean,scope=layer,retraining=finetune",
    "Taylor, distilled": "taylor,arbiter=mean,scope=layer,retraining=distill",
    "Fisher": "fisher,arbiter=mean,scope=layer",
    "L1": "l1,scope=layer",
    "group L1": "group_l1,scope=layer",
    "random": "random,scope=layer",
    "Taylor, union": "taylor,arbiter=union,scope=layer",
    "global Taylor": "taylor,arbiter=mean,scope=global,normaliser=raw",
    "global Taylor, sum": "taylor,arbiter=sum,scope=global,normaliser=raw",
    "global Taylor, union": "taylor,arbiter=union,scope=global,normaliser=raw",
    "global Taylor, relative": "taylor,arbiter=mean,scope=global,normaliser=relative",
    "global Fisher": "fisher,arbiter=mean,scope=global,normaliser=raw,retraining=finetune",
    "global Fisher, distilled": "fisher,arbiter=mean,scope=global,normaliser=raw,retraining=distill",
    "global L1": "l1,scope=global,normaliser=raw",
    "global L1, relative": "l1,scope=global,normaliser=relative",
    "global group L1": "group_l1,scope=global,normaliser=raw",
    "global random": "random,scope=global,normaliser=raw",
}
# What is asked, and its two sides.
QUESTIONS = (
    ("criterion", "Taylor", "L1"),
    ("criterion", "Taylor", "group L1"),
    ("criterion", "Taylor", "Fisher"),
    ("criterion", "L1", "random"),
    ("criterion, global", "global Taylor", "global L1"),
    ("criterion, global", "global Taylor", "global group L1"),
    ("criterion, global", "global Taylor", "global Fisher"),
    ("criterion, global", "global L1", "global random"),
    ("allocation", "global Taylor", "Taylor"),
    ("allocation", "global Fisher", "Fisher"),
    ("both", "global Fisher", "Taylor"),
    ("allocation", "global L1", "L1"),
    ("allocation", "global group L1", "group L1"),
    ("allocation", "global Taylor, relative", "Taylor"),
    ("normaliser", "global Taylor, relative", "global Taylor"),
    ("normaliser", "global L1, relative", "global L1"),
    ("members", "group L1", "L1"),
    ("arbiter", "Taylor, union", "Taylor"),
    ("arbiter, global", "global Taylor, sum", "global Taylor"),
    ("arbiter, global", "global Taylor, union", "global Taylor"),
    ("distillation", "Taylor, distilled", "Taylor"),
    ("distillation", "global Fisher, distilled", "global Fisher"),
)


def losses(path: Path, ratios: Sequence[float] = (), columns: Sequence[str] = ("bbox_ap", "mask_ap")) -> Table:
    """Every method at every ratio: points of AP against the dense model that had the same extra training.

    Args:
        path: of a sweep's runs.csv.
        ratios: those to show; all if empty.
        columns: measures, of which each cell has one figure.
    """
    found = read(path.parent)
    deltas = [f"delta_{column}" for column in columns]
    lines = [line for line in summary(found.table, deltas) if line.stage == "final"]
    shown = [ratio for ratio in sorted({line.asked for line in lines}) if not ratios or ratio in ratios]
    cells = {
        (line.name, line.asked): " / ".join(figure(line, delta, 1, POINTS).replace("-", "−") for delta in deltas)
        for line in lines
    }
    titles = " / ".join(found.problem.measures[column].title for column in columns)
    rows = [[name, *(cells.get((name, ratio), "") for ratio in shown)] for name in names(found.table)]
    return [f"{titles}, points, ± standard deviation", *(f"{percent(ratio)} of the MACs" for ratio in shown)], rows


def classes(path: Path, ratios: Sequence[float], columns: Sequence[str] = ("bbox_ap", "mask_ap")) -> Table:
    """What each class has of measures in the dense model with the same extra training, and what every method changes.

    Args:
        path: of a sweep's runs.csv.
        ratios: the one that the methods pruned.
        columns: measures, of which each cell has one figure; means over seeds, in points.
    """
    found = read(path.parent)
    ends = whole_network_ends(found.table)
    ends = ends[ends["asked"].isin(ratios)].assign(curve=lambda rows: labels(rows, rows))
    controls = found.table[found.table["run"].isin(ends["reference"]) & (found.table["stage"] == "dense_control")]
    before = class_means(class_measures(found, controls), controls.index)
    changes = class_changes(found, ends)
    after = {name: class_means(changes, ends.index[ends["curve"] == name]) for name in names(found.table)}
    titles = " / ".join(found.problem.measures[column].title for column in columns)
    rows = [
        [
            name, f"{of[OBJECTS]:.0f}", " / ".join(f"{100 * of[column]:.1f}" for column in columns),
            *(" / ".join(f"{100 * one.at[name, column]:+.1f}".replace("-", "−") for column in columns)
              for one in after.values()),
        ]
        for name, of in before.iterrows() if of[list(columns)].notna().all()
    ]  # fmt: skip
    return [f"{titles}, points", "objects", "dense, same extra training", *after], rows


def contrasts(path: Path, stage: str = "") -> tuple[Table, str]:
    """The answers to QUESTIONS, task by task, and over what they are corrected.

    Args:
        path: of a sweep's runs.csv.
        stage: of the runs; their end if empty.
    """
    found = read(path.parent)
    pairs = {one: both for one in QUESTIONS if (both := _both(found, one[1:], stage))}
    compared = compare_all(list(pairs.values()))
    titles = [contrast.title for contrast in compared[0].contrasts] if compared else []
    rows = [
        [what, f"{first} − {second}", ", ".join(percent(ratio) for ratio in one.ratios), *_answers(one)]
        for (what, first, second), one in zip(pairs, compared, strict=True)
    ]
    seeds = " or ".join(str(count) for count in sorted({len(one.seeds) for one in compared}))
    said = f"{seeds} seeds; {compared[0].correction}." if compared else ""
    return (["asked of", "hundredths of quality", "MACs gone", *titles], rows), said


def _both(found: Sweep, sides: Sequence[str], stage: str) -> tuple[Selection, Selection] | None:
    """The two sides of a question, where the sweep has both; a side of several kinds of run is an error."""
    ending = f",stage={stage}" if stage else ""
    try:
        first, second = (select(found, METHODS[side] + ending, side) for side in sides)
    except NoRuns:
        return None
    return first, second


def _answers(one: Comparison) -> list[str]:
    """A cell a task: mean and interval, bold where there is a claim."""
    cells = []
    for contrast in one.contrasts:
        limits = contrast.mean, contrast.low, contrast.high
        mean, low, high = (f"{100 * value:+.1f}".replace("-", "−") for value in limits)
        text = f"{mean} [{low}, {high}]"
        cells.append(f"**{text}**" if contrast.claimed else text)
    return cells
