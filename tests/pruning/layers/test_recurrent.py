"""LSTM, GRU and SimpleRNN lose inputs and units."""

import keras
import numpy as np
import pytest

import pruning

L = keras.layers
KINDS = [
    (L.LSTM, {}, 4), (L.LSTM, {"use_bias": False, "go_backwards": True}, 4), (L.GRU, {}, 3),
    (L.GRU, {"reset_after": False}, 3), (L.SimpleRNN, {"activation": None}, 1),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "settings", "gates"), KINDS)
def test_units_and_inputs_go(nets, holds, kind, settings, gates):
    words = keras.Input((5, 3), name="words")
    x = L.Conv1D(6, 3, padding="same", name="conv")(words)
    x = kind(8, return_sequences=True, name="first", **settings)(x)
    x = kind(10, name="second", **settings)(L.BatchNormalization(name="norm")(x))
    model = nets.shake(keras.Model(words, L.Dense(2, name="end")(x)))
    graph = holds(model, expect=["conv", "first", "second"])
    recurrent = 5 * gates * ((6 + 8) * 8 + (8 + 10) * 10)
    assert pruning.cost(model).macs == 5 * 3 * 3 * 6 + recurrent + 10 * 2
    assert graph.group_of("first").filters.tolist() == [2 * gates] * 8
    assert len(pruning.L1()(graph)["first"]) == 8


def test_states_handed_on_are_tied(nets, holds):
    words = keras.Input((5, 3), name="words")
    read, *states = L.LSTM(6, return_sequences=True, return_state=True, name="reader")(words)
    x = L.LSTM(6, name="writer")(read, initial_state=states)
    model = nets.shake(keras.Model(words, L.Dense(2, name="end")(x)))
    graph = holds(model, expect=["reader"])
    assert sorted(member.path for member in graph["reader"].producers) == ["reader", "writer"]


def test_a_masked_sequence(nets, holds):
    words = keras.Input((5, 3), name="words")
    x = L.LSTM(6, name="reader")(L.Masking(name="masking")(words))
    model = nets.shake(keras.Model(words, L.Dense(2, name="end")(x)))
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    x[:, 3:] = 0
    holds(model, x, expect=["reader"])
