"""How much of other packages' models can go, as they come: results/zoo, a row a model (wants the extra `zoo`)."""

from __future__ import annotations

import re
import warnings
from importlib.metadata import version
from pathlib import Path

# isort: off
from experiments.runs import tensorflow_setup  # noqa: F401  # before anything that imports TensorFlow
# isort: on

import keras
import numpy as np
import pandas as pd
from rich.progress import track

import pruning
from experiments.commands import guarded
from experiments.runs.run_folder import write_text
from experiments.zoo.zoo_models import PACKAGES, models

FOLDER = Path("results/zoo")


def tried(build) -> dict[str, object]:
    """What of a model can go, and the largest difference between masking and removing half of its filters."""
    keras.utils.set_random_seed(0)
    model, draw = build(), np.random.default_rng(0)
    for weight in model.weights:  # nothing is to pass by chance: zero biases and gammas, scales of one
        if len(weight.shape) == 1 and "float" in str(weight.dtype):
            weight.assign(weight + draw.uniform(0.05, 0.2, weight.shape))
    graph = pruning.ChannelGraph(model, unknown="keep")
    if any(isinstance(call.layer, keras.layers.BatchNormalization) for call in graph.calls):
        pruning.recalibrate(model, [_pictures(draw, graph, 8)], plain=True)  # else every picture may give the same
    shapes = {name: (1, *shape[1:]) for name, shape in graph.input_shapes.items()}
    most = graph.report(shapes).most
    plan = pruning.plan(graph, pruning.Random(0)(graph), 0.5)
    x = _pictures(draw, graph, 2)
    one, other = (keras.tree.flatten(twin(x)) for twin in (pruning.mask(graph, plan), pruning.remove(graph, plan)))
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(one, other, strict=True)]
    worst = max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in pairs)
    spread = min(float(np.abs(a[0] - a[1]).max() / np.abs(a).max()) for a, _ in pairs)  # of two pictures' outputs
    cost = pruning.cost(graph, shapes)
    unknown = ", ".join(dict.fromkeys(re.findall(r"\((\w+)\)", " ".join(graph.unknown))))
    return {
        "macs": cost.macs,
        "uncounted": len(cost.uncounted),
        "macs_can_go": most["macs"],
        "params_can_go": most["params"],
        "difference": worst,
        "spread": spread,
        "unknown": unknown,
        "error": "",
    }


def _pictures(draw: np.random.Generator, graph: pruning.ChannelGraph, count: int) -> np.ndarray:
    """Coarse noise for a model of one input, in [-1, 1]: finer noise looks the same once it is pooled."""
    ((_, height, width, depth),) = graph.input_shapes.values()
    patches = draw.uniform(-1, 1, (count, height // 8, width // 8, depth))
    return patches.repeat(8, axis=1).repeat(8, axis=2).astype("float32")


def page(table: pd.DataFrame) -> str:
    """The rows as a Markdown table, under the versions that they were made with."""
    lines = [
        f"Keras {keras.__version__}, " + ", ".join(f"{each} {version(each)}" for each in PACKAGES),
        "",
        "| package | model | MACs | of them can go | of params | difference | spread | kept whole, not known |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for row in table.fillna("").to_dict("records"):
        what = [""] * 5 + [row["error"]]
        if not row["error"]:
            partial = f", {row['uncounted']:.0f} layers not counted" if row["uncounted"] else ""
            shares = [f"{row[name]:.1%}" for name in ("macs_can_go", "params_can_go")]
            errors = [f"{row[name]:.0e}" for name in ("difference", "spread")]
            what = [f"{row['macs'] / 1e6:,.0f} M{partial}", *shares, *errors, row["unknown"]]
        lines.append("| " + " | ".join([row["package"], row["model"], *what]) + " |")
    return "\n".join(lines) + "\n"


def main() -> int:
    warnings.simplefilter("ignore")
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = []
    for package, name, build in track(list(models()), description="trying models"):
        try:
            found = tried(build)
        except Exception as error:  # noqa: BLE001 - what a package's model raises is a row of the table
            found = {"error": f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"}
        rows.append({"package": package, "model": name, **found})
        table = pd.DataFrame(rows)
        write_text(FOLDER / "zoo.csv", table.to_csv(index=False, float_format="%.6g"))
        write_text(FOLDER / "zoo.md", page(table))
    print(f"{(table['error'] == '').sum()} of {len(table)} models; written: {FOLDER / 'zoo.md'}")
    return 0


if __name__ == "__main__":
    guarded(main)
