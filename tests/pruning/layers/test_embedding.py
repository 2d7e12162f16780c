"""Embeddings lose channels; masks of steps pass by."""

import warnings

import keras
import numpy as np
import pytest

import pruning

L = keras.layers
WORDS = np.array([[3, 5, 1, 0, 0], [2, 0, 0, 0, 0], [7, 7, 2, 4, 9]], "int32")


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("reader", [lambda: L.GlobalAveragePooling1D(), lambda: L.GRU(6), lambda: L.Flatten()])
def test_an_embedding_with_a_mask(nets, holds, reader, lora):
    words = keras.Input((5,), dtype="int32", name="words")
    table = L.Embedding(20, 8, mask_zero=True, name="table")
    x = L.Dense(7, activation="relu", name="dense")(table(words))
    model = keras.Model(words, L.Dense(2, name="end")(reader()(x)))
    if lora:
        table.enable_lora(2)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="kept whole")
        graph = holds(nets.shake(model), WORDS)
    assert {"table", "dense"} <= {group.name for group in graph.prunable}
    assert pruning.cost(model).layers[0].macs == 0


def test_what_a_mask_is_computed_from_stays(nets, holds):
    words = keras.Input((5, 3), name="words")
    x = L.Dense(6, activation="relu", name="seen")(L.Dense(4, name="free")(words))
    x = L.GlobalAveragePooling1D(name="mean")(L.Masking(name="masking")(x))
    graph = holds(nets.shake(keras.Model(words, L.Dense(2, name="end")(x))), expect=["free"])
    assert "reduces over channels" in graph.group_of("seen").locked
