"""One pass over a data set: every measure of every task."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from maskrcnn.evaluation.ap import MOST_DETECTIONS
from maskrcnn.evaluation.evaluator import Evaluation, Evaluator
from maskrcnn.evaluation.measures import Nested
from maskrcnn.evaluation.probe import ProbeSet, image_probes

_PATIENCE_S = 3.0  # a pass that ends sooner shows no bar


def evaluate(
    model,
    dataset,
    batch_size: int = 8,
    probe_seed: int = 0,
    progress: bool = True,
    limit: int | None = None,
    tide: bool = True,
    probes: ProbeSet | None = None,
) -> Nested:
    """Measures each task on its own and end to end; `MEASURES` says what each figure is.

    Args:
        model: has `measure(images, boxes, mask_boxes)`, one `Measured` a picture; a `MaskRCNN` does.
        dataset: a `Dataset`; crowds are ignored as COCO does.
        batch_size: pictures a call of the model.
        probe_seed: seed of the probe set; leave it alone to compare models.
        progress: shows a bar if the pass lasts more than a few seconds.
        limit: first so many pictures only; None: all.
        tide: also the TIDE split of errors; else its keys are missing.
        probes: a stored `ProbeSet` in place of the seed's.

    Returns:
        {"proposal": {...}, "bbox": {...}, "class": {...}, "mask": {...}} of floats, NaN where there is
        nothing to measure; without "mask" where `Measured.mask_probs` is None. AP counts a picture's best 100
        detections of a class, as COCO does, or `detections_per_image` of the model's config where that is more.

    Raises:
        ValueError: if the model's classes are not the data set's, the probes are too few, or an answer has a
            wrong shape.
    """
    return evaluate_in_detail(model, dataset, batch_size, probe_seed, progress, limit, tide, probes).measures


def evaluate_in_detail(
    model,
    dataset,
    batch_size: int = 8,
    probe_seed: int = 0,
    progress: bool = True,
    limit: int | None = None,
    tide: bool = True,
    probes: ProbeSet | None = None,
) -> Evaluation:
    """As `evaluate`, with the measures by class, the probes and the detections themselves.

    Returns:
        The `Evaluation`.
    """
    names = tuple(dataset.class_names)
    config = getattr(model, "config", None)
    learnt = getattr(config, "class_names", None)
    if learnt is not None and tuple(learnt) != names:
        raise ValueError(
            f"The model's classes are {tuple(learnt)}, the data set's {names}: evaluate on a data set "
            "with the same classes in the same order."
        )
    count = len(dataset) if limit is None else min(limit, len(dataset))
    if count < 1:
        raise ValueError(f"There is nothing to evaluate: {len(dataset)} pictures, limit={limit}.")
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: at least 1 is needed.")
    if probes is not None and len(probes) < count:
        raise ValueError(
            f"The probe set covers {len(probes)} pictures, {count} are asked for: draw one for them all."
        )
    most = max(MOST_DETECTIONS, getattr(config, "detections_per_image", MOST_DETECTIONS))
    evaluator = Evaluator(names, probe_seed if probes is None else probes.seed, most)
    starts = range(0, count, batch_size)
    for start in _with_bar(starts, progress):
        batch = range(start, min(start + batch_size, count))
        samples = [dataset[i] for i in batch]
        asked = [
            image_probes(s, probe_seed, i) if probes is None else probes[i]
            for i, s in zip(batch, samples, strict=True)
        ]
        answers = model.measure(
            [s.image for s in samples], [p.boxes for p in asked], [p.mask_boxes for p in asked]
        )
        if len(answers) != len(samples):
            raise ValueError(f"model.measure answered for {len(answers)} of {len(samples)} pictures.")
        for sample, probe, answer in zip(samples, asked, answers, strict=True):
            evaluator.add(sample, probe, answer)
    return evaluator.result(tide=tide)


def _with_bar(items: Sequence[int], show: bool) -> Iterator[int]:
    """The items, with a progress bar once a pass has lasted a few seconds."""
    if not show:
        yield from items
        return
    from rich.progress import Progress

    bar = Progress(transient=True)
    task = bar.add_task("evaluating", total=len(items))
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
