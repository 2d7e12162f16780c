"""How much of other packages' models can go, as they come: results/zoo, a row a model (wants the extra `zoo`)."""

from __future__ import annotations

import os
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
    shapes = {name: (1, *shape[1:]) for name, shape in graph.input_shapes.items()}
    most = graph.report(shapes).most
    plan = pruning.plan(graph, pruning.Random(0)(graph), 0.5)
    x = {name: draw.uniform(0, 1, shape).astype("float32") for name, shape in shapes.items()}
    x = x if len(x) > 1 else next(iter(x.values()))
    one, other = (keras.tree.flatten(twin(x)) for twin in (pruning.mask(graph, plan), pruning.remove(graph, plan)))
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(one, other, strict=True)]
    worst = max(float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-30)) for a, b in pairs)
    unknown = ", ".join(dict.fromkeys(re.findall(r"\((\w+)\)", " ".join(graph.unknown))))
    return {"macs": pruning.cost(graph, shapes).macs, "macs_can_go": most["macs"], "params_can_go": most["params"],
            "difference": worst, "unknown": unknown, "error": ""}  # fmt: skip


def main() -> int:
    warnings.simplefilter("ignore")
    rows = []
    for package, name, build in track(list(models()), description="trying models"):
        try:
            found = tried(build)
        except Exception as error:  # noqa: BLE001 - what a package's model raises is a row of the table
            found = {"error": f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"}
        rows.append({"package": package, "model": name, **found})
    table = pd.DataFrame(rows)
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_text(FOLDER / "zoo.csv", table.to_csv(index=False, float_format="%.6g"))
    shown = [f"Keras {keras.__version__}, " + ", ".join(f"{each} {version(each)}" for each in PACKAGES), "",
             "| package | model | MACs | of them can go | of params | difference | kept whole, not known |",
             "|---|---|--:|--:|--:|--:|---|"]  # fmt: skip
    for row in table.fillna("").to_dict("records"):
        what = ["", "", "", "", row["error"]]
        if not row["error"]:
            what = [f"{row['macs'] / 1e6:,.0f} M", f"{row['macs_can_go']:.0%}", f"{row['params_can_go']:.0%}",
                    f"{row['difference']:.0e}", row["unknown"]]  # fmt: skip
        shown.append("| " + " | ".join([row["package"], row["model"], *what]) + " |")
    write_text(FOLDER / "zoo.md", "\n".join(shown) + "\n")
    print(f"{(table['error'] == '').sum()} of {len(table)} models, written: {FOLDER}{os.sep}zoo.md")
    return 0


if __name__ == "__main__":
    guarded(main)
