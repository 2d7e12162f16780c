"""Every public layer of Keras is on the page, and what may go can be masked or removed alike."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

import pruning
from pruning.coverage.coverage_table import layer_verdicts, operation_verdicts, page, verdict
from pruning.coverage.layer_examples import WORDS, layer_examples, surrounded
from pruning.coverage.operation_examples import operation_example, operation_names

PAGE = Path(__file__).parents[3] / "docs" / "layers.md"
EXAMPLES = layer_examples()
PRUNED, FOLLOWS, KEPT, UNKNOWN = ("pruned", "pruned inside"), "follows", "kept whole", "unknown"
ABSTRACT = {"Layer", "Wrapper", "InputSpec"}


def told():
    """Name -> what the page says, of layers and of operations."""
    found = [{}, {}]
    for number, part in enumerate(PAGE.read_text(encoding="utf-8").split("\n## ")[1:]):
        for line in part.splitlines():
            row = re.fullmatch(r"\| \*\*(.+)\*\* \|(.*)\| (.*) \|", line)
            if row:
                found[number] |= dict.fromkeys(re.findall(r"`([\w.]+)`", row[3]), row[1])
    return found


def public_layers():
    names = [name for name in dir(keras.layers) if isinstance(getattr(keras.layers, name), type)]
    return set(names) - ABSTRACT


def holds(model, nets):
    """Removes half of what may go from an example, and compares with masking it."""
    nets.shake(model)
    graph = pruning.ChannelGraph(model, unknown="keep")
    plan = pruning.plan(graph, pruning.Random(1)(graph), 0.5)
    assert any(plan.removed.values())
    rng, tensor = np.random.default_rng(0), model.inputs[0]
    x = rng.integers(0, WORDS, (2, *tensor.shape[1:])) if tensor.dtype == "int32" else rng.normal(
        size=(2, *tensor.shape[1:])
    ).astype("float32")
    masked, small = pruning.mask(graph, plan), pruning.remove(graph, plan)
    one, other = (keras.tree.flatten(network(x)) for network in (small, masked))
    for a, b in zip(one, other, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert np.isfinite(b).all() and np.abs(a - b).max() <= 1e-5 * max(np.abs(b).max(), 1e-3)
    left = pruning.cost(graph, plan=plan).effective
    assert small.count_params() == left.params < model.count_params()
    assert pruning.cost(graph.again(small)).macs == left.macs
    return graph


def test_every_public_layer_is_on_the_page():
    layers, _ = told()
    assert set(layers) == public_layers()
    assert {name for name, verdict_ in layers.items() if verdict_ == UNKNOWN} == {"Dot", "Lambda"}


def test_what_is_pruned_or_follows_has_an_example():
    layers, operations = told()
    kinds = {getattr(keras.layers, name) for name in EXAMPLES}
    for name, verdict_ in layers.items():
        if verdict_ in (*PRUNED, FOLLOWS):
            assert getattr(keras.layers, name) in kinds, name
    assert set(operations) <= set(operation_names())
    assert set(operations.values()) >= {FOLLOWS, KEPT}


@pytest.mark.parametrize("name", [name for name in EXAMPLES if told()[0][name] in PRUNED])
def test_what_is_pruned_can_be_removed(name, nets):
    model = surrounded(EXAMPLES[name])
    assert verdict(model)[0] in PRUNED
    holds(model, nets)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in EXAMPLES if told()[0][name] == FOLLOWS])
def test_what_follows_can_be_removed(name, nets):
    holds(surrounded(EXAMPLES[name]), nets)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, verdict_ in told()[1].items() if verdict_ == FOLLOWS])
def test_what_follows_an_operation_can_be_removed(name, nets):
    holds(operation_example(name), nets)


@pytest.mark.slow
def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(layer_verdicts(), operation_verdicts())
