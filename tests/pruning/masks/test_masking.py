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


def test_equal_paths_are_refused():
    def part(name):
        inside = keras.Input((4, 4, 3), name=f"{name}_in")
        return keras.Model(inside, L.Conv2D(3, 1, name="conv")(inside), name=name)

    image = keras.Input((4, 4, 3))
    model = keras.Model(image, L.Conv2D(2, 1, name="end")(part("two")(part("one")(image))))
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.4)
    with pytest.raises(ValueError, match="conv/kernel.*a name of its own"):
        pruning.apply_masks(model, plan)


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
