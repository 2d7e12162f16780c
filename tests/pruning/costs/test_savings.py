"""What a channel saves by itself: the whole model's cost with it less that without it, however it is counted."""

import keras
import numpy as np
import pytest

import pruning
from pruning.costs.model_cost import without
from pruning.costs.savings import savings, sized

L = keras.layers


def network():
    """A stream with a block, a concatenation, a layer called twice, and a Flatten that copies channels."""
    image = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, padding="same", name="stem")(image)
    y = L.BatchNormalization()(L.Conv2D(5, 3, padding="same", name="inside")(x))
    x = L.Add()([x, L.Conv2D(4, 1, name="back")(L.ReLU()(y))])
    shared = L.Conv2D(3, 3, strides=2, padding="same", name="shared")
    both = L.Concatenate()([shared(x), L.MaxPooling2D(2)(L.DepthwiseConv2D(3, padding="same")(x))])
    again = L.Conv2D(2, 1, name="again")(shared(L.Conv2D(4, 1, name="other")(x)))
    return keras.Model(image, L.Dense(2, name="out")(L.Flatten()(L.Concatenate()([both, again]))))


@pytest.mark.parametrize("measure", ["macs", "params", "bytes"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_channel_saves_what_the_whole_model_costs_less_without_it(measure, masked):
    model = network()
    graph = pruning.ChannelGraph(model)
    if masked:
        pruning.apply_masks(model, pruning.plan(graph, pruning.L1()(graph), 0.4, scope="global"))
    counts, gone = sized(graph), pruning.silent(graph)
    assert masked == any(channels.any() for channels in gone.values())
    now = getattr(without(counts, gone), measure)
    found = savings(graph, measure)
    for group in graph.prunable:
        for channel in np.flatnonzero(~gone[group.name]):  # one that is gone is priced as its living neighbours
            changed = gone[group.name].copy()
            changed[channel] = True
            price = now - getattr(without(counts, {**gone, group.name: changed}), measure)
            assert found[group.name][channel] == price, (group.name, channel)
