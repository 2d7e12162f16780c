"""What is masked emits zero, is read by nobody, and counts as gone."""

import keras
import numpy as np
import pytest

import pruning

L = keras.layers


def output_of(model, layer, x):
    return np.asarray(keras.Model(model.input, model.get_layer(layer).output)(x))


def test_masked_channels_emit_zero_downstream(nets):
    model = nets.shake(nets.plain())
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    before = [w.copy() for w in model.get_weights()]
    masked = pruning.mask(model, plan)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    for layer, group in (("relu0", "conv0"), ("relu1", "conv1"), ("norm1", "conv1")):
        out = output_of(masked, layer, x)
        gone = plan.gone(group)
        assert np.all(out[..., gone] == 0) and np.abs(out[..., ~gone]).max() > 0
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert type(masked) is type(model) and masked.output_shape == model.output_shape


def test_each_topology_does_not_read_what_is_masked(nets):
    """A masked channel may be set to anything at its producer: the readers' zeros drop it."""
    for build in nets.builders:
        model = nets.shake(build())
        graph = pruning.ChannelGraph(model)
        plan = pruning.plan(graph, pruning.Random(2)(graph), 0.4)
        assert any(plan.removed.values())
        masked = pruning.mask(model, plan)
        x = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:])).astype("float32")
        clean = np.asarray(masked(x))
        assert np.abs(clean - np.asarray(model(x))).max() > 1e-4
        masked_graph = pruning.ChannelGraph(masked)
        for group in masked_graph.prunable:
            for member in group.producers:
                if getattr(member.layer, "groups", 1) > 1:
                    continue
                for part in member.parts:
                    variable = part.slice.variable
                    value = np.asarray(variable).copy()
                    np.moveaxis(value, part.slice.axis, 0)[part.at(plan.gone(group.name))] = 3.0
                    variable.assign(value)
        if model.name != "transpose_depthwise":  # its grouped convolution is silenced at the producer
            np.testing.assert_allclose(np.asarray(masked(x)), clean, atol=1e-4 * np.abs(clean).max())


def test_masking_equals_a_smaller_model_by_hand(nets):
    model = nets.shake(nets.residual())
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    masked = pruning.mask(model, plan)
    stay, inside = ~plan.gone("stem"), ~plan.gone("inside")

    image = keras.Input((8, 8, 3))
    stem = L.Conv2D(stay.sum(), 3, padding="same", name="stem")(image)
    x = L.Conv2D(inside.sum(), 3, padding="same", activation="relu", name="inside")(stem)
    x = L.Conv2D(stay.sum(), 3, padding="same", use_bias=False, name="back")(x)
    x = L.Activation("relu")(L.Add()([stem, L.BatchNormalization(name="back_norm")(x)]))
    small = keras.Model(image, L.Conv2D(2, 1, name="head")(x))
    cuts = {
        "stem": lambda k, b: [k[..., stay], b[stay]],
        "inside": lambda k, b: [k[:, :, stay][..., inside], b[inside]],
        "back": lambda k: [k[:, :, inside][..., stay]],
        "back_norm": lambda *v: [a[stay] for a in v],
        "head": lambda k, b: [k[:, :, stay], b],
    }
    for name, cut in cuts.items():
        small.get_layer(name).set_weights(cut(*model.get_layer(name).get_weights()))
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    for training in (False, True):
        np.testing.assert_allclose(
            np.asarray(masked(x, training=training)), np.asarray(small(x, training=training)), atol=1e-4
        )


def test_batch_norm_without_scale_loses_its_mean(nets):
    model = nets.shake(nets.excite())
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    masks = pruning.apply_masks(model, plan)
    norm = model.get_layer("norm")
    gone = plan.gone("conv")
    assert np.all(np.asarray(norm.moving_mean)[gone] == 0) and np.all(np.asarray(norm.moving_variance) > 0)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    assert np.all(output_of(model, "norm", x)[..., gone] == 0)
    assert {path: mask.shape for path, mask in masks.items()} == {
        v.path: tuple(v.shape) for v in model.weights if v.path in masks
    }
    assert not masks["conv/kernel"][..., gone].any() and masks["conv/kernel"][..., ~gone].all()


def test_an_object_with_a_network_is_rebuilt(nets):
    model = nets.Detector({"size": 3})
    nets.shake(model.network)
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    masked = pruning.mask(model, plan)
    assert (
        type(masked) is nets.Detector and masked.config == {"size": 3} and masked.network is not model.network
    )
    assert pruning.cost(masked, SHAPES).effective.params < 0.5 * pruning.cost(model, SHAPES).effective.params
    x = {"image": np.ones((2, 16, 16, 3), "float32"), "rois": np.zeros((2, 5, 4), "float32")}
    assert {k: v.shape for k, v in masked(x).items()} == {k: v.shape for k, v in model(x).items()}


SHAPES = {"image": (1, 16, 16, 3), "rois": (1, 5, 4)}


