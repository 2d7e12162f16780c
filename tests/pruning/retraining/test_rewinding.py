"""Weight rewinding: the weights of the step, what was pruned stays silent, moments begin anew."""

import keras
import numpy as np
import pytest

import pruning

L = keras.layers


def small():
    image = keras.Input((4,), name="image")
    x = L.Dense(6, activation="relu", name="hidden")(image)
    model = keras.Model(image, L.Dense(1, name="out")(x))
    model.compile(pruning.masked(keras.optimizers.Adam(0.01)), loss="mse")
    return model


def batches(count=10):
    random = np.random.default_rng(0)
    for _ in range(count):
        x = random.normal(size=(8, 4)).astype("float32")
        yield x, x.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("step", [0, 3])
def test_the_weights_of_the_step_are_kept_and_come_back(step):
    model, other = small(), small()
    other.set_weights(model.get_weights())
    keep = pruning.KeepWeights(step)
    model.fit(batches(), steps_per_epoch=5, epochs=2, verbose=0, callbacks=[keep])
    if step:
        other.fit(batches(), steps_per_epoch=step, epochs=1, verbose=0)
    for variable in other.weights:
        np.testing.assert_array_equal(keep.weights[variable.path], np.asarray(variable))

    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    pruning.rewind(model, keep.weights, plan, graph)
    gone = plan.gone("hidden")
    kernel = model.get_layer("hidden").kernel.numpy()
    assert not kernel[:, gone].any()
    np.testing.assert_array_equal(kernel[:, ~gone], other.get_layer("hidden").kernel.numpy()[:, ~gone])
    assert all(not np.asarray(slot).any() for slots in model.optimizer.slots().values() for slot in slots)
    assert int(model.optimizer.iterations) == 10
    model.fit(batches(), steps_per_epoch=5, epochs=1, verbose=0)
    assert not model.get_layer("hidden").kernel.numpy()[:, gone].any()
    assert model.get_layer("hidden").kernel.numpy()[:, ~gone].any()


def test_a_training_that_begins_behind_the_step_keeps_nothing():
    model = small()
    model.fit(batches(), steps_per_epoch=5, epochs=1, verbose=0)
    keep = pruning.KeepWeights(3)
    model.fit(batches(), steps_per_epoch=5, epochs=1, verbose=0, callbacks=[keep])
    assert keep.weights is None


@pytest.mark.parametrize("name", ["Adagrad", "Ftrl", "RMSprop"])
def test_moments_are_those_of_a_fresh_optimizer(name):
    model, fresh = small(), small()
    for one in (model, fresh):
        one.compile(pruning.masked(getattr(keras.optimizers, name)(0.01)), loss="mse")
        one.optimizer.build(one.trainable_variables)
    keep = pruning.KeepWeights(0)
    model.fit(batches(), steps_per_epoch=5, epochs=1, verbose=0, callbacks=[keep])
    graph = pruning.ChannelGraph(model)
    pruning.rewind(model, keep.weights, pruning.plan(graph, pruning.L1()(graph), 0.0), graph)
    for mine, new in zip(model.optimizer.slots().values(), fresh.optimizer.slots().values(), strict=True):
        for one, other in zip(mine, new, strict=True):
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_an_optimizer_that_holds_nothing_is_refused():
    model = small()
    model.compile("sgd", loss="mse")
    graph = pruning.ChannelGraph(model)
    with pytest.raises(ValueError, match="cannot hold masks"):
        pruning.rewind(model, {}, pruning.plan(graph, pruning.L1()(graph), 0.5), graph)


def test_weights_of_another_model_are_refused_before_anything_is_written():
    model = small()
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    keep = pruning.KeepWeights(0)
    model.fit(batches(), steps_per_epoch=1, epochs=1, verbose=0, callbacks=[keep])
    before = model.get_weights()
    for wrong, found in (({}, "missing"), ({**keep.weights, "out/kernel": np.ones((2, 2))}, r"of shape \(2, 2\)")):
        with pytest.raises(ValueError, match=found):
            pruning.rewind(model, wrong, plan, graph)
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="0 or more"):
        pruning.KeepWeights(-1)
