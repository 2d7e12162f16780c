"""One pass over a data set: every measure of every task."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from maskrcnn.data.class_order import check_class_order
from maskrcnn.data.sample import Sample
from maskrcnn.evaluation.end_to_end.ap import MOST_DETECTIONS
from maskrcnn.evaluation.end_to_end.detections_only import evaluate_detections
from maskrcnn.evaluation.evaluator import Evaluation, Evaluator
from maskrcnn.evaluation.known_truth import KnownTruth
from maskrcnn.evaluation.measures import Nested
from maskrcnn.evaluation.pass_progress import with_bar
from maskrcnn.evaluation.probe import ImageProbes, ProbeSet, image_probes

if TYPE_CHECKING:
    from maskrcnn.detection.detections import Measured

T = TypeVar("T")

_AHEAD = 1  # batches that are read while the model works: one is always ready, and memory stays small


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
        model: has `measure(images, boxes, mask_boxes)`, one `Measured` a picture; a `MaskRCNN` does. Of what has only
            `detect(image)`, such as an exported file, there are no isolated measures: see `evaluate_detections`.
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

    Warns:
        DataWarning: a picture holds more objects than the model can find.
    """
    if not hasattr(model, "measure"):
        return evaluate_detections(model, dataset, progress, limit)
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
    known: KnownTruth | None = None,
) -> Evaluation:
    """As `evaluate`, with the measures by class, the probes and the detections themselves.

    Args:
        known: of this data set; given again for the next model, it saves what no model changes.

    Returns:
        The `Evaluation`.

    Raises:
        ValueError: as `evaluate`, and where `known` is of another data set.
    """
    if known is not None and known.dataset is not dataset:
        raise ValueError(
            f"known is of {known.dataset!r}, and the data set to evaluate on is {dataset!r}: make a "
            "KnownTruth(dataset) for each"
        )
    config = getattr(model, "config", None)
    most = max(MOST_DETECTIONS, getattr(config, "detections_per_image", MOST_DETECTIONS))
    evaluator = Evaluator(dataset.class_names, probe_seed if probes is None else probes.seed, most, known)
    busiest = 0
    for sample, probe, answer in answers(model, dataset, batch_size, probe_seed, progress, limit, probes):
        evaluator.add(sample, probe, answer)
        busiest = max(busiest, len(sample.labels) - int(sample.crowd.sum()))
    _say_if_too_many(dataset.name, busiest, config)
    return evaluator.result(tide=tide)


def answers(
    model,
    dataset,
    batch_size: int = 8,
    probe_seed: int = 0,
    progress: bool = True,
    limit: int | None = None,
    probes: ProbeSet | None = None,
) -> Iterator[tuple[Sample, ImageProbes, Measured]]:
    """What a model answers about each picture of a data set, one after another. See `evaluate`.

    Yields:
        (sample, probes, measured) of a picture: what `Evaluator.add` takes.
    """
    config = getattr(model, "config", None)
    if config is not None and hasattr(config, "class_names"):
        check_class_order(config.class_names, dataset)
    count = len(dataset) if limit is None else min(limit, len(dataset))
    if count < 1:
        raise ValueError(f"There is nothing to evaluate: {len(dataset)} pictures, limit={limit}.")
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: at least 1 is needed.")
    if probes is not None and len(probes) < count:
        raise ValueError(
            f"The probe set covers {len(probes)} pictures, {count} are asked for: draw one for them all."
        )

    def read(start: int) -> tuple[list[Sample], list[ImageProbes]]:
        batch = range(start, min(start + batch_size, count))
        samples = [dataset[i] for i in batch]
        asked = [
            image_probes(s, probe_seed, i) if probes is None else probes[i]
            for i, s in zip(batch, samples, strict=True)
        ]
        return samples, asked

    starts = range(0, count, batch_size)
    with closing(_ahead(read, starts)) as batches:
        for samples, asked in with_bar(batches, len(starts), progress):
            found = model.measure(
                [s.image for s in samples], [p.boxes for p in asked], [p.mask_boxes for p in asked]
            )
            if len(found) != len(samples):
                raise ValueError(f"model.measure answered for {len(found)} of {len(samples)} pictures.")
            yield from zip(samples, asked, found, strict=True)


def _say_if_too_many(name: str, busiest: int, config) -> None:
    """Warns of objects that no model of the configuration can find, as they are too many in a picture."""
    least = [field for field in ("detections_per_image", "post_nms_test") if getattr(config, field, busiest) < busiest]
    if least:
        from maskrcnn.data import DataWarning  # with TensorFlow, which this module needs for nothing else

        limits = " and ".join(f"{field}={getattr(config, field)}" for field in least)
        changes = ", ".join(f"{field}={busiest if field[0] == 'd' else 2 * busiest}" for field in least)
        warnings.warn(
            f"{name}: a picture holds {busiest} objects, more than the model's {limits}: the others count as missed. "
            f"MaskRCNN(dataclasses.replace(model.config, {changes}), network=model.network) finds more.",
            DataWarning,
            stacklevel=4,
        )


def _ahead(read: Callable[[int], T], starts: Sequence[int]) -> Generator[T, None, None]:
    """read(start) for each start, in order, read in a thread while the caller works on those before.

    At most `_AHEAD` wait beside the one in use. What `read` raises is raised when its turn has come.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="evaluation")
    try:
        waiting: deque[Future[T]] = deque()
        for start in starts:
            waiting.append(pool.submit(read, start))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
