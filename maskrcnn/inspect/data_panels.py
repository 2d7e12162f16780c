"""The figures of a whole data set: precision and recall, confusion of classes, the worst pictures of each task."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from maskrcnn.evaluation.evaluator import Evaluation
from maskrcnn.evaluation.measures import MEASURES
from maskrcnn.evaluation.probe import image_probes
from maskrcnn.inspect.confusion import confusion
from maskrcnn.inspect.data_set_views import BY_TASK, Survey, precision_recall, survey, worst_pictures
from maskrcnn.inspect.figures import data_set_figures, worst_figures
from maskrcnn.inspect.panels import Panel

_TASKS = {
    "proposal": "the proposals",
    "bbox": "the boxes' refinement",
    "class": "the classes",
    "mask": "the masks",
}
_WORST = {
    "proposal": "Objects and whether one of the hundred best proposals finds them. Look for a size, a place or a "
    "class that they share.",
    "bbox": "Jittered boxes, dotted, and as the box head refines them, solid; a third of those asked are drawn.",
    "class": "Objects whose true or jittered boxes get a wrong class, and which.",
    "mask": "Masks that the mask head answers on the true boxes, beside the true outlines.",
}


def data_panels(
    model: Any, dataset: Any, limit: int | None = None, worst: int = 10, probe_seed: int = 0, progress: bool = True
) -> list[Panel]:
    """Measure a model on a data set, and draw what it says. See `maskrcnn.evaluation.evaluate`.

    Args:
        model: a MaskRCNN.
        dataset: a Dataset of its classes.
        limit: first so many pictures only.
        worst: pictures of each task that are shown.
        probe_seed: of the probe boxes.
        progress: shows a bar if it lasts.

    Raises:
        ValueError: as `evaluate`.
    """
    found = survey(model, dataset, limit=limit, probe_seed=probe_seed, progress=progress)
    return [*curve_panels(found), *(_worst_panel(model, dataset, found, task, worst, probe_seed) for task in BY_TASK)]


def curve_panels(found: Survey) -> list[Panel]:
    """Precision and recall of boxes and masks, and the confusion of classes."""
    evaluation = found.evaluation
    panels = []
    for kind, text in (("bbox", "boxes"), ("mask", "masks")):
        measures = evaluation.measures[kind]
        panels.append(
            Panel(
                8, f"precision_{kind}", f"Precision and recall of {text}",
                "Of the detections above some score, the share that is right, over the share of objects found, by "
                "class. A curve that ends early misses objects whatever the score; one that begins low is sure of "
                "wrong ones.",
                f"AP {measures['ap']:.3f}, at IoU 0.5 {measures['ap50']:.3f}, at 0.75 {measures['ap75']:.3f}.",
                functools.partial(_curves, evaluation, kind),
            )
        )  # fmt: skip
    taken = confusion(evaluation)
    counts = taken.counts
    right = int(counts.diagonal()[1:].sum())
    panels.append(
        Panel(
            8, "confusion", "Which class is taken for which",
            f"Detections above {taken.score:g} paired with objects (IoU {taken.overlap:g}), whatever their classes, "
            "with the mean IoU of their boxes. The diagonal is right; the last column are missed objects, the last row "
            "detections of nothing.",
            f"{right} objects found rightly, {int(counts[1:, 1:].sum()) - right} as another class, "
            f"{int(counts[1:, 0].sum())} missed; {int(counts[0].sum())} detections of nothing.",
            lambda: data_set_figures.confusion_matrix(taken),
            wide=len(taken.class_names) > 4,
        )
    )  # fmt: skip
    return panels


def _curves(evaluation: Evaluation, kind: str) -> Figure:
    return data_set_figures.precision_curves(precision_recall(evaluation, kind))


def _worst_panel(model: Any, dataset: Any, found: Survey, task: str, count: int, probe_seed: int) -> Panel:
    rows = worst_pictures(found, task, count)
    measure = MEASURES[f"{task}_{BY_TASK[task]}"]
    return Panel(
        8, f"worst_{task}", f"The {len(rows)} worst pictures for {_TASKS[task]}",
        f"{_WORST[task]} The number is the picture's {measure.description}.",
        f"From {rows[0][1]:.2f} to {rows[-1][1]:.2f}; all pictures together have "
        f"{found.evaluation.measures[task][BY_TASK[task]]:.2f}." if rows else "No picture has anything to measure.",
        lambda: worst_figures.worst(task, _asked(model, dataset, rows, probe_seed), tuple(dataset.class_names)),
        wide=True,
    )  # fmt: skip


def _asked(model: Any, dataset: Any, rows: Sequence[tuple[int, float]], probe_seed: int) -> list[tuple]:
    """The worst pictures once more, with the model's answers: to keep those of all pictures would take much memory."""
    found = []
    for index, value in rows:
        sample = dataset[index]
        probes = image_probes(sample, probe_seed, index)
        found.append((sample, probes, model.measure([sample.image], [probes.boxes], [probes.mask_boxes])[0], value))
    return found
