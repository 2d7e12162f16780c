"""The smaller model computes what the masked one computes, and trains on as it does."""

import warnings

import keras
import numpy as np
import pytest
from keras import optimizers

import pruning

L = keras.layers
TOLERANCE = 1e-4

OPTIMIZERS = {
    "momentum": lambda: optimizers.SGD(0.005, momentum=0.9),
    "adam": lambda: optimizers.Adam(0.01),
    "global_clip": lambda: optimizers.SGD(0.05, momentum=0.9, global_clipnorm=0.5),
}
MORE_OPTIMIZERS = {
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.05),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "average": lambda: optimizers.SGD(
        0.02, momentum=0.9, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3
    ),
    "accumulate": lambda: optimizers.SGD(0.01, momentum=0.9, gradient_accumulation_steps=2),
    "loss_scale": lambda: optimizers.LossScaleOptimizer(
        optimizers.SGD(0.02, momentum=0.9), initial_scale=4.0
    ),
    "lamb": lambda: optimizers.Lamb(0.01),
    "schedule": lambda: optimizers.SGD(optimizers.schedules.CosineDecay(0.02, 20), momentum=0.9),
}


def some_plan(model, sparsity=0.45, seed=1):
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.Random(seed)(graph), sparsity)
    assert any(plan.removed.values())
    return plan


def topologies(nets):
    # Without biases before batch norm: their gradients are rounding noise, which Adam blows up to full steps.
    return [lambda: nets.plain(bias=False), *nets.builders[1:], lambda: nets.Detector({})]


def compiled(nets, build, optimizer):
    """A model that has trained, so that its moments are not zero; its inputs and targets."""
    model = build()
    if hasattr(model, "network"):
        nets.lively(model.network)
    else:
        nets.shake(model)
    x, y, loss = nets.inputs(model, 8), None, None
    if not hasattr(model, "network"):
        y = np.random.default_rng(1).normal(size=(8, *model.output_shape[1:])).astype("float32")
        loss = "mse"
    model.compile(optimizer, loss=loss)
    steps(model, x, y, 3)
    return model, x, y


def steps(model, x, y, count):
    model.fit(x, y, batch_size=8, epochs=count, verbose=0, shuffle=False)


def test_every_topology_computes_what_the_masked_one_does(nets):
    for build in (*nets.builders, nets.fpn):
        model = nets.shake(build())
        plan, x = some_plan(model), nets.inputs(model)
        masked, small = pruning.mask(model, plan), pruning.remove(model, plan)
        assert nets.difference(masked(x), model(x)) > 0.01
        assert nets.difference(small(x), masked(x)) < TOLERANCE, model.name
        assert type(small) is type(model) and small.name == model.name
        assert [v.path for v in small.weights] == [v.path for v in model.weights]
        shapes = {"image": (1, 16, 16, 3), "rois": (1, 5, 4)} if model.name == "network" else None
        assert pruning.cost(small, shapes).macs == pruning.cost(model, shapes, plan=plan).effective.macs
        assert small.count_params() == pruning.cost(model, shapes, plan=plan).effective.params


@pytest.mark.slow  # every topology; test_holding_optimizer and test_removal_maskrcnn take the ten steps in short
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ten_steps_are_those_of_the_masked_model(nets, name):
    for build in topologies(nets):
        model, x, y = compiled(nets, build, pruning.masked(OPTIMIZERS[name]()))
        plan = some_plan(model)
        pruning.hold(model, plan)
        small = pruning.remove(model, plan)
        before = model(x)
        for one in (model, small):
            steps(one, x, y, 10)
        assert nets.difference(before, model(x)) > 0.01
        assert nets.difference(small(x), model(x)) < TOLERANCE, model.name
        assert int(small.optimizer.iterations) == int(model.optimizer.iterations) == 13


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name != "lamb")) for name in MORE_OPTIMIZERS]
)
def test_the_state_of_other_optimizers_goes_on_too(nets, name):
    model, x, y = compiled(nets, nets.residual, pruning.masked(MORE_OPTIMIZERS[name]()))
    plan = some_plan(model)
    pruning.hold(model, plan)
    small = pruning.remove(model, plan)
    for one in (model, small):
        steps(one, x, y, 10)
    assert nets.difference(small(x), model(x)) < TOLERANCE
    assert type(small.optimizer) is type(MORE_OPTIMIZERS[name]())  # nothing is masked any more


