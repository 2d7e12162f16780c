"""Layers whose config is not what their constructor takes."""

import warnings

import keras
import numpy as np
import pytest

import pruning

L = keras.layers


@keras.saving.register_keras_serializable("test_odd_configs")
class Tells(L.Layer):
    """Writes more into its config than it takes."""

    channel_rule = "keep"

    def __init__(self, times=2.0, **kwargs):
        super().__init__(**kwargs)
        self.times = times

    def call(self, inputs):
        return inputs * self.times

    def get_config(self):
        return {**super().get_config(), "times": self.times, "half": self.times / 2}


def test_a_layer_may_tell_more_than_it_takes(nets):
    image = keras.Input((8, 8, 3), name="image")
    x = Tells(3.0, name="tells")(L.Conv2D(6, 3, name="conv")(image))
    model = nets.shake(keras.Model(image, L.Dense(2, name="end")(L.Flatten(name="flat")(x))))
    plan, x = pruning.plan(model, pruning.L1(), 0.5), nets.inputs(model)
    small = pruning.remove(model, plan)
    assert small.get_layer("tells").times == 3.0 and small.get_layer("conv").filters == 3
    assert nets.difference(small(x), pruning.mask(model, plan)(x)) < 1e-5


class Leaves(L.Layer):
    """Leaves out of its config what its answer, and the sizes of its weights, depend on."""

    def __init__(self, units, times=1.0, hidden=4, **kwargs):
        super().__init__(**kwargs)
        self.units, self.times, self.hidden = units, times, hidden

    def build(self, shape):
        self.first = self.add_weight(shape=(shape[-1], self.hidden), name="first")
        self.second = self.add_weight(shape=(self.hidden, self.units), name="second")

    def call(self, inputs):
        return self.times * keras.ops.matmul(keras.ops.matmul(inputs, self.first), self.second)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Fills(Leaves):
    """Writes into its config what it has made of an argument, and cannot be made from that."""

    def __init__(self, units, pad=None, **kwargs):
        super().__init__(units, **kwargs)
        self.pad = "given" if pad is None else pad

    def call(self, inputs):
        if self.pad != "given":
            raise ValueError(f"pad = {self.pad!r}")
        return super().call(inputs)

    def get_config(self):
        return {**super().get_config(), "pad": "filled"}


class Objects(Leaves):
    """Was given what Keras does not record."""

    def __init__(self, units, sizes=(4,), **kwargs):
        super().__init__(units, hidden=int(sizes[0]), **kwargs)


class Needs(Leaves):
    """Cannot be made without it."""

    def __init__(self, units, sizes, **kwargs):
        super().__init__(units, hidden=int(sizes[0]), **kwargs)


def around(nets, layer):
    """A model with a prunable convolution before a layer."""
    image = keras.Input((8, 8, 3), name="image")
    x = L.GlobalAveragePooling2D(name="pool")(L.Conv2D(6, 3, name="conv")(image))
    return nets.shake(keras.Model(image, L.Dense(2, name="end")(layer(L.Dense(4, name="middle")(x)))))


@pytest.mark.parametrize("layer", [Leaves(3, times=5.0), Leaves(3, hidden=7), Fills(3, times=2.0, hidden=7)])
@pytest.mark.filterwarnings("ignore:.*not known")
def test_what_a_config_does_not_tell_is_what_the_constructor_was_given(nets, layer):
    model = around(nets, layer)
    plan, x = pruning.plan(model, pruning.L1(), 0.5), nets.inputs(model)
    unmasked = pruning.mask(model, pruning.plan(model, pruning.L1(), 0.0))
    assert nets.difference(unmasked(x), model(x)) < 1e-6
    masked, small = pruning.mask(model, plan)(x), pruning.remove(model, plan)
    assert nets.difference(small(x), masked) < 1e-5 and nets.difference(masked, model(x)) > 1e-3
    assert small.get_layer("conv").filters == 3
    twin = small.get_layer(layer.name)
    assert (twin.times, twin.hidden) == (layer.times, layer.hidden)


@pytest.mark.parametrize(("kind", "said"), [
    (Objects, r"'odd' \(Objects\) comes back from its config with weights of shapes \[\(4, 4\), \(4, 3\)\]"),
    (Needs, r"'odd' \(Needs\) cannot be made from its own config \(TypeError: .*'sizes'\): its get_config must tell"),
])  # fmt: skip
def test_where_nothing_is_recorded_the_layer_is_named(nets, kind, said):
    model = around(nets, kind(3, sizes=np.array([7]), name="odd"))
    with pytest.warns(UserWarning, match="not known"):
        plan = pruning.plan(model, pruning.L1(), 0.5)
    with pytest.raises(ValueError, match=said), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pruning.mask(model, plan)
