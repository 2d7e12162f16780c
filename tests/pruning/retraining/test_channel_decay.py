"""Decay before the cut: whose weights shrink, how fast, and that the cut then costs little."""

import keras
import numpy as np
import pytest

import pruning
from pruning.retraining.channel_decay import made_by

L = keras.layers


def small(norm=True):
    image = keras.Input((6, 6, 2), name="image")
    x = L.Conv2D(6, 3, name="conv")(image)
    x = L.ReLU(name="relu")(L.BatchNormalization(name="norm")(x) if norm else x)
    x = L.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, L.Dense(1, name="out")(x))
    model.compile(pruning.masked(keras.optimizers.SGD(0.01)), loss="mse")
    return model


def data():
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 6, 6, 2)).astype("float32")
    return x, x.mean(axis=(1, 2))[:, :1]


def fit(model, callback, steps=8):
    x, y = data()
    return model.fit(x, y, batch_size=8, steps_per_epoch=steps, epochs=1, verbose=0, callbacks=[callback])


def weights(model, layer, channels):
    return np.abs(model.get_layer(layer).kernel.numpy()[..., channels]).sum()


def test_the_chosen_channels_shrink_and_only_their_makers():
    keras.utils.set_random_seed(0)
    model = small()
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    gone = plan.gone("conv")
    marked = {variable.path for variable, _ in made_by(graph, plan.channels(graph))}
    assert marked == {"conv/kernel", "conv/bias", "norm/gamma", "norm/beta"}
    before = weights(model, "conv", gone), weights(model, "conv", ~gone)
    reader = model.get_layer("out").kernel.numpy()[gone]
    fit(model, pruning.GrowingRegularization(lambda step: plan, until=8, ceiling=60.0, interval=2, graph=graph))
    assert weights(model, "conv", gone) < 0.2 * before[0]
    assert weights(model, "conv", ~gone) > 0.8 * before[1]
    assert np.abs(model.get_layer("out").kernel.numpy()[gone] - reader).max() < 0.1


def test_one_update_shrinks_by_the_rate_times_the_coefficient():
    model = small(norm=False)
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    model.optimizer.learning_rate = 1e-9  # only the decay moves anything
    callback = pruning.SelectiveWeightDecay(lambda step: plan, 3, weight_decay=1e3, first=1e2, last=1e4, graph=graph)
    kernel = model.get_layer("conv").kernel
    before = kernel.numpy()
    fit(model, callback, steps=3)
    # 1e-9 * 1e3 * (1e2, 1e3, 1e4)
    expected = before * np.where(plan.gone("conv"), (1 - 1e-4) * (1 - 1e-3) * (1 - 1e-2), 1.0)
    np.testing.assert_allclose(kernel.numpy(), expected, rtol=0, atol=2e-7)


def test_a_coefficient_beyond_all_measure_gives_zero_and_never_turns_a_weight_round():
    model = small()
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    fit(model, pruning.SelectiveWeightDecay(lambda step: plan, 8, weight_decay=1.0, last=1e9, graph=graph))
    assert weights(model, "conv", plan.gone("conv")) == 0


def test_selective_decay_lets_go_of_what_is_no_longer_chosen():
    model = small()
    graph = pruning.ChannelGraph(model)
    scores = pruning.Random(seed=0)(graph), pruning.Random(seed=3)(graph)
    plans = [pruning.plan(graph, one, 0.5) for one in scores]
    assert plans[0].removed != plans[1].removed
    asked = []

    def plan_at(step):
        asked.append(step)
        return plans[len(asked) > 1]

    callback = pruning.SelectiveWeightDecay(plan_at, 8, weight_decay=1e-4, frequency=4, graph=graph)
    fit(model, callback)
    assert asked == [0, 4]
    assert callback.chosen is plans[1]


def test_growth_reaches_its_ceiling_however_short_and_variant_2_chooses_late():
    one = pruning.GrowingRegularization(lambda step: None, until=7, ceiling=10.0, interval=3)
    assert [round(one.coefficient(step), 3) for step in range(7)] == [3.333] * 3 + [6.667] * 3 + [10.0]
    two = pruning.GrowingRegularization(lambda step: None, until=10, ceiling=10.0, interval=1, variant=2)
    assert [two.turn(step) for step in range(10)] == [-1] * 3 + [3] * 7
    assert two.coefficient(2) == pytest.approx(0.1)
    assert two.coefficient(9) == pytest.approx(10.0)


def test_variant_2_lets_all_channels_decay_before_it_chooses():
    model = small()
    model.optimizer.learning_rate = 1e-9
    graph = pruning.ChannelGraph(model)
    kernel = model.get_layer("conv").kernel
    before, seen = kernel.numpy(), {}

    def plan_at(step):
        seen[step] = kernel.numpy()
        return pruning.plan(graph, pruning.L1()(graph), 0.5)

    fit(model, pruning.GrowingRegularization(plan_at, 8, ceiling=1e9, interval=1, variant=2, all_updates=0.25,
                                             share_of_all=0.1, graph=graph))  # fmt: skip
    assert list(seen) == [2]
    # Increments of 0.05 a time: 1 - 0.05, then 1 - 0.1, for every channel.
    np.testing.assert_allclose(seen[2], before * 0.95 * 0.9, rtol=1e-4, atol=1e-8)


def test_a_decayed_cut_costs_less_than_a_sudden_one():
    def rise(decay):
        keras.utils.set_random_seed(1)
        model = small(norm=False)
        x, y = data()
        graph = pruning.ChannelGraph(model)
        plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
        ceiling = 100.0 if decay else 1e-9
        fit(model, pruning.GrowingRegularization(lambda step: plan, 8, ceiling=ceiling, interval=1, graph=graph))
        before = model.evaluate(x, y, verbose=0)
        pruning.hold(model, plan, graph)
        return abs(model.evaluate(x, y, verbose=0) - before)

    assert rise(decay=True) < 0.2 * rise(decay=False)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pruning.SelectiveWeightDecay(None, 5, weight_decay=0.0), "weight decay above 0"),
        (lambda: pruning.SelectiveWeightDecay(None, 5, weight_decay=1e-4, first=2.0, last=1.0), "first <= last"),
        (lambda: pruning.GrowingRegularization(None, 0), "1 or more updates"),
        (lambda: pruning.GrowingRegularization(None, 5, variant=3), "variant 1 or 2"),
        (lambda: pruning.GrowingRegularization(None, 5, ceiling=float("nan")), "ceiling above 0"),
        (lambda: pruning.GrowingRegularization(None, 5, all_updates=1.0), "shares between 0 and 1"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