def test_moments_and_masks_are_cut_like_the_weights(nets):
    model, _, _ = compiled(nets, nets.residual, pruning.masked(optimizers.Adam(0.01)))
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    everything = pruning.plan(graph, pruning.L1()(graph), 0.7)
    pruning.hold(model, everything)  # more is held than is removed
    small = pruning.remove(model, plan)
    stays, read = ~plan.gone("inside"), ~plan.gone("stem")

    def cut(value):
        return np.asarray(value)[:, :, read][..., stays]

    old, new = model.optimizer.slots()["inside/kernel"], small.optimizer.slots()["inside/kernel"]
    assert len(old) == len(new) == 2 and np.abs(np.asarray(new[0])).max() > 0
    for mine, theirs in zip(old, new, strict=True):
        assert np.array_equal(cut(mine), np.asarray(theirs))
    masks = small.optimizer.masks
    assert np.array_equal(cut(model.optimizer.masks["inside/kernel"]), np.asarray(masks["inside/kernel"]))
    assert not np.asarray(masks["inside/kernel"]).all()


def test_a_plain_optimizer_keeps_its_moments(nets):
    model, x, y = compiled(nets, nets.residual, optimizers.SGD(0.01, momentum=0.9))
    small = pruning.remove(model, some_plan(model))
    assert type(small.optimizer) is optimizers.SGD and int(small.optimizer.iterations) == 3
    assert all(np.abs(np.asarray(m)).max() > 0 for m in small.optimizer.momentums)
    small.fit(x, y, verbose=0)


def test_state_of_another_shape_starts_anew_and_says_so(nets):
    model, x, y = compiled(nets, nets.residual, optimizers.Adafactor(0.01))
    with pytest.warns(UserWarning, match="Adafactor .*keeps state.*starts anew.*not train on step by step"):
        small = pruning.remove(model, some_plan(model))
    small.fit(x, y, verbose=0)


def test_an_object_keeps_what_it_owns(nets):
    class Weighted(nets.Detector):
        def __init__(self, config, network=None):
            super().__init__(config, network, name="weighted")
            self.factor = self.add_weight(shape=(2,), initializer="ones", trainable=False, name="factor")

    model = Weighted({"size": 3})
    model.factor.assign([2.0, 5.0])
    nets.shake(model.network)
    plan = some_plan(model)
    x = nets.inputs(model)
    for other in (pruning.remove(model, plan), pruning.mask(model, plan)):
        assert type(other) is Weighted and other.config == {"size": 3} and other.network is not model.network
        assert np.asarray(other.factor).tolist() == [2.0, 5.0] and other.name == "weighted"
    assert nets.difference(pruning.remove(model, plan)(x), pruning.mask(model, plan)(x)) < TOLERANCE


def test_it_saves_loads_trains_and_is_pruned_again(nets, tmp_path):
    model, x, y = compiled(nets, nets.residual, pruning.masked(optimizers.SGD(0.002, momentum=0.9)))
    small = pruning.remove(model, some_plan(model))
    steps(small, x, y, 1)
    small.save(tmp_path / "small.keras")
    loaded = keras.models.load_model(tmp_path / "small.keras")
    assert nets.difference(loaded(x), small(x)) == 0
    for one in (small, loaded):
        steps(one, x, y, 2)
    assert nets.difference(loaded(x), small(x)) < 1e-6
    again = some_plan(loaded)
    with pytest.raises(ValueError, match=r"optimizer is SGD.*pruning.masked\(model.optimizer\)"):
        pruning.hold(loaded, again)
    loaded.compile(pruning.masked(loaded.optimizer), loss="mse")
    assert int(loaded.optimizer.iterations) == 6
    pruning.hold(loaded, again)
    smaller = pruning.remove(loaded, again)
    assert nets.difference(smaller(x), loaded(x)) < TOLERANCE
    assert smaller.count_params() < small.count_params() < model.count_params()
    with pytest.raises(ValueError, match="another structure"):
        pruning.remove(smaller, again)


