"""LoRA, quantised kernels, Lambda, division: layers that are not what they were built as."""

import keras
import numpy as np
import pytest

import pruning

L = keras.layers


def test_lora_is_cut_with_its_kernel(nets, holds):
    image = keras.Input((6, 6, 3), name="image")
    conv, dense = L.Conv2D(8, 3, activation="relu", name="conv"), L.Dense(10, activation="relu", name="dense")
    x = dense(L.GlobalAveragePooling2D(name="pool")(conv(image)))
    model = keras.Model(image, L.Dense(3, name="end")(x))
    conv.enable_lora(2)
    dense.enable_lora(3)
    holds(nets.shake(model), expect=["conv", "dense"])
    plan = pruning.plan(graph := pruning.ChannelGraph(model), pruning.L1()(graph), 0.5)
    small = pruning.remove(model, plan)
    assert [v.name for v in small.trainable_variables] == [v.name for v in model.trainable_variables]
    assert small.get_layer("dense").lora_kernel_b.shape == (3, 5)


@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_a_quantised_layer_stays_whole_and_says_what_to_do(nets, holds, mode):
    image = keras.Input((8,), name="image")
    x = image
    for name in ("one", "two", "three", "four"):
        x = L.Dense(12, activation="relu", name=name)(x)
    model = nets.shake(keras.Model(image, L.Dense(3, name="end")(x)))
    model.get_layer("three").quantize(mode)
    with pytest.warns(UserWarning, match=rf"'three' \(Dense\): quantised to {mode}: prune first, then quantise"):
        graph = holds(model, expect=["one", "four"])
    assert "prune first" in graph.group_of("two").locked
    with pytest.raises(ValueError, match="prune first, then quantise"):
        pruning.ChannelGraph(model, unknown="error")


def test_a_lambda_with_a_stated_rule_and_what_it_refers_to(nets, holds):
    factors = {"two": 2.0}
    image = keras.Input((8,), name="image")
    x = L.Dense(16, activation="relu", name="first")(image)
    x = L.Lambda(lambda t: t * factors["two"] + np.float32(0.0), output_shape=(16,), name="twice")(x)
    model = nets.shake(keras.Model(image, L.Dense(4, name="end")(x)))
    for kind in (L.Lambda, "twice"):
        holds(model, rules={kind: "keep"}, expect=["first"])


@pytest.mark.parametrize("below", [None, keras.ops.rsqrt, keras.ops.log, keras.ops.reciprocal])
def test_division_by_silent_channels_is_finite(nets, holds, below):
    image = keras.Input((8,), name="image")
    a, b = L.Dense(6, name="a")(image), L.Dense(6, activation="exponential", name="b")(image)
    x = a / b if below is None else a * below(b)
    model = nets.shake(keras.Model(image, L.Dense(3, name="end")(x)))
    graph = holds(model)
    (group,) = graph.prunable
    assert sorted(member.path for member in group.producers) == ["a", "b"]
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    masked = pruning.mask(model, plan)
    assert pruning.silent(pruning.ChannelGraph(masked))[group.name].tolist() == plan.gone(group.name).tolist()
