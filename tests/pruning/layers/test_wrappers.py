"""Layers around a layer: what is inside is pruned."""

import keras
import pytest

import pruning

L = keras.layers


def test_a_layer_at_every_step(nets, holds):
    film = keras.Input((4, 8, 8, 3), name="film")
    x = L.TimeDistributed(L.Conv2D(6, 3, activation="relu", name="inner"), name="conv")(film)
    x = L.TimeDistributed(L.BatchNormalization(name="inner_norm"), name="norm")(x)
    x = L.TimeDistributed(L.Flatten(), name="flat")(L.TimeDistributed(L.MaxPooling2D(2), name="pool")(x))
    x = L.TimeDistributed(L.Dense(7, activation="relu"), name="dense")(x)
    model = nets.shake(keras.Model(film, L.Dense(2, name="end")(L.LSTM(5, name="lstm")(x))))
    graph = holds(model, expect=["conv/inner", "dense/dense", "lstm"])
    macs = 4 * (36 * 27 * 6 + 9 * 6 * 7 + 4 * (7 + 5) * 5) + 5 * 2
    assert pruning.cost(graph).macs == macs and not graph.loose


def test_an_unknown_layer_inside_is_kept_whole(holds, nets):
    class Odd(L.Layer):
        def call(self, inputs):
            return keras.ops.flip(inputs, -1)

        def compute_output_shape(self, shape):
            return shape

    words = keras.Input((4, 3), name="words")
    x = L.TimeDistributed(Odd(name="odd"), name="steps")(L.Dense(6, name="before")(L.Dense(5, name="free")(words)))
    model = nets.shake(keras.Model(words, L.Dense(2, name="end")(L.Flatten(name="flat")(x))))
    with pytest.warns(UserWarning, match="'steps/odd' .Odd."):
        holds(model, expect=["free"])


@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave"])
@pytest.mark.parametrize("kind", [L.LSTM, L.GRU])
def test_both_ways(nets, holds, kind, merge):
    words = keras.Input((4, 3), name="words")
    x = L.Bidirectional(kind(6, return_sequences=True, name="r"), merge_mode=merge, name="both")(
        L.Conv1D(5, 1, name="conv")(words)
    )
    x = L.Bidirectional(kind(4, name="s"), backward_layer=kind(4, go_backwards=True, name="t"), name="again")(x)
    model = nets.shake(keras.Model(words, L.Dense(2, name="end")(x)))
    graph = holds(model)
    assert len(graph.prunable) == (5 if merge == "concat" else 4) and not graph.loose
    gates = 4 if kind is L.LSTM else 3
    width = 12 if merge == "concat" else 6
    assert pruning.cost(model).macs == 60 + 4 * 2 * gates * ((5 + 6) * 6 + (width + 4) * 4) + 16


def test_states_of_both_ways_keep_it_whole(nets, holds):
    words = keras.Input((4, 3), name="words")
    x, *states = L.Bidirectional(L.GRU(6, return_state=True), name="both")(L.Dense(5, name="before")(words))
    x = L.Dense(2, name="end")(L.Dense(7, name="free")(L.Concatenate(name="all")([x, *states])))
    holds(nets.shake(keras.Model(words, x)), expect=["free"])
