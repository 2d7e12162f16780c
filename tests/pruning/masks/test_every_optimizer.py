"""Every optimizer of Keras: what is held stays zero and finite, settings survive, and the smaller model goes on."""

import inspect
import re
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import optimizers

import pruning
from pruning.masks.masking import holders

L = keras.layers
EVERY = {
    name: kind
    for name, kind in vars(optimizers).items()
    if inspect.isclass(kind) and issubclass(kind, optimizers.Optimizer) and kind is not optimizers.Optimizer
}
NOT_STEP_BY_STEP = ("Adafactor",)
CONSTRAINED = dict(kernel_constraint=keras.constraints.MaxNorm(1.5), bias_constraint=keras.constraints.MaxNorm(1.5))


def made(name, **settings):
    """An optimizer of the class of that name."""
    if name == "LossScaleOptimizer":
        return optimizers.LossScaleOptimizer(optimizers.Adam(0.01, **settings), initial_scale=4.0)
    if name == "MultiOptimizer":
        chosen = optimizers.OptimizerMap(optimizers.Adam(0.01, **settings), {"hidden/.*": optimizers.SGD(0.02)})
        return optimizers.MultiOptimizer(chosen)
    return EVERY[name](learning_rate=0.01, **settings)


VARIANTS = {
    **{name: lambda name=name: made(name) for name in EVERY},
    "momentum": lambda: optimizers.SGD(0.01, momentum=0.9, nesterov=True, weight_decay=0.1, clipnorm=0.5),
    "centered": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True, global_clipnorm=0.3),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True, clipvalue=0.1),
    "average": lambda: optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3),
    "accumulate": lambda: optimizers.AdamW(0.01, weight_decay=0.1, gradient_accumulation_steps=2),
    "lamb_decay": lambda: optimizers.Lamb(0.01, weight_decay=0.1),
    "muon_plain": lambda: optimizers.Muon(0.01, rms_rate=None, nesterov=False),
    "ftrl_l1": lambda: optimizers.Ftrl(0.05, l1_regularization_strength=0.001, beta=0.1, initial_accumulator_value=0.0),
}


FAST = ("Adam", "Adafactor", "Muon", "MultiOptimizer")


def network():
    """Convolution, depthwise convolution, batch norm and dense layers, with weights that are not at their beginning."""
    keras.utils.set_random_seed(0)
    keras.utils.clear_session(free_memory=False)  # the names of layers begin anew
    image = keras.Input((6, 6, 2), name="image")
    x = L.Conv2D(6, 3, use_bias=False, name="conv")(image)
    x = L.LeakyReLU()(L.BatchNormalization(name="norm")(x))
    x = L.LeakyReLU()(L.DepthwiseConv2D(2, name="deep")(x))
    x = L.LeakyReLU()(L.Dense(10, name="hidden", **CONSTRAINED)(L.Flatten()(x)))
    model = keras.Model(image, L.Dense(3, name="end")(x))
    generator = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name in ("gamma", "beta", "bias", "moving_mean"):
            weight.assign(generator.uniform(0.5, 1.0, weight.shape))
    return model


def batch():
    generator = np.random.default_rng(1)
    return generator.normal(size=(12, 6, 6, 2)).astype("float32"), generator.normal(size=(12, 3)).astype("float32")


def planned(model, sparsity=0.5):
    graph = pruning.ChannelGraph(model)
    return pruning.plan(graph, pruning.Random(0)(graph), sparsity)


def trained(optimizer):
    """A model that trained three steps, so that its moments are not zero, and is held since."""
    model = network()
    model.compile(pruning.masked(optimizer), "mse", run_eagerly=True)
    for _ in range(3):
        model.train_on_batch(*batch())
    plan = planned(model)
    pruning.hold(model, plan)
    return model, plan


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in FAST)) for n in VARIANTS])
def test_masked_stays_zero_and_the_smaller_model_goes_on_with_the_same_settings(name):
    model, plan = trained(VARIANTS[name]())
    held = [pair for optimizer in holders(model) for pair in optimizer.held()]
    assert len(held) == len(model.trainable_variables) and sum(not np.asarray(mask).all() for _, mask in held) >= 7
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        small = pruning.remove(model, plan)
    promised = name not in NOT_STEP_BY_STEP
    assert promised != any("step by step" in str(warning.message) for warning in said)
    assert settings(small.optimizer) == settings(model.optimizer) == settings(VARIANTS[name]())
    assert type(small.optimizer) is type(VARIANTS[name]())
    x, y = batch()
    np.testing.assert_allclose(small(x), model(x), rtol=1e-4, atol=1e-5)
    before = {id(variable): np.array(variable) for variable, _ in held}
    for _ in range(10):
        model.train_on_batch(x, y)
        small.train_on_batch(x, y)
        for variable, mask in held:
            assert np.all(np.asarray(variable)[~np.asarray(mask)] == 0), variable.path
    for variable in (*model.variables, *model.optimizer.variables, *small.variables):
        assert np.isfinite(np.asarray(variable, dtype=np.float64)).all(), variable.path
    for variable, mask in held:
        moved = np.asarray(variable) != before[id(variable)]
        assert moved[np.asarray(mask)].all() or name == "Lion"  # whose steps may cancel
    change = np.abs(np.asarray(small(x)) - np.asarray(model(x))).max() / np.abs(np.asarray(model(x))).max()
    assert (change < 1e-4) == promised, change


def settings(optimizer):
    """Its config, and those of the optimizers inside it, without their classes' and their own names."""

    def bare(config):
        if isinstance(config, dict):
            return {key: bare(value) for key, value in config.items() if key not in NAMES}
        return config

    return bare(optimizer.get_config())


NAMES = ("registered_name", "module", "class_name", "name")


def test_the_page_has_every_optimizer():
    page = (Path(__file__).parents[3] / "docs" / "masks.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"\| optimizer \|.*?\n\n", page, flags=re.DOTALL)
    assert all(re.search(rf"\b{name}\b", table) for name in EVERY)
    assert all(f"| {name} | no" in table for name in NOT_STEP_BY_STEP)
