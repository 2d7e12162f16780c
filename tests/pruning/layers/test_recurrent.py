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


@pytest.mark.parametrize(
    ("cells", "expect"),
    [
        (lambda: L.LSTMCell(6, name="one"), ["conv", "rnn/one"]),
        (lambda: L.GRUCell(6, reset_after=False, name="one"), ["conv", "rnn/one"]),
        (lambda: [L.GRUCell(6, name="one"), L.LSTMCell(5, name="two")], None),
    ],
)
def test_a_layer_of_cells(nets, holds, cells, expect):
    words = keras.Input((5, 3), name="words")
    x = L.Conv1D(6, 3, padding="same", name="conv")(words)
    x, *states = L.RNN(cells(), return_state=True, return_sequences=True, name="rnn")(x)
    x = L.Concatenate(name="all")([L.GlobalAveragePooling1D(name="mean")(x), *keras.tree.flatten(states)])
    model = nets.shake(keras.Model(words, L.Dense(2, name="end")(x)))
    graph = holds(model, expect=expect)
    assert len(graph.prunable) == (3 if expect is None else 2) and not graph.loose


def test_macs_of_stacked_cells():
    words = keras.Input((5, 3), name="words")
    x = L.RNN([L.GRUCell(6), L.LSTMCell(4), L.SimpleRNNCell(2)])(words)
    assert pruning.cost(keras.Model(words, x)).macs == 5 * (3 * 9 * 6 + 4 * 10 * 4 + 6 * 2)


def test_a_cell_of_ones_own_is_kept_whole_and_named(nets, holds):
    class Own(L.Layer):
        units = state_size = 6

        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 6), name="kernel")

        def call(self, inputs, states):
            made = keras.ops.tanh(keras.ops.matmul(inputs, self.kernel) + states[0])
            return made, [made]

    words = keras.Input((5, 3), name="words")
    x = L.RNN([Own(name="own"), L.LSTMCell(5, name="two")], name="rnn")(L.Dense(8, name="before")(words))
    model = nets.shake(keras.Model(words, L.Dense(2, name="end")(L.Dense(7, name="free")(x))))
    with pytest.warns(UserWarning, match="own' .Own."):
        holds(model, expect=["free"])
    assert pruning.cost(model).uncounted == ("rnn",)


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_maps_that_recur(nets, holds, data_format, sequences):
    shape = (3, 6, 6, 2) if data_format == "channels_last" else (3, 2, 6, 6)
    film = keras.Input(shape, name="film")
    x = L.ConvLSTM2D(4, 3, return_sequences=True, data_format=data_format, name="first")(film)
    x = L.ConvLSTM2D(5, 2, padding="same", return_sequences=sequences, data_format=data_format, name="second")(x)
    axis = -1 if data_format == "channels_last" else 1 + sequences
    x = L.BatchNormalization(axis=axis, name="norm")(x)
    model = nets.shake(keras.Model(film, L.Dense(2, name="end")(L.Flatten(name="flat")(x))))
    holds(model, expect=["first", "second"])
    positions = 3 * 4 * 4
    ends = positions * 5 * 2 if sequences else positions * 5 * 2 // 3
    assert pruning.cost(model).macs == positions * 4 * 4 * (9 * (2 + 4)) + positions * 4 * 5 * (4 * (4 + 5)) + ends


def test_what_is_repeated_for_a_decoder(nets, holds):
    words = keras.Input((5, 3), name="words")
    x = L.RepeatVector(4, name="repeated")(L.LSTM(6, name="reader")(words))
    x = L.TimeDistributed(L.Dense(5), name="steps")(L.LSTM(7, return_sequences=True, name="writer")(x))
    model = nets.shake(keras.Model(words, L.Dense(2, name="end")(L.Flatten(name="flat")(x))))
    holds(model, expect=["reader", "writer", "steps/dense"])
