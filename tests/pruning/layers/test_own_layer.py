"""A layer of a user's own, in a few lines: scored, counted, masked and removed like Keras's."""

import keras
import numpy as np

import pruning

L = keras.layers


class Widen(L.Layer):
    """A dense layer under other names."""

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def build(self, shape):
        self.table = self.add_weight(shape=(shape[-1], self.size), name="table")
        self.offset = self.add_weight(shape=(self.size,), name="offset")

    def call(self, inputs):
        return keras.ops.relu(inputs @ self.table + self.offset)

    def get_config(self):
        return super().get_config() | {"size": self.size}


class WidenRule(pruning.LayerRule):
    width = "size"
    makes = {"table": -1, "offset": -1}
    reads = {"table": -2}


class Pair(L.Layer):
    """Two inputs, two outputs: their sum and their product, and a dense layer held inside."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.inner = L.Dense(units)

    def build(self, shapes):
        self.inner.build(shapes[0])

    def call(self, inputs):
        a, b = inputs
        return self.inner(a) + self.inner(b), a * b

    def get_config(self):
        return super().get_config() | {"units": self.units}


class PairRule(pruning.LayerRule):
    def channels(self, call, trace):
        a, b = (trace.channels(tensor) for tensor in call.inputs)
        trace.tie(a, b)
        made = trace.make(call, call.layer.units)
        trace.slice(call, "reads", call.layer.inner.kernel, -2, a)
        trace.slice(call, "makes", call.layer.inner.kernel, -1, made)
        trace.slice(call, "makes", call.layer.inner.bias, -1, made)
        trace.give(call.outputs[0], made, call)
        trace.give(call.outputs[1], a, call)

    def macs(self, call, sizes):
        return 2 * sizes.positions(call.inputs[0]) * sizes(call.layer.inner.kernel)


def dense_and_own(middle):
    image = keras.Input((8,), name="image")
    x = middle(L.Dense(10, activation="relu", name="first")(image))
    return keras.Model(image, L.Dense(3, name="end")(x))


def test_declared_weights_are_scored_counted_masked_and_removed(nets, holds):
    pruning.register(Widen, WidenRule)
    own = nets.shake(dense_and_own(Widen(12, name="own")))
    graph = holds(own, expect=["first", "own"])
    peer = nets.shake(dense_and_own(L.Dense(12, activation="relu", name="own")))
    same = pruning.ChannelGraph(peer)
    for criterion in (pruning.L1(), pruning.GroupL2(readers=False)):
        for name in ("first", "own"):
            np.testing.assert_allclose(criterion(graph)[name], criterion(same)[name], rtol=1e-6)
    x = np.random.default_rng(1).normal(size=(4, 8)).astype("float32")
    scores = [
        pruning.Taylor(lambda batch, m=model: keras.ops.mean(m(batch) ** 2), [x])(g)
        for model, g in ((own, graph), (peer, same))
    ]
    np.testing.assert_allclose(scores[0]["own"], scores[1]["own"], rtol=1e-4)
    assert pruning.cost(own).macs == pruning.cost(peer).macs == 8 * 10 + 10 * 12 + 12 * 3
    assert graph.group_of("own").filters.tolist() == [1] * 12 and not graph.loose


def test_several_inputs_and_outputs(nets, holds):
    image = keras.Input((8,), name="image")
    a, b = (L.Dense(6, name=name)(image) for name in ("a", "b"))
    one, other = Pair(5, name="pair")([a, b])
    model = nets.shake(keras.Model(image, L.Dense(3, name="end")(L.Concatenate(name="both")([one, other]))))
    graph = holds(model, rules={Pair: PairRule}, expect=["a", "pair"])
    assert pruning.cost(graph).macs == 2 * 8 * 6 + 2 * 6 * 5 + 11 * 3
    whole = pruning.ChannelGraph(model, unknown="keep")
    assert not whole.prunable and pruning.cost(model).uncounted == ("pair",)


class Louder(L.Dense):
    """Takes a setting of its own, computes as its parent."""

    def __init__(self, units, note="", **kwargs):
        super().__init__(units, **kwargs)
        self.note = note

    def get_config(self):
        return super().get_config() | {"note": self.note}


class Twisted(L.Dense):
    def call(self, inputs, training=None):
        return keras.ops.flip(super().call(inputs), -1)


def test_a_subclass_that_changes_nothing_is_its_parent(nets, holds):
    holds(nets.shake(dense_and_own(Louder(12, note="a", name="own"))), expect=["first", "own"])
    twisted = pruning.ChannelGraph(dense_and_own(Twisted(12, name="own")), unknown="keep")
    assert not twisted.prunable and "'own' (Twisted)" in twisted.unknown
    stated = pruning.ChannelGraph(dense_and_own(Twisted(12, name="own")), rules={Twisted: L.Dense}, unknown="error")
    assert len(stated.prunable) == 2
