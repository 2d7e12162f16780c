"""Exported files beside the models they were written from: size, time, differences and AP, as a table."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import math
from pathlib import Path
from typing import Any

from experiments.errors import UserError

_ROUNDS = 5  # timed calls of a file and of its model, in turn
_WIDTH = 150  # characters that the table takes
_MEASURES = (
    ("bbox", "ap"), ("bbox", "ap50"), ("class", "matched_accuracy"), ("mask", "ap"), ("mask", "ap50")
)  # fmt: skip
_HEADS = {
    "model": "model", "format": "format", "file_mb": "MB", "gzip_mb": "MB gzipped", "latency_ms": "ms",
    "times_as_fast": "times as fast as Keras", "same": "same detections", "box_px": "box, px", "score": "score",
    "bbox_ap": "box AP", "bbox_ap50": "box AP50", "class_matched_accuracy": "class accuracy, matched",
    "mask_ap": "mask AP", "mask_ap50": "mask AP50",
}  # fmt: skip


class ExportTable:
    """Collects a row for each model and each file that is written from it.

    Args:
        settings: an Export, of which `threads` counts.
        data: gives `compared()`, pictures, and `held_out()`, a data set with objects or None.
    """

    def __init__(self, settings: Any, data: Any) -> None:
        self._threads, self._data = settings.threads or None, data
        self._images = data.compared()
        if not self._images:
            raise UserError("there are no pictures to compare on: name some with --pictures")
        self.rows: list[dict[str, Any]] = []
        self._name, self._model = "", None
        self._keras: dict[str, Any] = {}  # the row of the model itself

    def begin(self, name: str, model: Any, path: Path) -> None:
        """Take the model that the files to come are written from; a row of its own says what Keras itself does."""
        self._name, self._model = name, model
        self._keras = {"model": name, "format": "keras", "precision": "float32", **_sizes(path), **self._ap(model)}
        self.rows.append(self._keras)

    def add(self, path: Path) -> None:
        """Run a file, and add its row.

        Raises:
            UserError: its runtime is not installed, or cannot run it.
        """
        from maskrcnn import export
        from pruning import latency

        try:
            file = export.load(path, self._threads)
        except (ValueError, ImportError) as error:
            raise UserError(str(error)) from None
        sidecar = file.sidecar
        limits = sidecar["score_threshold"], sidecar["max_detections"]
        pictures = [file.fitted(image) for image in self._images[:2]]

        def call(one: Any, images: list) -> None:
            for image in images:
                one.detect(image, *limits)

        timed = latency(file, pictures, self._model, call=call, rounds=_ROUNDS)
        keras_ms = float(timed.against or math.nan) / len(pictures)
        self._keras.setdefault("latency_ms", keras_ms)
        found = export.file_difference(file, self._model, self._images)
        size = sidecar["image_size"]
        self.rows.append(
            {
                "model": self._name,
                "format": sidecar["format"],
                "precision": sidecar["precision"],
                "image_size": "x".join(map(str, size)) if size else "any",
                **_sizes(path),
                "latency_ms": timed / len(pictures),
                "keras_ms": keras_ms,
                "times_as_fast": timed.speedup,
                "threads": timed.threads,
                **dataclasses.asdict(found),
                **self._ap(file),
            }
        )

    def _ap(self, detector: Any) -> dict[str, float]:
        from maskrcnn.evaluation import evaluate_detections

        data = self._data.held_out()
        if data is None:
            return {}
        found = evaluate_detections(detector, data)
        return {f"{task}_{name}": found[task][name] for task, name in _MEASURES} | {"held_out": len(data)}

    def show(self) -> None:
        """Print the table."""
        from rich.console import Console
        from rich.table import Table

        shown = Table(box=None, padding=(0, 2, 0, 0))
        heads, lines = _cells(self.rows)
        for number, head in enumerate(heads):
            shown.add_column(head, justify="left" if number < 2 else "right")
        for line in lines:
            shown.add_row(*line)
        console = Console(highlight=False)
        console.width = max(console.width, _WIDTH)
        console.print(shown)

    def write(self, folder: Path) -> None:
        """Write exports.csv, every figure, and exports.md, the table.

        Raises:
            UserError: the folder cannot be written.
        """
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        heads, lines = _cells(self.rows)
        rows = [heads, ["---", "---", *["---:"] * (len(heads) - 2)], *lines]
        text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "exports.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, names, lineterminator="\n")
                writer.writeheader()
                writer.writerows(self.rows)
            (folder / "exports.md").write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{folder} cannot be written ({error.strerror}); choose another --table") from None


def file_parts(path: Path) -> list[Path]:
    """The files that an exported file is made of: those of a SavedModel's folder, OpenVINO's two, else itself."""
    from maskrcnn.export.sidecar import sidecar_path

    if path.is_dir():
        return sorted(one for one in path.rglob("*") if one.is_file() and one != sidecar_path(path))
    return [path, *([path.with_suffix(".bin")] if path.suffix == ".xml" else [])]


def _sizes(path: Path) -> dict[str, int]:
    parts = [one.read_bytes() for one in file_parts(path)]
    return {"file_bytes": sum(map(len, parts)), "gzip_bytes": sum(len(gzip.compress(one, 6)) for one in parts)}


def _cells(rows: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Heads and lines of the table to read: no column that is empty throughout."""
    seen = [_readable(row) for row in rows]
    names = [name for name in _HEADS if any(row.get(name) for row in seen)]
    return [_HEADS[name] for name in names], [[row.get(name, "") for name in names] for row in seen]


def _readable(row: dict[str, Any]) -> dict[str, str]:
    precision = "" if row["precision"] == "float32" else f", {row['precision']}"
    cells = {
        "model": row["model"],
        "format": row["format"] + precision,
        "file_mb": f"{row['file_bytes'] / 1e6:.1f}",
        "gzip_mb": f"{row['gzip_bytes'] / 1e6:.1f}",
    }
    cells |= {f"{task}_{name}": _number(row.get(f"{task}_{name}"), 3) for task, name in _MEASURES}
    if "latency_ms" in row:
        cells["latency_ms"] = f"{row['latency_ms']:.0f}"
    if "same" in row:
        cells |= {
            "times_as_fast": f"{row['times_as_fast']:.1f}",
            "same": f"{row['same']} of {row['detections']}",
            "box_px": _number(row["box_px"], 2),
            "score": _number(row["score"], 4),
        }
    return cells


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else "-" if math.isnan(value) else f"{value:.{digits}f}"
