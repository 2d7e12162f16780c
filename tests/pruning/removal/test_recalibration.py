"""Recalibrated statistics are exact means over all that a batch norm reads."""

import keras
import numpy as np
import pytest

import pruning

L = keras.layers


def batches(sizes, shape=(8, 8, 3), seed=0):
    generator = np.random.default_rng(seed)
    return [generator.normal(0.3, 2.0, (size, *shape)).astype("float32") for size in sizes]


def test_statistics_are_those_of_all_positions(nets):
    model = nets.shake(nets.plain())
    data = batches([2, 5, 1])
    assert pruning.recalibrate(model, data) is model
    read = keras.Model(model.input, model.get_layer("conv0").output)(np.concatenate(data))
    norm = model.get_layer("norm0")
    np.testing.assert_allclose(norm.moving_mean, np.mean(read, axis=(0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, np.var(read, axis=(0, 1, 2)), rtol=1e-4)


def test_one_batch_gives_the_outputs_of_training_mode(nets):
    model = nets.shake(nets.plain())
    (data,) = batches([16])
    trained = np.asarray(model(data, training=True))
    pruning.recalibrate(model, [(data, None)])
    assert nets.difference(model(data), trained) < 1e-4


def test_float64_keeps_its_precision():
    image = keras.Input((8, 8, 3), dtype="float64")
    norm = L.BatchNormalization(dtype="float64")
    (data,) = batches([3])
    pruning.recalibrate(keras.Model(image, norm(image)), [data.astype("float64")])
    np.testing.assert_allclose(norm.moving_mean, data.mean(axis=(0, 1, 2), dtype="float64"), rtol=1e-12)


def test_a_shared_norm_counts_every_call_and_frozen_ones_are_set_too():
    image = keras.Input((8, 8, 1), name="image")
    norm = L.BatchNormalization(name="norm", momentum=0.99, scale=False, trainable=False)
    small = L.AveragePooling2D(4, name="pool")(image)
    out = L.Concatenate(axis=1)([L.Reshape((64, 1))(norm(image)), L.Reshape((4, 1))(norm(small))])
    model = keras.Model(image, L.Dropout(0.5)(out))
    (data,) = batches([3], (8, 8, 1))
    pooled = data.reshape(3, 2, 4, 2, 4).mean(axis=(2, 4))
    pruning.recalibrate(model, [data])
    everything = np.concatenate([data.ravel(), pooled.ravel()])
    assert float(norm.moving_mean[0]) == pytest.approx(everything.mean(), rel=1e-4)
    assert float(norm.moving_variance[0]) == pytest.approx(everything.var(), rel=1e-4)
    assert not norm.trainable and norm.call.__func__ is L.BatchNormalization.call


def test_it_repairs_what_removal_left(nets):
    model = nets.shake(nets.plain())
    graph = pruning.ChannelGraph(model)
    small = pruning.remove(model, pruning.plan(graph, pruning.L1()(graph), 0.5))
    data = batches([8, 8])
    before = np.asarray(small.get_layer("norm1").moving_mean)
    pruning.recalibrate(small, data)
    normed = keras.Model(small.input, small.get_layer("norm1").output)(np.concatenate(data))
    beta = np.asarray(small.get_layer("norm1").beta)
    assert not np.allclose(before, small.get_layer("norm1").moving_mean)
    np.testing.assert_allclose(np.mean(normed, axis=(0, 1, 2)), beta, atol=0.2)


def test_no_data_is_an_error(nets):
    model = nets.plain()
    with pytest.raises(ValueError, match="'norm0' saw no data"):
        pruning.recalibrate(model, [])
    assert np.all(np.asarray(model.get_layer("norm0").moving_mean) == 0)
