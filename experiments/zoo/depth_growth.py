"""How graph, scores, prices, plan and removal grow with depth: ResNet-18 to 101 and DenseNet-121 to 201.

Of each network seconds (the median of some rounds) and Python function calls, which a busy machine does not change, and
both for each call of a layer; of a DenseNet also the inputs that its layers read, as each of them reads all that came
before it in its block. Writes results/depth_growth/depth_growth.csv and .json (settings, machine, versions).
"""

from __future__ import annotations

import cProfile
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# isort: off
from experiments.runs import tensorflow_setup  # noqa: F401  # before anything that imports TensorFlow
# isort: on

import keras
import pandas as pd
from rich.progress import Progress

import pruning
from experiments.commands import guarded
from experiments.runs.run_folder import write_text
from experiments.settings.flags import read_flags
from experiments.settings.recipe import Count, Settings
from pruning.costs.savings import savings
from pruning.graph.walk import walk

RESNETS = {"ResNet-18": (2, 2, 2, 2), "ResNet-34": (3, 4, 6, 3), "ResNet-50": (3, 4, 6, 3), "ResNet-101": (3, 4, 23, 3)}
DENSENETS = {"DenseNet-121": "DenseNet121", "DenseNet-169": "DenseNet169", "DenseNet-201": "DenseNet201"}


class DepthGrowth(Settings):
    """What is measured."""

    models: tuple[str, ...] = (*RESNETS, *DENSENETS)
    """of ResNet-18, -34, -50, -101, DenseNet-121, -169, -201."""
    size: Count = 64
    """height and width of the pictures, px: what MACs are counted for."""
    sparsity: float = 0.5
    """fraction of the MACs to remove."""
    rounds: Count = 3
    """timings of each step; their median counts."""
    output: str = "results/depth_growth"
    """folder to write into."""


def resnet(blocks: tuple[int, ...], bottleneck: bool, size: int) -> keras.Model:
    """A ResNet classifier of ten classes, a quarter as wide as the published one: width does not change the graph.

    Args:
        blocks: of each stage; bottleneck: blocks of three convolutions, not of two; size: of the pictures, px.
    """
    layers = keras.layers

    def conv(x: Any, width: int, kernel: int, stride: int = 1, relu: bool = True) -> Any:
        x = layers.Conv2D(width, kernel, stride, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        return layers.ReLU()(x) if relu else x

    image = keras.Input((size, size, 3))
    x = layers.MaxPooling2D(3, 2, padding="same")(conv(image, 16, 7, 2))
    for stage, count in enumerate(blocks):
        width = 16 * 2**stage
        for index in range(count):
            stride, out = 2 if stage and not index else 1, width * (4 if bottleneck else 1)
            if bottleneck:
                y = conv(conv(conv(x, width, 1), width, 3, stride), out, 1, relu=False)
            else:
                y = conv(conv(x, width, 3, stride), out, 3, relu=False)
            if stride > 1 or x.shape[-1] != out:
                x = conv(x, out, 1, stride, relu=False)
            x = layers.ReLU()(layers.Add()([y, x]))
    return keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def network(name: str, size: int) -> keras.Model:
    """The network of a name."""
    if name in RESNETS:
        return resnet(RESNETS[name], name in ("ResNet-50", "ResNet-101"), size)
    make = getattr(keras.applications, DENSENETS[name])
    return make(weights=None, input_shape=(size, size, 3), classes=10)


def measured(call: Callable[[], Any], rounds: int) -> tuple[Any, float, int]:
    """What a call gives, its seconds (the median) and how many Python functions it calls."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    profile = cProfile.Profile(builtins=False)
    found = profile.runcall(call)
    return found, statistics.median(seconds), sum(entry.callcount for entry in profile.getstats())


def row(name: str, settings: DepthGrowth) -> dict[str, Any]:
    """A row of the table."""
    model = network(name, settings.size)
    calls = walk(model).calls
    found: dict[str, Any] = {
        "model": name, "layer_calls": len(calls), "layer_inputs": sum(len(call.inputs) for call in calls),
        "params": model.count_params(),
    }
    graph = pruning.ChannelGraph(model)
    scores = pruning.GroupL1()(graph)
    made = pruning.plan(graph, scores, settings.sparsity, scope="global", measure="macs")
    for step, call in {
        "graph": lambda: pruning.ChannelGraph(model),
        "scores": lambda: pruning.GroupL1()(graph),
        "prices": lambda: savings(graph, "macs"),
        "plan": lambda: pruning.plan(graph, scores, settings.sparsity, scope="global", measure="macs"),
        "removal": lambda: pruning.remove(model, made),
    }.items():
        _, seconds, functions = measured(call, settings.rounds)
        found |= {f"{step}_ms": 1e3 * seconds, f"{step}_functions": functions}
    return found


def run(settings: DepthGrowth) -> pd.DataFrame:
    """All rows."""
    with Progress() as bar:
        rows = [row(name, settings) for name in bar.track(settings.models, description="measuring")]
    return pd.DataFrame(rows)


def main() -> int:
    settings = read_flags(DepthGrowth, "depth_growth.py", __doc__)
    folder = Path(settings.output)
    folder.mkdir(parents=True, exist_ok=True)
    table = run(settings)
    write_text(folder / "depth_growth.csv", table.to_csv(index=False, float_format="%.6g"))
    about = {
        "settings": settings.model_dump(), "versions": f"keras {keras.__version__}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    write_text(folder / "depth_growth.json", json.dumps(about, indent=1) + "\n")
    steps = ("graph", "scores", "prices", "plan", "removal")
    for one in table.to_dict("records"):
        parts = (f"{step} {one[f'{step}_ms']:.0f} ms, {one[f'{step}_functions'] / one['layer_calls']:.0f} calls a layer"
                 for step in steps)
        print(f"{one['model']} ({one['layer_calls']} layer calls, {one['layer_inputs']} inputs): {'; '.join(parts)}")
    print(f"written: {folder / 'depth_growth.csv'}")
    return 0


if __name__ == "__main__":
    guarded(main)