def test_settings_of_layers_survive(nets):
    image = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(
        6, 3, name="conv", kernel_constraint=keras.constraints.MaxNorm(1.0), kernel_regularizer="l2",
        bias_initializer=keras.initializers.Constant(0.3), trainable=False,
    )(image)  # fmt: skip
    x = L.BatchNormalization(name="norm", trainable=False, epsilon=0.01)(x)
    x = L.Dropout(0.5, seed=3, name="drop")(x)
    x = L.Conv2D(4, 3, name="half", dtype="mixed_bfloat16", dilation_rate=2)(x)
    model = keras.Model(image, L.Dense(2, name="end", dtype="float32")(L.GlobalMaxPooling2D()(x)))
    model(np.zeros((1, 8, 8, 3), "float32"), training=True)  # the seed moves on
    small = pruning.remove(nets.shake(model), some_plan(model))
    conv, norm, half = (small.get_layer(name) for name in ("conv", "norm", "half"))
    assert not conv.trainable and not norm.trainable and half.trainable
    assert len(small.trainable_variables) == len(model.trainable_variables) == 4
    assert conv.kernel_constraint.max_value == 1.0 and conv.bias_initializer.value == 0.3
    assert conv.kernel_regularizer is not None and norm.epsilon == 0.01
    assert half.dtype_policy.name == "mixed_bfloat16" and half.dilation_rate == (2, 2)
    seeds = [np.asarray(m.get_layer("drop").variables[0]).tolist() for m in (model, small)]
    assert seeds[0] == seeds[1]


def test_frozen_nested_models_stay_frozen(nets):
    model = nets.fpn()
    model.get_layer("features").trainable = False
    model.get_layer("rpn").get_layer("rpn_class").trainable = False
    for twin in (pruning.remove(model, some_plan(model)), pruning.mask(model, some_plan(model))):
        assert [v.path for v in twin.trainable_variables] == [v.path for v in model.trainable_variables]
        assert not twin.get_layer("features").trainable and twin.get_layer("rpn").trainable


def test_nested_sequentials_and_shared_parts(nets):
    inner = keras.Sequential(
        [keras.Input((8, 8, 6), name="inner_in"), L.Conv2D(5, 3, name="first"), L.ReLU(name="relu")],
        name="inner",
    )
    image = keras.Input((8, 8, 3), name="image")
    pair = [inner(L.Conv2D(6, 1, name=name)(image)) for name in ("one", "two")]
    x = L.Reshape((6, 30), name="rows")(L.Add(name="add")(pair))
    x = L.Conv1D(4, 3, name="line")(L.PReLU(shared_axes=[1], name="prelu")(x))
    model = nets.shake(keras.Model(image, L.Dense(2, name="end")(L.Flatten(name="flat")(x)), name="outer"))
    plan, x = some_plan(model), nets.inputs(model)
    small = pruning.remove(model, plan)
    assert {len(plan.removed[name]) for name in ("one", "inner/first")} <= {2, 3}
    assert nets.difference(small(x), pruning.mask(model, plan)(x)) < TOLERANCE
    assert small.get_layer("inner").name == "inner" and len(small.get_layer("inner").layers) == 2


def test_raw_operations_keep_their_constants(nets):
    image = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(6, 3, name="conv")(image)
    x = keras.ops.reshape(x * keras.ops.relu6(x + 3.0) / 6.0, (-1, 36, 6))
    model = nets.shake(keras.Model(image, L.Conv1D(2, 1, name="end")(x)))
    plan, x = some_plan(model), nets.inputs(model)
    assert plan.removed["conv"]
    assert nets.difference(pruning.remove(model, plan)(x), pruning.mask(model, plan)(x)) < TOLERANCE


