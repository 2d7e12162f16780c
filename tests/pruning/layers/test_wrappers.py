"""Layers around a layer: what is inside is pruned."""

import keras
import numpy as np
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


@pytest.mark.parametrize("merge", ["concat", "sum", None])
@pytest.mark.parametrize("kind", [L.LSTM, L.GRU])
def test_states_of_both_ways_are_tied(nets, holds, kind, merge):
    words = keras.Input((5, 3), name="words")
    x = L.Dense(6, name="before")(words)
    found = L.Bidirectional(kind(6, return_sequences=True, return_state=True), merge_mode=merge, name="read")(x)
    count = 2 if merge is None else 1
    read, states = found[:count], found[count:]
    x = L.Bidirectional(kind(6), name="write")(read[0], initial_state=list(states))
    x = L.Dense(2, name="end")(L.Concatenate(name="all")([x, *(L.GlobalMaxPooling1D()(r) for r in read)]))
    graph = holds(nets.shake(keras.Model(words, x)))
    assert len(graph.prunable) == (2 if merge == "sum" else 3) and not graph.loose


def test_maps_both_ways(nets, holds):
    film = keras.Input((3, 6, 6, 2), name="film")
    x = L.Bidirectional(L.ConvLSTM2D(4, 3), name="both")(film)
    model = nets.shake(keras.Model(film, L.Dense(2, name="end")(L.Flatten(name="flat")(x))))
    assert len(holds(model).prunable) == 2


def test_a_batch_norm_behind_a_layer_at_every_step_is_folded_in(nets, holds):
    film = keras.Input((4, 8, 8, 3), name="film")
    for norm in (L.BatchNormalization(name="norm"), L.TimeDistributed(L.BatchNormalization(), name="norm")):
        x = norm(L.TimeDistributed(L.Conv2D(6, 3, name="inner"), name="conv")(film))
        model = nets.shake(keras.Model(film, L.Dense(2, name="end")(L.Flatten(name="flat")(x))))
        graph = holds(model, expect=["conv/inner"])
        kernel = next(kernel for kernel in graph.kernels if kernel.call.layer.name == "inner")
        assert not (graph.folded(kernel) == kernel.variable.numpy()).all()


@pytest.mark.parametrize(
    "inner",
    [
        lambda: L.Dense(6, name="inner"),
        lambda: L.Conv2D(6, 3, groups=2, name="inner"),
        lambda: L.Conv2DTranspose(6, 3, name="inner"),
        lambda: L.EinsumDense("...x,xy->...y", 6, bias_axes="y", name="inner"),
    ],
)
def test_a_kernel_divided_by_its_norm(nets, holds, inner):
    image = keras.Input((6, 6, 3), name="image")
    x = L.SpectralNormalization(inner(), power_iterations=2, name="norm")(L.Conv2D(8, 1, name="conv")(image))
    model = nets.shake(keras.Model(image, L.Dense(2, name="end")(L.Flatten(name="flat")(x))))
    graph = holds(model)
    assert graph.group_of("norm/inner").locked is None and graph.group_of("conv").locked is None
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    masked, small = pruning.mask(model, plan), pruning.remove(model, plan)
    pictures = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")
    for _ in range(2):  # training divides the kernel by its norm
        assert nets.difference(small(pictures, training=True), masked(pictures, training=True)) < 1e-5


def test_layers_within_layers_within_layers(nets, holds):
    film = keras.Input((4, 6, 3), name="film")
    x = L.TimeDistributed(L.TimeDistributed(L.SpectralNormalization(L.Dense(6, name="deep"))), name="steps")(film)
    x = L.TimeDistributed(L.Bidirectional(L.GRU(5)), name="rows")(x)
    model = nets.shake(keras.Model(film, L.Dense(2, name="end")(L.Flatten(name="flat")(x))))
    assert len(holds(model).prunable) == 3
    assert pruning.cost(model).macs == 4 * 6 * 3 * 6 + 4 * 6 * 2 * 3 * (6 + 5) * 5 + 4 * 10 * 2
