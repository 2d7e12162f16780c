"""Masks hold under every optimizer and option, are saved with it, and change without a new trace."""

import keras
import numpy as np
import pytest
from keras import optimizers

import pruning
from pruning.masks.masking import holders

L = keras.layers

OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.05),
    "momentum_decay": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda: optimizers.Adam(0.01),
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.05),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5),
    "lion": lambda: optimizers.Lion(0.01),
    "adagrad": lambda: optimizers.Adagrad(0.05),
    "global_clip": lambda: optimizers.Adam(0.01, global_clipnorm=0.1),
    "clip_norm": lambda: optimizers.SGD(0.05, momentum=0.9, clipnorm=0.1),
    "ema": lambda: optimizers.SGD(
        0.05, momentum=0.9, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2
    ),
    "accumulate": lambda: optimizers.Adam(0.01, gradient_accumulation_steps=2),
    "schedule": lambda: optimizers.SGD(optimizers.schedules.CosineDecay(0.05, 100), momentum=0.9),
    "loss_scale": lambda: optimizers.LossScaleOptimizer(
        optimizers.SGD(0.05, momentum=0.9), initial_scale=4.0
    ),
}


def data(count=16, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(count, 8, 8, 3)).astype("float32"), generator.normal(
        size=(count, 4)
    ).astype("float32")


def with_depthwise(nets):
    """A trained-up model with conv, bias, batch norm and depthwise layers."""
    x = image = keras.Input((8, 8, 3), name="image")
    # No bias before batch norm: its gradient is zero, so that it would not move.
    x = L.Conv2D(6, 3, padding="same", use_bias=False, name="conv0")(x)
    x = L.LeakyReLU()(L.BatchNormalization(name="norm0")(x))
    x = L.DepthwiseConv2D(3, use_bias=False, name="deep")(x)
    x = L.LeakyReLU()(L.BatchNormalization(name="norm1")(x))
    x = L.Conv2D(8, 3, activation="leaky_relu", name="conv1")(x)
    model = keras.Model(image, L.Dense(4, name="logits")(L.GlobalAveragePooling2D()(x)))
    return nets.shake(model)


def values(model):
    return {v.path: np.asarray(v).copy() for v in model.weights}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in ("adam", "loss_scale"))) for n in OPTIMIZERS]
)
def test_what_is_pruned_stays_zero_and_the_rest_moves(nets, name):
    model = with_depthwise(nets)
    model.compile(pruning.masked(OPTIMIZERS[name]()), loss="mse")
    x, y = data()
    model.fit(x, y, batch_size=4, epochs=1, verbose=0)  # moments are no longer zero when the plan comes
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    pruning.hold(model, plan)
    masks = {path: np.asarray(mask) for path, mask in holders(model)[0].masks.items()}
    assert (
        not masks["conv0/kernel"].all() and not masks["norm0/beta"].all() and not masks["deep/kernel"].all()
    )
    before = values(model)
    seen = []
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(values(model)))
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=[watch])
    assert len(seen) == 8
    for path, mask in masks.items():
        assert all(np.all(step[path][~mask] == 0) for step in seen), path
        moved = np.any([step[path] != before[path] for step in seen], axis=0)
        assert np.all(moved[mask]), path
    optimizer = holders(model)[0]
    for path, slots in optimizer.slots().items():
        for slot in slots:
            assert np.all(np.asarray(slot)[~masks[path]] == 0), slot.path
    if name in ("momentum_decay", "rmsprop", "ema"):
        assert all(optimizer.slots().values())


def test_masked_is_the_same_optimizer_without_masks(nets):
    x, y = data()
    results = []
    for wrap in (lambda same: same, pruning.masked):
        keras.utils.set_random_seed(1)
        model = nets.shake(nets.plain())
        model.compile(wrap(optimizers.AdamW(0.01, weight_decay=0.02, global_clipnorm=1.0)), loss="mse")
        model.fit(x, y, batch_size=4, epochs=2, verbose=0, shuffle=False)
        results.append(values(model))
    for path, value in results[0].items():
        np.testing.assert_array_equal(value, results[1][path])


