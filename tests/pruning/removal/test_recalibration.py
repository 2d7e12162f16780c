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


def test_a_shared_norm_counts_every_call():
    image = keras.Input((8, 8, 1), name="image")
    norm = L.BatchNormalization(name="norm", momentum=0.99, scale=False)
    small = L.AveragePooling2D(4, name="pool")(image)
    out = L.Concatenate(axis=1)([L.Reshape((64, 1))(norm(image)), L.Reshape((4, 1))(norm(small))])
    model = keras.Model(image, L.Dropout(0.5)(out))
    (data,) = batches([3], (8, 8, 1))
    pooled = data.reshape(3, 2, 4, 2, 4).mean(axis=(2, 4))
    pruning.recalibrate(model, [data])
    everything = np.concatenate([data.ravel(), pooled.ravel()])
    assert float(norm.moving_mean[0]) == pytest.approx(everything.mean(), rel=1e-4)
    assert float(norm.moving_variance[0]) == pytest.approx(everything.var(), rel=1e-4)
    assert norm.call.__func__ is L.BatchNormalization.call


def frozen(nets, build):
    """A network whose norms keep statistics that are not those of their inputs, as a pretrained detector's."""
    model = nets.shake(build())
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            layer.trainable = False
    return model


def norms(model):
    return [layer for layer in model.layers if isinstance(layer, L.BatchNormalization)]


def statistics(model):
    return [np.array(value) for norm in norms(model) for value in (norm.moving_mean, norm.moving_variance)]


def reads(model, norm, data):
    """What a batch norm reads: (positions, channels)."""
    value = np.asarray(keras.Model(model.input, model.get_layer(norm.name).input)(data), dtype=np.float64)
    return value.reshape(-1, value.shape[-1])


def test_an_unpruned_network_with_frozen_norms_is_left_alone(nets):
    for build in (nets.plain, nets.residual, nets.excite, nets.transpose_depthwise):
        model = frozen(nets, build)
        before, data = statistics(model), batches([4, 2], model.input_shape[1:])
        with pytest.warns(UserWarning, match="frozen batch norms, such as .*give dense="):
            pruning.recalibrate(model, data)
        assert all(np.array_equal(a, b) for a, b in zip(before, statistics(model), strict=True))
        pruning.recalibrate(model, data, dense=frozen(nets, build))
        for a, b in zip(before, statistics(model), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)
        pruning.recalibrate(model, data, plain=True)
        assert not np.allclose(before[0], statistics(model)[0], rtol=0.1)


@pytest.mark.parametrize("how", ["masked", "removed", "statistics"])
def test_frozen_norms_change_as_pruning_changed_what_they_read(nets, how):
    """The formula, by hand; masked and removed get the same, and a silenced channel stays silent."""
    model = frozen(nets, nets.plain)
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.Random(0)(graph), 0.5)
    pruned = pruning.remove(model, plan) if how == "removed" else pruning.mask(model, plan)
    data = batches([4, 4, 1])
    dense = pruning.norm_statistics(model, data) if how == "statistics" else model
    before = statistics(pruned)
    inputs = iter(data) if how != "statistics" else data
    assert pruning.recalibrate(pruned, inputs, dense=dense) is pruned
    everything = np.concatenate(data)
    for number, norm in enumerate(norms(pruned)):
        stays = ~plan.gone(f"conv{number}") if how == "removed" else slice(None)
        read, was = reads(pruned, norm, everything), reads(model, norm, everything)[:, stays]
        mean, variance = before[2 * number], before[2 * number + 1]
        lives = read.var(axis=0) > 0
        assert lives.sum() == (~plan.gone(f"conv{number}")).sum()
        ratio = (read.var(axis=0) / was.var(axis=0))[lives]
        # The second norm's inputs are measured batch by batch while the first is being mended, hence the tolerance.
        tolerance = 1e-4 if number == 0 else 0.05
        np.testing.assert_allclose(np.asarray(norm.moving_variance)[lives], variance[lives] * ratio, rtol=tolerance)
        wanted = read.mean(axis=0)[lives] - (was.mean(axis=0) - mean)[lives] * np.sqrt(ratio)
        np.testing.assert_allclose(np.asarray(norm.moving_mean)[lives], wanted, rtol=tolerance, atol=tolerance)
        assert np.array_equal(np.asarray(norm.moving_variance)[~lives], variance[~lives])
    small = pruned if how == "removed" else pruning.remove(pruned, plan)
    assert nets.difference(small(everything), pruned(everything)) < 1e-4


def test_a_silenced_norm_without_scale_stays_silent(nets):
    model = frozen(nets, nets.excite)
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    masked, (data,) = pruning.mask(model, plan), batches([4])
    pruning.recalibrate(masked, [data], dense=model)
    assert np.all(np.asarray(masked.get_layer("norm").moving_mean)[plan.gone("conv")] == 0)
    assert nets.difference(pruning.remove(masked, plan)(data), masked(data)) < 1e-4


def test_mending_brings_the_outputs_nearer(nets):
    """Closer to the dense network than doing nothing, and than estimating what was frozen anew."""
    model = frozen(nets, nets.plain)
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.4)
    (data,) = batches([32])
    distances = {}
    for how in ("none", "relative", "plain"):
        small = pruning.remove(model, plan)
        if how != "none":
            pruning.recalibrate(small, [data], model if how == "relative" else None, plain=how == "plain")
        distances[how] = float(np.abs(np.asarray(small(data)) - np.asarray(model(data))).mean())
    assert distances["relative"] < distances["none"] and distances["relative"] < distances["plain"]


def test_a_dense_network_that_does_not_fit_is_named(nets, tmp_path):
    model = frozen(nets, nets.plain)
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    data = batches([2, 2])
    with pytest.raises(ValueError, match="no batch norm 'norm0'; it has 'back_norm'|it has back_norm"):
        pruning.recalibrate(pruning.remove(model, plan), data, dense=nets.residual())
    with pytest.raises(ValueError, match="dense has read fewer batches"):
        pruning.recalibrate(pruning.remove(model, plan), data, dense=pruning.norm_statistics(model, data[:1]))
    pruning.remove(model, plan).save(tmp_path / "small.keras")
    with pytest.raises(ValueError, match="'norm0' has 3 channels, in dense 6.*a file does not say"):
        pruning.recalibrate(keras.models.load_model(tmp_path / "small.keras"), data, dense=model)


def test_it_repairs_what_removal_left(nets):
    model = nets.shake(nets.plain())
    graph = pruning.ChannelGraph(model)
    small = pruning.remove(model, pruning.plan(graph, pruning.L1()(graph), 0.5))
    data = batches([8, 8])
    before = np.asarray(small.get_layer("norm1").moving_mean)
    pruning.recalibrate(small, data, dense=model)  # whose norms train: there is nothing to compare
    normed = keras.Model(small.input, small.get_layer("norm1").output)(np.concatenate(data))
    beta = np.asarray(small.get_layer("norm1").beta)
    assert not np.allclose(before, small.get_layer("norm1").moving_mean)
    np.testing.assert_allclose(np.mean(normed, axis=(0, 1, 2)), beta, atol=0.2)


def test_no_data_is_an_error(nets):
    model = nets.plain()
    with pytest.raises(ValueError, match="'norm0' saw no data"):
        pruning.recalibrate(model, [])
    assert np.all(np.asarray(model.get_layer("norm0").moving_mean) == 0)
