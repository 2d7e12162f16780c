"""Layers whose config is not what their constructor takes."""

import keras

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
