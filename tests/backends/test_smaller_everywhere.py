"""Plan, mask, remove, recalibrate, cost and latency, on whatever backend runs."""

import keras
import numpy as np

import pruning


def half(model):
    graph = pruning.ChannelGraph(model)
    return pruning.plan(graph, pruning.GroupL1()(graph), 0.5, measure="macs")


def test_masked_equals_removed(small, net):
    plan = half(net)
    assert plan.removed and plan.achieved > 0.3
    masked, removed = pruning.mask(net, plan), pruning.remove(net, plan)
    assert removed.count_params() < net.count_params()
    assert small.difference(net, masked) > 1e-3
    assert small.difference(masked, removed) < 1e-5
    assert pruning.cost(removed).macs == pruning.cost(masked).effective.macs < pruning.cost(net).macs


def test_a_smaller_model_is_saved_and_loaded(small, net, tmp_path):
    removed = pruning.remove(net, half(net))
    removed.save(tmp_path / "small.keras")
    loaded = keras.saving.load_model(tmp_path / "small.keras")
    assert small.difference(loaded, removed) < 1e-6


def test_a_layer_within_a_layer_keeps_its_own_class(small):
    """A user's own, not registered with Keras: on PyTorch it is no plain attribute of what holds it."""

    class Own(keras.layers.LSTM):
        pass

    x = image = keras.Input((4, 3), name="steps")
    x = keras.layers.Conv1D(5, 1, name="conv")(x)
    with keras.saving.custom_object_scope({"Own": Own}):  # Keras makes the backward layer from the config
        x = keras.layers.Bidirectional(Own(2, name="inner"), name="both")(x)
    model = keras.Model(image, keras.layers.Dense(1, name="out")(x))
    plan = half(model)
    masked, removed = pruning.mask(model, plan), pruning.remove(model, plan)
    steps = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    assert small.difference(masked, removed, steps) < 1e-5
    assert type(removed.get_layer("both").forward_layer) is Own


def test_recalibration(small):
    dense = small.nets["plain"]()
    removed = pruning.remove(dense, half(dense))
    frozen = np.array(removed.get_layer("norm0").moving_variance)
    batches = [small.pictures(5, seed=3), small.pictures(3, seed=4)]
    pruning.recalibrate(removed, batches, dense=dense)
    # What the trained norm reads has the statistics that it stores now.
    inner = keras.Model(removed.input, removed.get_layer("conv1").output)
    read = small.outputs(inner, np.concatenate(batches))[0]
    norm = removed.get_layer("norm1")
    np.testing.assert_allclose(np.array(norm.moving_mean), read.mean((0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.array(norm.moving_variance), read.var((0, 1, 2)), rtol=1e-4)
    # The frozen one reads what it read before: nothing is pruned in front of it.
    np.testing.assert_allclose(np.array(removed.get_layer("norm0").moving_variance), frozen, rtol=1e-5)


def test_latency_is_told_with_its_threads(small):
    found = pruning.latency(small.nets["plain"](), small.pictures(2), warmup=1, rounds=2)
    assert found > 0 and found.threads >= 1
    assert found.shapes == ((2, 8, 8, 3),)


def test_the_report_of_a_graph(net):
    assert pruning.ChannelGraph(net).report()


def test_quantized(small):
    model = small.nets["plain"]()
    quantized = pruning.quantize(model, [small.pictures()])
    scale = np.abs(small.outputs(model, small.pictures())[0]).max()
    assert 0 < small.difference(model, quantized) < 0.05 * scale
