"""The page of what is done with each layer and operation: `python -m pruning.coverage.coverage_table docs/layers.md`.

Nothing in it is claimed: each row is read from the graph of a small model around the layer.
"""

import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras

from pruning.coverage.layer_examples import Example, layer_examples, surrounded
from pruning.coverage.operation_examples import operation_example, operation_names
from pruning.graph.channel_graph import ChannelGraph
from pruning.layers.layer_rule import Locked
from pruning.layers.registry import rule_of_class
from pruning.progress import with_bar

PRUNED, INSIDE, FOLLOWS, KEPT, UNKNOWN = "pruned", "pruned inside", "follows", "kept whole", "unknown"
_ABSTRACT = {"Layer", "Wrapper", "InputSpec"}
_HEAD = """# Which layers are pruned

Made by `python -m pruning.coverage.coverage_table docs/layers.md` with Keras {version}, from the graph of a small model
around each layer, and around each function of `keras.ops`. A test removes half of the channels of each of these models
and compares with masking them: the outputs are equal to 1e-5.

- **pruned**: the layer's own channels may go, and with those before it what it reads.
- **pruned inside**: what comes in stays, but the layer's own channels may go.
- **follows**: channels that come in may go, and come out.
- **kept whole**: what comes in and what comes out stays, for the reason given; the rest of the model is pruned.
- **unknown**: likewise, and a warning says how to state what the layer does: [own_layer.md](own_layer.md).

What a layer does may depend on its settings and on what is around it (a softmax over channels, a reshape that mixes
them with positions, a model's output): `print(graph)` and `graph.report()` say it for one model, with the reason.
"""


def verdict(model: Any) -> tuple[str, str]:
    """What is done with the layer of an example, and why, if it is kept whole."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = ChannelGraph(model, unknown="keep")
    if graph.unknown:
        return UNKNOWN, ""
    before = [group for group in graph.groups if any(m.path.startswith("before") for m in group.producers)]
    inner = [group for group in graph.prunable if not _outside(group)]
    if any(group.locked is None for group in before):
        return (PRUNED if inner else FOLLOWS), ""
    if inner:
        return (INSIDE if before else PRUNED), ""
    locked = next((group.locked for group in (*before, *graph.groups) if group.locked), "")
    return KEPT, _reason(locked, [call.path for call in graph.calls])


def layer_verdicts() -> dict[str, tuple[str, str]]:
    """Name of every public layer -> what is done with it, and why."""
    examples, found = layer_examples(), {}
    for name in _shown("layers", [name for name in dir(keras.layers) if isinstance(getattr(keras.layers, name), type)]):
        if name not in _ABSTRACT:
            found[name] = _told(getattr(keras.layers, name), examples)
    return found


def _told(kind: type, examples: dict[str, Example]) -> tuple[str, str]:
    if kind is keras.layers.InputLayer:
        return KEPT, "the model's input"
    known = next((example for name, example in examples.items() if getattr(keras.layers, name) is kind), None)
    if known is not None:
        return verdict(surrounded(known))
    rule = rule_of_class(kind)
    return (KEPT, rule.reason) if isinstance(rule, Locked) else (UNKNOWN, "")


def operation_verdicts() -> dict[str, tuple[str, str]]:
    """Name of every function of keras.ops that a Functional model may hold -> what is done with it, and why."""
    found = {}
    for name in _shown("operations", operation_names()):
        model = operation_example(name)
        if model is not None:
            found[name] = verdict(model)
    return found


def page(layers: dict[str, tuple[str, str]], operations: dict[str, tuple[str, str]]) -> str:
    """The page, in Markdown."""
    parts = [_HEAD.format(version=keras.__version__)]
    for title, found in (("Layers (`keras.layers`)", layers), ("Operations (`keras.ops`)", operations)):
        rows: dict[tuple[str, str], list[str]] = {}
        for name, row in found.items():
            rows.setdefault(row, []).append(f"`{name}`")
        order = [PRUNED, INSIDE, FOLLOWS, KEPT, UNKNOWN]
        lines = [f"\n## {title}\n", "| | | |", "| --- | --- | --- |"]
        for (told, why), names in sorted(rows.items(), key=lambda item: (order.index(item[0][0]), item[0][1])):
            lines.append(f"| **{told}** | {why} | {' '.join(names)} |")
        parts.append("\n".join(lines) + "\n")
    return "".join(parts)


def _outside(group: Any) -> bool:
    return any(member.path.startswith(("before", "end")) for member in group.producers) or not group.producers


def _reason(locked: str, paths: Iterable[str]) -> str:
    """The first reason, without the names of the example's layers."""
    found = locked.split("; ")[0]
    for path in paths:
        found = found.removesuffix(f" ({path})").removeprefix(f"{path} ")
    return found


def _shown(what: str, names: Iterable[str]) -> Iterable[str]:
    every = list(names)
    return with_bar(every, what, len(every))


def main() -> None:
    """Write the page into the file that the command names."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m pruning.coverage.coverage_table docs/layers.md")
    Path(sys.argv[1]).write_text(page(layer_verdicts(), operation_verdicts()), encoding="utf-8")


if __name__ == "__main__":
    main()
