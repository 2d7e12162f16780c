"""Architectures drawn at random: whatever is built, masked equals removed."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pruning

L = keras.layers
ops = keras.ops
TOLERANCE = 1e-4


class Drawn:
    """Builds a network from a list of words; every choice comes from one seeded generator."""

    def __init__(self, words, seed):
        self.pick = np.random.default_rng(seed)
        self.count = 0
        self.x = image = keras.Input((8, 8, 3), name="image")
        self.conv()
        self.earlier = [self.x]
        for word in words:
            getattr(self, word)()
            self.earlier.append(self.x)
        self.model = keras.Model(image, self.end(), name="drawn")

    def name(self, kind):
        self.count += 1
        return f"{kind}{self.count}"

    @property
    def width(self):
        return self.x.shape[-1]

    def conv(self):
        width = int(self.pick.integers(2, 9))
        self.x = L.Conv2D(width, int(self.pick.choice([1, 3])), padding="same", name=self.name("conv"))(self.x)

    def depthwise(self):
        times = int(self.pick.integers(1, 3))
        self.x = L.DepthwiseConv2D(3, padding="same", depth_multiplier=times, name=self.name("deep"))(self.x)

    def separable(self):
        times, width = self.pick.integers(1, 3), self.pick.integers(2, 7)
        self.x = L.SeparableConv2D(
            int(width), 3, padding="same", depth_multiplier=int(times), name=self.name("sep")
        )(self.x)

    def grouped(self):
        groups = int(self.pick.choice([g for g in (1, 2, 3, 4) if self.width % g == 0]))
        self.x = L.Conv2D(
            groups * int(self.pick.integers(1, 4)), 3, padding="same", groups=groups, name=self.name("grouped")
        )(self.x)

    def transposed(self):
        if self.x.shape[1] <= 8:
            self.x = L.Conv2DTranspose(
                int(self.pick.integers(2, 7)), 2, strides=2, padding="same", name=self.name("up")
            )(self.x)

    def dense(self):
        self.x = L.Dense(int(self.pick.integers(2, 9)), activation="tanh", name=self.name("dense"))(self.x)

    def norm(self):
        center, scale = (bool(b) for b in self.pick.integers(0, 2, 2))
        self.x = L.BatchNormalization(center=center, scale=scale, name=self.name("norm"))(self.x)

    def activation(self):
        kind = str(self.pick.choice(["relu", "sigmoid", "softplus", "swish", "leaky_relu"]))
        self.x = L.Activation(kind, name=self.name("act"))(self.x)

    def prelu(self):
        self.x = L.PReLU(shared_axes=[1, 2], name=self.name("prelu"))(self.x)

    def pool(self):
        if self.x.shape[1] >= 4:
            kind = L.MaxPooling2D if self.pick.integers(2) else L.AveragePooling2D
            self.x = kind(2, name=self.name("pool"))(self.x)

    def _like(self):
        """Another tensor of the same size: an earlier one, or a projection."""
        same = [tensor for tensor in self.earlier if tensor.shape[1:3] == self.x.shape[1:3]]
        source = same[self.pick.integers(len(same))] if same else self.x
        if source.shape == self.x.shape and self.pick.integers(2):
            return source
        return L.Conv2D(self.width, 1, name=self.name("side"))(source)

    def add(self):
        self.x = L.Add(name=self.name("add"))([self.x, self._like()])

    def product(self):
        self.x = L.Multiply(name=self.name("product"))([self._like(), self.x])

    def concat(self):
        self.x = L.Concatenate(name=self.name("concat"))([self._like(), self.x])

    def excite(self):
        s = L.GlobalAveragePooling2D(keepdims=True, name=self.name("squeeze"))(self.x)
        s = L.Conv2D(2, 1, activation="relu", name=self.name("reduce"))(s)
        s = L.Conv2D(self.width, 1, activation="sigmoid", name=self.name("expand"))(s)
        self.x = L.Multiply(name=self.name("gate"))([self.x, s])

    def nested(self):
        inside = keras.Input(self.x.shape[1:], name=self.name("inside"))
        y = L.Conv2D(4, 3, padding="same", activation="relu", name=self.name("inner"))(inside)
        part = keras.Model(inside, L.Concatenate(name=self.name("both"))([inside, y]), name=self.name("part"))
        self.x = part(self.x)

    def recurrent(self):
        """Along the positions, one after another."""
        _, height, width, channels = self.x.shape
        rows = L.Reshape((height * width, channels), name=self.name("rows"))(self.x)
        kind = (L.LSTM, L.GRU, L.SimpleRNN)[self.pick.integers(3)]
        rows = kind(int(self.pick.integers(2, 7)), return_sequences=True, name=self.name("recurrent"))(rows)
        self.x = L.Reshape((height, width, -1), name=self.name("folded"))(rows)

    def channels_first(self):
        x = L.Permute((3, 1, 2), name=self.name("first"))(self.x)
        x = L.Conv2D(
            int(self.pick.integers(2, 7)), 3, padding="same", data_format="channels_first", name=self.name("conv")
        )(x)
        x = L.BatchNormalization(axis=1, name=self.name("norm"))(x)
        self.x = L.Permute((2, 3, 1), name=self.name("last"))(x)

    def split(self):
        """A block of C2f's kind."""
        if self.width > 1:
            a, b = ops.split(self.x, [int(self.pick.integers(1, self.width))], axis=-1)
            deeper = L.Conv2D(int(self.pick.integers(2, 7)), 1, name=self.name("deeper"))(b)
            self.x = L.Concatenate(name=self.name("concat"))([a, b, deeper])

    def sliced(self):
        start = int(self.pick.integers(0, self.width))
        self.x = self.x[..., start:] if self.pick.integers(2) else self.x[:, ::-1, :, : start + 1]

    def shuffled(self):
        _, height, width, channels = self.x.shape
        groups = int(self.pick.choice([g for g in (1, 2, 3, 4) if channels % g == 0]))
        x = ops.reshape(self.x, (-1, height, width, groups, channels // groups))
        x = ops.transpose(x, (0, 1, 2, 4, 3))
        self.x = ops.reshape(x, (-1, height, width, channels))

    def blocks(self):
        if self.width % 4 == 0 and self.x.shape[1] <= 8:
            self.x = ops.depth_to_space(self.x, 2)
        elif self.width <= 4 and self.x.shape[1] >= 2:
            self.x = ops.space_to_depth(self.x, 2)

    def padded(self):
        before, after = (int(count) for count in self.pick.integers(0, 3, 2))
        self.x = ops.pad(self.x, [[0, 0], [0, 0], [0, 0], [before, after]])

    def shifted(self):
        kind = self.pick.integers(4)
        if kind == 0:
            self.x = ops.roll(self.x, int(self.pick.integers(-9, 9)), axis=-1)
        elif kind == 1:
            self.x = ops.flip(self.x, axis=int(self.pick.integers(1, 4)))
        elif self.width <= 8:
            self.x = ops.repeat(self.x, 2, axis=-1) if kind == 2 else ops.tile(self.x, (1, 1, 1, 2))

    def chosen(self):
        like = self._like()
        self.x = ops.where(like > 0, self.x, like * np.linspace(1, 2, self.width).astype("float32"))

    def attended(self):
        """Every row of positions with every other, by hand."""
        _, height, width, channels = self.x.shape
        rows = ops.reshape(self.x, (-1, height * width, channels))
        query = L.Dense(channels, name=self.name("query"))(rows)
        weights = ops.softmax(ops.einsum("bqc,bkc->bqk", query, rows))
        self.x = ops.reshape(ops.matmul(weights, rows), (-1, height, width, channels))

    def end(self):
        kind = self.pick.integers(3)
        if kind == 0:
            x = L.Flatten(name="flat")(self.x)
        elif kind == 1:
            x = L.GlobalAveragePooling2D(name="mean")(self.x)
        else:
            x = L.Flatten(name="flat")(L.Reshape((-1, 2 * self.width), name="rows")(self.x))
        return L.Dense(3, name="logits")(x)


WORDS = [
    name
    for name in vars(Drawn)
    if not name.startswith("_") and name not in ("name", "width", "end", "conv")
] + ["conv"] * 3
RECIPES = {
    "words": st.lists(st.sampled_from(WORDS), min_size=2, max_size=7),
    "seed": st.integers(0, 10_000),
    "sparsity": st.sampled_from([0.3, 0.5, 0.7]),
}


def plan_for(model, sparsity, seed):
    graph = pruning.ChannelGraph(model)
    return pruning.plan(graph, pruning.Random(seed)(graph), sparsity, scope="global")


def drawn(nets, words, seed):
    return nets.lively(Drawn(words, seed).model, seed)


def check_outputs(nets, words, seed, sparsity):
    model = drawn(nets, words, seed)
    plan, x = plan_for(model, sparsity, seed), nets.inputs(model, seed=seed)
    masked, small = pruning.mask(model, plan), pruning.remove(model, plan)
    assert nets.difference(small(x), masked(x)) < TOLERANCE
    assert small.count_params() == pruning.cost(model, plan=plan).effective.params
    assert pruning.cost(small).macs == pruning.cost(model, plan=plan).effective.macs


HEALTH = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@given(**RECIPES)
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=HEALTH)
def test_masked_equals_removed(nets, words, seed, sparsity):
    check_outputs(nets, words, seed, sparsity)


@pytest.mark.slow
@given(**RECIPES)
@settings(max_examples=150, deadline=None, suppress_health_check=HEALTH)
def test_masked_equals_removed_for_many(nets, words, seed, sparsity):
    check_outputs(nets, words, seed, sparsity)


# TensorFlow convolves channels first on processors in single precision only.
IN_DOUBLE = RECIPES | {
    "words": st.lists(st.sampled_from([w for w in WORDS if w != "channels_first"]), min_size=2, max_size=7)
}


@pytest.mark.slow
@given(**IN_DOUBLE)
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=HEALTH)
def test_ten_steps_agree(nets, words, seed, sparsity):
    """In double precision: in single, Adam turns the rounding of gradients that should be zero into steps."""
    keras.config.set_floatx("float64")
    try:
        model = drawn(nets, words, seed)
        model.compile(
            pruning.masked(keras.optimizers.Adam(0.003, global_clipnorm=1.0)), loss="mse", run_eagerly=True
        )
        plan, x = plan_for(model, sparsity, seed), nets.inputs(model, seed=seed).astype("float64")
        pruning.hold(model, plan)
        small = pruning.remove(model, plan)
        y = np.random.default_rng(seed).normal(size=(len(x), 3))
        for one in (model, small):
            one.fit(x, y, batch_size=len(x), epochs=10, verbose=0, shuffle=False)
        assert nets.difference(small(x), model(x)) < 1e-6
    finally:
        keras.config.set_floatx("float32")