def twins():
    """Two nested models whose layers have equal names, so that their weights have equal paths."""

    def part(name):
        inside = keras.Input((6, 6, 3), name=f"{name}_in")
        x = L.Conv2D(8, 3, activation="leaky_relu", name="conv")(inside)
        return keras.Model(inside, L.GlobalAveragePooling2D(name="pool")(x), name=name)

    rgb, depth = keras.Input((6, 6, 3), name="rgb_image"), keras.Input((6, 6, 3), name="depth_image")
    x = L.Dense(6, activation="leaky_relu", name="joined")(L.Concatenate()([part("rgb")(rgb), part("depth")(depth)]))
    return keras.Model([rgb, depth], L.Dense(2, name="end")(x), name="twins")


def test_equal_names_in_nested_models_are_masked_held_saved_and_removed(nets, tmp_path):
    model = nets.shake(twins())
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.Random(3)(graph), 0.5)
    assert plan.removed["rgb/conv"] != plan.removed["depth/conv"]
    generator = np.random.default_rng(0)
    x = [generator.normal(size=(8, 6, 6, 3)).astype("float32") for _ in range(2)]
    y = generator.normal(size=(8, 2)).astype("float32")
    model.compile(pruning.masked(keras.optimizers.Adam(0.01)), "mse")
    pruning.hold(model, plan)
    assert {"conv/kernel", "conv/kernel#2"} <= set(model.optimizer.masks)
    with pytest.raises(ValueError, match="two variables have the path 'conv/kernel'"):
        model.optimizer.set_masks({"conv/kernel": np.ones(8)})
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    small = pruning.remove(model, plan)
    for one in (model, loaded, small):
        one.fit(x, y, epochs=3, verbose=0, shuffle=False)
    for one in (model, loaded):
        assert all(np.array_equal(g, plan.gone(n)) for n, g in pruning.silent(pruning.ChannelGraph(one)).items())
    assert nets.difference(small(x), model(x)) < 1e-4 and nets.difference(loaded(x), model(x)) < 1e-6
    assert set(pruning.apply_masks(nets.shake(twins()), plan)) >= {"conv/kernel", "conv/kernel#2", "conv/bias#2"}


def test_what_begins_at_zero_is_not_silent(nets):
    """Zero kernels, biases and scales on both sides: nothing makes and nothing reads them, but nobody masked."""
    image = keras.Input((6, 6, 3), name="image")
    x = L.Conv2D(4, 3, kernel_initializer="zeros", name="first")(image)
    x = L.BatchNormalization(gamma_initializer="zeros", name="norm")(x)
    x = L.Conv2D(6, 1, kernel_initializer="zeros", name="second")(x)
    x = L.Conv2D(5, 1, kernel_initializer="zeros", name="third")(x)
    model = keras.Model(image, L.Dense(2, name="end")(L.GlobalAveragePooling2D()(x)))
    graph = pruning.ChannelGraph(model)
    assert not any(gone.any() for gone in pruning.silent(graph).values())
    assert pruning.silent(graph, zeros=True)["second"].all()  # what only the weights say
    cost = pruning.cost(model)
    assert cost.effective.params == cost.params
    model.compile(pruning.masked("sgd"), "mse")
    plan = pruning.plan(graph, pruning.Random(0)(graph), 0.5)
    pruning.hold(model, plan)
    assert all(np.array_equal(gone, plan.gone(name)) for name, gone in pruning.silent(graph).items())
    pruning.masks.masking.holders(model)[0].set_masks({})
    assert not any(gone.any() for gone in pruning.silent(graph).values())


def test_masks_are_known_without_an_optimizer_and_come_back_with_the_plan(nets, tmp_path):
    model = nets.shake(nets.residual())
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    masked = pruning.mask(model, plan)

    def silent(one, **how):
        gone = pruning.silent(pruning.ChannelGraph(one), **how)
        return {name: tuple(np.flatnonzero(channels)) for name, channels in gone.items()}

    wanted = {name: tuple(channels) for name, channels in plan.removed.items()}
    assert silent(masked) == wanted and not any(silent(model).values())
    masked.compile(pruning.masked("adam"), "mse")
    assert silent(masked) == wanted  # a new optimizer knows nothing yet
    pruning.mask(model, plan).save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert not any(silent(loaded).values()) and silent(loaded, zeros=True) == wanted
    pruning.apply_masks(loaded, plan)
    assert silent(loaded) == wanted
    loaded.get_layer("inside").bias.assign(np.ones(5))  # written after pruning: it is masked, but lives
    assert not silent(loaded)["inside"] and silent(loaded)["stem"] == wanted["stem"]


def test_silent_finds_exactly_what_was_masked(nets):
    for build in nets.builders:
        model = nets.shake(build())
        graph = pruning.ChannelGraph(model)
        assert not any(gone.any() for gone in pruning.silent(graph).values())
        plan = pruning.plan(graph, pruning.Random(1)(graph), 0.5)
        pruning.apply_masks(model, plan)
        for name, gone in pruning.silent(graph).items():
            assert np.array_equal(gone, plan.gone(name)), (model.name, name)


def test_an_untrained_model_is_not_silent(nets):
    for build in nets.builders:
        assert not any(gone.any() for gone in pruning.silent(pruning.ChannelGraph(build())).values())