def test_a_sequential_model_stays_one(nets):
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), L.Conv2D(5, 3, name="first"), L.Flatten(name="flat"), L.Dense(2, name="end")]
    )
    plan, x = some_plan(nets.shake(model)), np.ones((2, 8, 8, 3), "float32")
    small = pruning.remove(model, plan)
    assert type(small) is keras.Sequential and small.get_layer("first").filters < 5
    assert nets.difference(small(x), pruning.mask(model, plan)(x)) < TOLERANCE


def test_new_weights_of_the_smaller_model_would_be_drawn_as_before(nets):
    image = keras.Input((8, 8, 3), name="image")
    first = L.Conv2D(6, 3, kernel_initializer=keras.initializers.RandomNormal(stddev=0.3), name="first")
    model = keras.Model(image, L.Conv2D(2, 1, bias_initializer="ones", name="end")(first(image)))
    small = pruning.remove(model, some_plan(model))
    for name in ("first", "end"):
        before, after = (m.get_layer(name).get_config() for m in (model, small))
        assert before.pop("filters") >= after.pop("filters") and before == after


def test_no_group_is_removed_whole(nets):
    model = nets.plain()
    plan = some_plan(model)
    everything = pruning.Plan(**{**vars(plan), "removed": {"conv0": tuple(range(6))}})
    for act in (pruning.remove, pruning.mask):
        with pytest.raises(ValueError, match="all 6 channels of group 'conv0'"):
            act(model, everything)
    locked = pruning.Plan(**{**vars(plan), "sizes": {"logits": 4}, "removed": {"logits": (1,)}})
    with pytest.raises(ValueError, match="'logits', which is locked: reaches the model output"):
        pruning.remove(model, locked)


def test_a_layer_of_two_nested_models_stays_shared(nets):
    shared = L.Conv2D(3, 1, name="shared")

    def part(name):
        inside = keras.Input((8, 8, 3), name=f"{name}_in")
        return keras.Model(inside, shared(inside), name=name)

    image = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(3, 1, name="stem")(image)
    model = keras.Model(image, L.Conv2D(2, 1, name="end")(part("two")(part("one")(x))))
    plan, x = some_plan(nets.shake(model)), nets.inputs(model)
    small = pruning.remove(model, plan)
    assert plan.removed["stem"] and small.count_params() < model.count_params()
    assert small.get_layer("one").get_layer("shared") is small.get_layer("two").get_layer("shared")
    assert nets.difference(small(x), pruning.mask(model, plan)(x)) < TOLERANCE


def test_what_a_config_cannot_say_is_an_error(nets):
    image = keras.Input((8, 8, 3), name="image")

    class Fixed(L.Layer):
        channel_rule = staticmethod(lambda call, trace: _carried(call, trace))

        def __init__(self, width=4, **kwargs):
            super().__init__(**kwargs)
            self.factor = self.add_weight(shape=(width,), name="factor")

        def call(self, inputs):
            return inputs[..., :1] * self.factor

        def compute_output_shape(self, shape):
            return shape

    def _carried(call, trace):
        channels = trace.channels(call.inputs[0])
        trace.slice(call, "carries", call.layer.factor, -1, channels)
        trace.give(call.outputs[0], channels, call)

    x = Fixed(name="fixed")(L.Conv2D(4, 1, name="conv")(image))
    model = keras.Model(image, L.Conv2D(2, 1, name="end")(x))
    with pytest.raises(ValueError, match=r"'fixed' \(Fixed\).*expected \[\(2,\)\]"):
        pruning.remove(model, some_plan(model, 0.5))


@keras.saving.register_keras_serializable("test_pruning")
class Schedule(optimizers.schedules.LearningRateSchedule):
    """Registered or not, it is an object of the user's."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, step):
        return self.rate / (1.0 + keras.ops.cast(step, "float32"))

    def get_config(self):
        return {"rate": self.rate}


class Unregistered(Schedule):
    pass


class Slow(optimizers.SGD):
    """A class of one's own that says nothing of its setting in its config, and takes no others."""

    def __init__(self, rate, slower=1.0):
        super().__init__(rate, momentum=0.9)
        self.slower = slower

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, learning_rate / self.slower)


