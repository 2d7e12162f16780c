"""Time the evaluation of a COCO-sized data set's detections beside plain pycocotools, and compare every digit.

Pictures, objects and detections are drawn at random, as many as COCO's validation set has: 5,000 pictures, about 36,000
objects of 80 classes, 100 detections a picture. Each evaluator works in a process of its own, which has the data
already: what it needs beyond them is its memory. Times are the processor's, which a busy machine disturbs least. Writes
results/benchmark/evaluation.json.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from experiments.commands import guarded
from experiments.runs.run_folder import write_text
from experiments.settings.flags import read_flags
from experiments.settings.recipe import Count, Settings
from maskrcnn.evaluation.end_to_end.ap import match

HEIGHT, WIDTH = 480, 640
LEAST, MOST = np.log(12.0), np.log(300.0)  # sides of objects, px


class EvaluationSpeed(Settings):
    """What is drawn and timed."""

    pictures: Count = 5000
    """pictures of 480 x 640 px."""
    objects: Count = 7
    """of a picture, on average."""
    detections: Count = 100
    """of a picture."""
    classes: Count = 80
    """of objects."""
    seed: int = 0
    """of the drawing."""
    output: str = "results/benchmark"
    """folder to write into."""


def drawn(settings: EvaluationSpeed) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """COCO's ground truth, and its results by kind: boxes and ellipses in them, some near an object, some astray."""
    rng = np.random.default_rng(settings.seed)
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def places(count: int) -> np.ndarray:
        sides = np.minimum(np.exp(rng.uniform(LEAST, MOST, (count, 2))), [WIDTH - 1, HEIGHT - 1])
        return np.concatenate([rng.random((count, 2)) * ([WIDTH, HEIGHT] - sides), sides], axis=1)

    def masks(boxes: np.ndarray) -> list[dict[str, Any]]:
        corners = boxes[:, None, :2] + boxes[:, None, 2:] * (circle + 1) / 2
        runs = [coco_mask.frPyObjects([one.reshape(-1).tolist()], HEIGHT, WIDTH)[0] for one in corners]
        return [{"size": one["size"], "counts": one["counts"].decode("ascii")} for one in runs]

    objects: list[dict[str, Any]] = []
    results: dict[str, list[dict[str, Any]]] = {"bbox": [], "segm": []}
    for picture in range(1, settings.pictures + 1):
        boxes = places(int(rng.geometric(1 / (settings.objects + 1))) - 1)
        here = rng.integers(1, settings.classes + 1, 1 + rng.poisson(2))
        labels = rng.choice(here, len(boxes))
        for box, label, runs in zip(boxes.tolist(), labels.tolist(), masks(boxes), strict=True):
            objects.append({
                "id": len(objects) + 1, "image_id": picture, "category_id": label, "bbox": box, "segmentation": runs,
                "area": float(coco_mask.area(runs)), "iscrowd": int(rng.random() < 0.01),
            })  # fmt: skip
        found, classes = places(settings.detections), rng.integers(1, settings.classes + 1, settings.detections)
        near = rng.random(len(found)) < 0.6 * bool(len(boxes))
        whose = rng.integers(0, max(1, len(boxes)), len(found))[near]
        found[near] = boxes[whose]
        found[near, :2] += rng.normal(0, 0.12, (near.sum(), 2)) * boxes[whose, 2:]
        found[near, 2:] *= np.exp(rng.normal(0, 0.12, (near.sum(), 2)))
        classes[near] = np.where(rng.random(near.sum()) < 0.7, labels[whose], classes[near])
        scores = np.round(np.where(near, rng.beta(3, 2, len(found)), rng.beta(1, 6, len(found))), 4)
        columns = found.tolist(), classes.tolist(), scores.tolist(), masks(found)
        for box, label, score, runs in zip(*columns, strict=True):
            head = {"image_id": picture, "category_id": label, "score": score}
            results["bbox"].append(head | {"bbox": box})
            results["segm"].append(head | {"segmentation": runs})
    truth = {
        "info": {},
        "images": [{"id": n, "height": HEIGHT, "width": WIDTH} for n in range(1, settings.pictures + 1)],
        "categories": [{"id": n, "name": f"class {n}"} for n in range(1, settings.classes + 1)],
        "annotations": objects,
    }
    return truth, results


def plain(truth: dict[str, Any], rows: list[dict[str, Any]], kind: str) -> np.ndarray:
    """pycocotools' precision (T, 101, classes, sizes) of the best 100 detections of a class."""
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO()
        index.dataset = truth
        index.createIndex()
        run = COCOeval(index, index.loadRes(rows), kind)
        run.params.maxDets = [100]
        run.evaluate()
        run.accumulate()
    return run.eval["precision"][..., 0]


def ours(truth: dict[str, Any], rows: list[dict[str, Any]], kind: str) -> np.ndarray:
    """The same, as `maskrcnn.evaluate` works it out."""
    return match(truth, rows, kind).precision


def measured(evaluate: Callable, *given: Any) -> dict[str, Any]:
    """CPU seconds and bytes that an evaluation takes in a process of its own, and its precision."""
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=_measured, args=(sender, evaluate, given))
    process.start()
    found = receiver.recv()
    process.join()
    return found


def _measured(sender: Any, evaluate: Callable, given: tuple) -> None:
    import resource

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)

    before, began = peak(), time.process_time()
    precision = evaluate(*given)
    cpu_seconds = round(time.process_time() - began, 2)
    sender.send({"cpu_seconds": cpu_seconds, "bytes": peak() - before, "precision": precision})


def main() -> int:
    settings = read_flags(EvaluationSpeed, "python -m experiments.problems.detector_speed.evaluation_speed", __doc__)
    print(f"drawing {settings.pictures} pictures")
    truth, results = drawn(settings)
    report: dict[str, Any] = {"objects": len(truth["annotations"]), "detections": len(results["bbox"])}
    for kind, rows in results.items():
        found = {}
        for name, evaluate in (("taskprune", ours), ("pycocotools", plain)):
            found[name] = measured(evaluate, truth, rows, kind)
        one, other = (of.pop("precision") for of in found.values())
        found["ratio"] = round(found["taskprune"]["cpu_seconds"] / found["pycocotools"]["cpu_seconds"], 3)
        report[kind] = {**found, "ap": float(other[other > -1].mean()), "equal": bool(np.array_equal(one, other))}
        print(f"{kind}: {found['taskprune']}, pycocotools {found['pycocotools']}, equal: {report[kind]['equal']}")
    report |= {
        "settings": settings.model_dump(),
        "versions": f"numpy {np.__version__}, pycocotools {version('pycocotools')}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    folder = Path(settings.output)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "evaluation.json", json.dumps(report, indent=1) + "\n")
    print(f"written: {folder / 'evaluation.json'}")
    return 0


if __name__ == "__main__":
    guarded(main)