def test_ten_steps_equal_those_of_the_smaller_model(nets):
    """Global clipping sees the same norm: gradients are masked before it.

    Without biases before batch norm, and with an epsilon that gradients exceed: where a gradient is rounding
        noise, Adam would blow it up to full steps.
    """
    x, y = data()
    for make in (
        lambda: optimizers.SGD(0.05, momentum=0.9, global_clipnorm=0.5),
        lambda: optimizers.Adam(0.01, epsilon=1e-3, global_clipnorm=0.5),
    ):
        model = nets.shake(nets.plain(bias=False))
        model.compile(pruning.masked(make()), loss="mse")
        graph = pruning.ChannelGraph(model)
        plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
        pruning.hold(model, plan)
        small = _smaller(model, plan)
        small.compile(make(), loss="mse")
        for m in (model, small):
            m.fit(x[:8], y[:8], batch_size=8, epochs=10, verbose=0, shuffle=False)
        one, other = np.asarray(model(x)), np.asarray(small(x))
        np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(other).max())


def _smaller(model, plan):
    a, b = ~plan.gone("conv0"), ~plan.gone("conv1")
    x = image = keras.Input((8, 8, 3), name="image")
    for number, width in enumerate((int(a.sum()), int(b.sum()))):
        x = L.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv{number}")(x)
        x = L.ReLU()(L.BatchNormalization(name=f"norm{number}")(x))
    small = keras.Model(image, L.Dense(4, name="logits")(L.GlobalAveragePooling2D(name="pool")(x)))
    small.get_layer("conv0").set_weights([model.get_layer("conv0").get_weights()[0][..., a]])
    small.get_layer("conv1").set_weights([model.get_layer("conv1").get_weights()[0][:, :, a][..., b]])
    for number, keep in enumerate((a, b)):
        small.get_layer(f"norm{number}").set_weights(
            [v[keep] for v in model.get_layer(f"norm{number}").get_weights()]
        )
    kernel, bias = model.get_layer("logits").get_weights()
    small.get_layer("logits").set_weights([kernel[b], bias])
    return small