MORE_SCHEDULES = [pytest.param(one, marks=pytest.mark.slow) for one in (Schedule, lambda rate: lambda: rate / 3.0)]


@pytest.mark.parametrize("schedule", [Unregistered, *MORE_SCHEDULES])
def test_schedules_of_ones_own_are_kept(nets, schedule):
    rate = schedule(0.02)
    for wrap in (lambda inner: inner, lambda inner: optimizers.LossScaleOptimizer(inner, initial_scale=2.0)):
        model, x, y = compiled(nets, nets.residual, pruning.masked(wrap(optimizers.SGD(rate, momentum=0.9))))
        plan = some_plan(model)
        pruning.hold(model, plan)
        small = pruning.remove(model, plan)
        inner = getattr(small.optimizer, "inner_optimizer", small.optimizer)
        assert inner._learning_rate is rate and type(inner) is optimizers.SGD
        for one in (small, model):
            steps(one, x, y, 3)
        assert nets.difference(small(x), model(x)) < TOLERANCE


def test_a_class_of_ones_own_keeps_its_settings(nets):
    model, x, y = compiled(nets, nets.residual, pruning.masked(Slow(0.02, slower=7.0)))
    model.optimizer.clipnorm = 0.5  # set later
    plan = some_plan(model)
    pruning.hold(model, plan)
    small = pruning.remove(model, plan)
    assert type(small.optimizer) is Slow and small.optimizer.slower == 7.0 and small.optimizer.clipnorm == 0.5
    assert small.optimizer.momentum == 0.9 and int(small.optimizer.iterations) == 3
    for one in (small, model):
        one.compile(one.optimizer, loss="mse")
        steps(one, x, y, 3)
    assert nets.difference(small(x), model(x)) < TOLERANCE


@pytest.mark.parametrize("built", [True, False])
def test_what_is_spared_from_weight_decay_stays_so(nets, built):
    model = nets.shake(nets.residual())
    optimizer = optimizers.AdamW(0.01, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[model.get_layer("head").kernel], var_names=["bias", "gamma"])
    if built:
        optimizer.build(model.trainable_variables)
    model.compile(pruning.masked(optimizer), "mse")

    def spared(one):
        return {v.path for v in one.trainable_variables if not one.optimizer._use_weight_decay(v)}

    wanted = {"stem/bias", "inside/bias", "back_norm/gamma", "head/kernel", "head/bias"}
    assert spared(model) == wanted == spared(pruning.remove(model, some_plan(model)))


def test_what_stays_masked_is_still_held(nets):
    model, x, y = compiled(nets, nets.residual, pruning.masked(optimizers.Adam(0.01)))
    graph = pruning.ChannelGraph(model)
    part, everything = (pruning.plan(graph, pruning.L1()(graph), sparsity) for sparsity in (0.3, 0.6))
    pruning.hold(model, everything)
    small = pruning.remove(model, part)
    left = sum(map(len, everything.removed.values())) - sum(map(len, part.removed.values()))
    steps(small, x, y, 2)
    assert sum(gone.sum() for gone in pruning.silent(pruning.ChannelGraph(small)).values()) == left > 0
    masked = pruning.remove(pruning.mask(model, everything), part)  # without an optimizer
    assert sum(gone.sum() for gone in pruning.silent(pruning.ChannelGraph(masked)).values()) == left


def test_channels_that_live_again_are_named(nets):
    model, x, y = compiled(nets, nets.residual, pruning.masked(optimizers.SGD(0.01)))
    weights, plan = model.get_weights(), some_plan(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pruning.remove(model, plan)  # it never was masked: nothing to say
        pruning.hold(model, plan)
        pruning.remove(model, plan)
    model.set_weights(weights)
    count = sum(map(len, plan.removed.values()))
    with pytest.warns(UserWarning, match=rf"{count} channels that were pruned live again.*inside \(\d\)"):
        small = pruning.remove(model, plan)
    assert nets.difference(small(x), model(x)) > 0.01
