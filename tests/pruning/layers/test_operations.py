"""Raw operations of a Functional graph."""

import keras
import pytest

import pruning

L = keras.layers
ops = keras.ops


@pytest.mark.parametrize("parts", [2, 4, [3, 11], [1]])
def test_a_split_of_channels(nets, holds, parts):
    """A block of C2f's kind: the last piece goes through a layer, and all are joined again."""
    image = keras.Input((8, 8, 3), name="image")
    pieces = ops.split(L.Conv2D(16, 3, padding="same", name="conv")(image), parts, axis=-1)
    x = L.Concatenate(name="both")([*pieces, L.Conv2D(8, 1, name="deeper")(pieces[-1])])
    x = L.GlobalAveragePooling2D(name="mean")(x)
    model = nets.shake(keras.Model(image, L.Dense(3, name="end")(x)))
    graph = holds(model)
    assert sum(group.size for group in graph.prunable) == 24 and len(graph.prunable) == len(pieces) + 1
    most = pruning.plan(graph, pruning.L1()(graph), 0.7, scope="global")
    assert all(len(gone) < graph[name].size for name, gone in most.removed.items())


def test_a_split_of_positions(nets, holds):
    words = keras.Input((6, 3), name="words")
    a, b = ops.split(L.Conv1D(8, 3, padding="same", name="conv")(words), 2, axis=1)
    model = nets.shake(keras.Model(words, L.Dense(3, name="end")(L.Flatten(name="flat")(a + b))))
    holds(model, expect=["conv"])