@pytest.mark.parametrize(
    "name",
    ["schedule", *(pytest.param(n, marks=pytest.mark.slow) for n in ("momentum_decay", "adamw", "ema", "loss_scale"))],
)
def test_a_saved_model_goes_on_with_its_masks(nets, name, tmp_path):
    x, y = data()
    model = with_depthwise(nets)
    model.compile(pruning.masked(OPTIMIZERS[name]()), loss="mse")
    graph = pruning.ChannelGraph(model)
    pruning.hold(model, pruning.plan(graph, pruning.L1()(graph), 0.5))
    model.fit(x, y, batch_size=4, epochs=1, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    mine, theirs = holders(model)[0], holders(loaded)[0]
    assert type(theirs) is type(mine)
    for path, mask in mine.masks.items():
        assert np.array_equal(np.asarray(mask), np.asarray(theirs.masks[path]))
    for m in (model, loaded):
        m.fit(x, y, batch_size=4, epochs=1, verbose=0, shuffle=False)
    for path, value in values(model).items():
        np.testing.assert_allclose(value, values(loaded)[path], atol=1e-6)
        assert path not in theirs.masks or np.all(value[~np.asarray(theirs.masks[path])] == 0)


def test_a_new_plan_does_not_trace_again(nets):
    traces = []

    class Counted(keras.Model):
        def train_step(self, batch):
            traces.append(1)
            return super().train_step(batch)

    base = nets.plain()
    model = Counted(base.inputs, base.outputs)
    model.compile(pruning.masked(optimizers.Adam(0.01)), loss="mse")
    x, y = data()
    model.fit(x, y, batch_size=4, verbose=0)
    before = len(traces)
    graph = pruning.ChannelGraph(model)
    for sparsity in (0.2, 0.5, 0.7):
        pruning.hold(model, pruning.plan(graph, pruning.L1()(graph), sparsity, already=pruning.silent(graph)))
        model.fit(x, y, batch_size=4, verbose=0)
    assert before >= 1 and len(traces) == before
    assert sum(gone.sum() for gone in pruning.silent(graph).values()) == round(0.7 * 6) + round(0.7 * 8)


def test_several_steps_in_one_execution(nets):
    model = with_depthwise(nets)
    model.compile(pruning.masked(optimizers.SGD(0.05, momentum=0.9)), loss="mse", steps_per_execution=3)
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    pruning.hold(model, plan)
    model.fit(*data(24), batch_size=4, epochs=2, verbose=0)
    assert all(np.array_equal(g, plan.gone(n)) for n, g in pruning.silent(graph).items())


def test_masks_can_be_lifted_and_errors_are_clear(nets):
    model = nets.plain()
    optimizer = pruning.masked(optimizers.SGD(0.1))
    with pytest.raises(ValueError, match="no variables yet"):
        optimizer.set_masks({})
    optimizer.build(model.trainable_variables)
    keep = np.ones(8, dtype=bool)
    keep[2] = False
    optimizer.set_masks({"conv1/bias": keep})
    assert np.asarray(optimizer.masks["conv1/bias"]).tolist() == keep.tolist()
    optimizer.set_masks({})
    assert np.asarray(optimizer.masks["conv1/bias"]).all()
    with pytest.raises(ValueError, match="no variable 'conv9/bias'"):
        optimizer.set_masks({"conv9/bias": keep})
    with pytest.raises(ValueError, match=r"shape \(3,\); expected \(8,\)"):
        optimizer.set_masks({"conv1/bias": keep[:3]})
    with pytest.raises(ValueError, match=r"does not train this variable 'norm0/moving_mean'"):
        optimizer.set_masks([(model.get_layer("norm0").moving_mean, np.ones(6))])
    with pytest.raises(ValueError, match="OptimizerMap"):
        pruning.masked(optimizers.MultiOptimizer(lambda variable: optimizers.SGD(0.1)))
    with pytest.raises(ValueError, match=r"its optimizer is SGD.*pruning.masked"):
        model.compile(optimizers.SGD(0.1), loss="mse")
        pruning.hold(model, None)


def test_names_and_settings_survive():
    optimizer = pruning.masked(optimizers.AdamW(0.003, weight_decay=0.07, clipnorm=2.0))
    assert isinstance(optimizer, optimizers.AdamW) and pruning.masked(optimizer) is optimizer
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert type(again) is type(optimizer)
    assert (again.weight_decay, again.clipnorm, float(again.learning_rate)) == (
        0.07,
        2.0,
        pytest.approx(0.003),
    )
    assert isinstance(pruning.masked("adam"), optimizers.Adam)

    class Mine(optimizers.SGD):
        pass

    assert isinstance(pruning.masked(Mine(0.1)), Mine)


def test_mixed_precision_holds(nets):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = with_depthwise(nets)
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(pruning.masked(optimizers.SGD(0.01, momentum=0.9)), loss="mse")
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    pruning.hold(model, plan)
    model.fit(*data(), batch_size=4, verbose=0)
    assert all(np.array_equal(g, plan.gone(n)) for n, g in pruning.silent(graph).items())


@pytest.mark.parametrize("again", [True, False])
def test_an_optimizer_that_has_trained_is_taken_as_it_is(nets, again):
    """With its moments; also where the training step was compiled before it could hold masks."""
    model = with_depthwise(nets)
    model.compile(optimizers.Adam(0.01), loss="mse")
    x, y = data()
    model.fit(x, y, batch_size=4, verbose=0)
    moments = [np.array(moment) for moment in model.optimizer._momentums]
    optimizer = pruning.masked(model.optimizer)
    assert optimizer is model.optimizer and int(optimizer.iterations) == 4
    assert all(np.array_equal(a, b) for a, b in zip(moments, optimizer._momentums, strict=True))
    if again:
        model.compile(optimizer, loss="mse")
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    pruning.hold(model, plan)
    model.fit(x, y, batch_size=4, verbose=0)
    assert all(np.array_equal(gone, plan.gone(name)) for name, gone in pruning.silent(graph).items())
    assert all(np.all(np.asarray(slot)[~np.asarray(mask)] == 0)
               for (_, mask), slots in zip(optimizer.held(), optimizer.slots().values(), strict=True)
               for slot in slots)  # fmt: skip
    assert all(len(slots) == 2 for slots in optimizer.slots().values())
