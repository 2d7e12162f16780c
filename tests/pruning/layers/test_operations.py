"""Raw operations of a Functional graph: masked equals removed, and whether the channels can go."""

import keras
import numpy as np
import pytest

import pruning
from pruning.layers.operations.table import OPERATIONS

L = keras.layers
ops = keras.ops
rng = np.random.default_rng(0)

# Of one number each, all on the same channels, tanh of a convolution.
ELEMENTWISE = {
    "numpy": "abs absolute fabs negative sign square exp exp2 expm1 round floor ceil trunc sin cos tan sinc sinh cosh "
    "tanh arcsin arccos arctan arcsinh arctanh deg2rad rad2deg i0 nan_to_num copy ones_like zeros_like",
    "math": "erf erfc erfinv",
    "core": "stop_gradient",
    "nn": "relu relu6 sigmoid sparse_sigmoid silu squareplus elu selu celu gelu hard_sigmoid hard_silu hard_tanh "
    "hard_shrink leaky_relu log_sigmoid soft_shrink softplus softsign sparse_plus tanh_shrink",
}
TIED = (
    "add subtract multiply divide divide_no_nan true_divide maximum minimum floor_divide mod hypot arctan2 logaddexp "
    "heaviside"
).split()
COMPARED = "equal not_equal greater greater_equal less less_equal isclose logical_and logical_or logical_xor".split()


def network(nets, operation, size=(4, 6), width=8):
    """conv and mate meet in the operation; what follows can always be pruned."""
    image = keras.Input((*size, 3), name="image")
    x = L.Conv2D(width, 3, padding="same", activation="tanh", name="conv")(image)
    x = operation(x, L.Conv2D(width, 1, activation="tanh", name="mate")(image))
    x = L.Concatenate(name="joined")([L.Flatten(name=f"flat{n}")(part) for n, part in enumerate([*x, *x][:4])]) \
        if isinstance(x, list | tuple) else L.Flatten(name="flat")(x)
    return nets.shake(keras.Model(image, L.Dense(3, name="end")(L.Dense(6, name="deeper")(x))))


def free(graph, name="conv"):
    """Channels of a layer that can go."""
    return sum(group.size for group in graph.prunable if any(member.path == name for member in group.producers))


def test_functions_of_one_number(nets, holds):
    def every(x, _):
        found = [getattr(ops, name)(x) for names in ELEMENTWISE.values() for name in names.split()]
        found += [ops.isfinite(x), ops.isnan(x), ops.isinf(x), ops.logical_not(x > 0)]
        found += [ops.clip(x, -0.5, 0.5), ops.threshold(x, 0.1, 0.3), ops.log1p(x * 0.5), ops.full_like(x, 2.0)]
        found += [ops.cast(x, "float64"), ops.saturate_cast(x, "float16"), ops.real(x), ops.conj(x)]
        return ops.concatenate([ops.cast(each, "float32") for each in found], axis=-1)

    assert free(holds(network(nets, every, (2, 2)))) == 8


def test_functions_that_are_not_finite_at_zero(nets, holds):
    def every(x, y):
        below = [ops.log, ops.log2, ops.log10, ops.rsqrt, ops.reciprocal, ops.sqrt]
        found = [function(ops.abs(x) * 0.9 + 0.1 * ops.square(x)) for function in below]
        return ops.concatenate([*found, ops.power(ops.abs(x), 0.5), ops.power(y + 2.0, x), ops.power(x, 2)], axis=-1)

    graph = holds(network(nets, every, (2, 2)))
    assert free(graph) == 8
    model, data = graph.model, nets.inputs(graph.model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    assert np.isfinite(pruning.mask(model, plan)(data)).all()


def test_functions_of_two_numbers(nets, holds):
    def every(x, y):
        found = [getattr(ops, name)(x, y) for name in TIED]
        found += [ops.cast(getattr(ops, name)(x > 0, y > 0), "float32") for name in COMPARED[-3:]]
        found += [ops.cast(getattr(ops, name)(x, y), "float32") for name in COMPARED[:-3]]
        return [ops.concatenate(found, axis=-1), ops.where(x > 0, y, 2.0), ops.select([x > 0, y > 0], [x, y], 1.0)]

    graph = holds(network(nets, every, (2, 2)))
    assert free(graph) == 8 and graph.group_of("conv") is graph.group_of("mate")


PER_CHANNEL = rng.normal(size=8).astype("float32")


@pytest.mark.parametrize(
    ("count", "operation"),
    [
        # reshapes, and other orders of axes
        (8, lambda x, y: ops.transpose(x, (0, 3, 1, 2))),
        (8, lambda x, y: ops.swapaxes(ops.transpose(ops.transpose(x)), 1, -1)),
        (8, lambda x, y: ops.moveaxis(x, [1, -1], [2, 1])),
        (8, lambda x, y: ops.squeeze(ops.expand_dims(x, (1, -1)), (1, 5))),
        (8, lambda x, y: ops.expand_dims(x, -1)),
        (8, lambda x, y: ops.reshape(x, (-1, 24, 8))),
        (4, lambda x, y: L.Dense(4, name="reader")(ops.reshape(x, (-1, 4, 6, 2, 4)))),  # pairs
        (4, lambda x, y: ops.reshape(ops.swapaxes(ops.reshape(x, (-1, 4, 6, 2, 4)), 3, 4), (-1, 4, 6, 8))),
        (4, lambda x, y: ops.reshape(ops.swapaxes(ops.reshape(x, (-1, 4, 6, 4, 2)), 3, 4), (-1, 4, 6, 8))),
        (4, lambda x, y: L.Permute((2, 1))(L.Reshape((12, 16))(L.Reshape((4, 6, 2, 4))(x)))),
        (0, lambda x, y: ops.reshape(x, (-1, 64, 3))),
        (2, lambda x, y: ops.depth_to_space(x, 2)),
        (2, lambda x, y: ops.depth_to_space(ops.transpose(x, (0, 3, 1, 2)), 2, data_format="channels_first")),
        (8, lambda x, y: ops.space_to_depth(x, 2)),
        (8, lambda x, y: ops.space_to_depth(ops.transpose(x, (0, 3, 1, 2)), 2, data_format="channels_first")),
        (8, lambda x, y: ops.image.extract_patches(x, (2, 3))),
        # what is taken
        (8, lambda x, y: x[..., 3:]),
        (8, lambda x, y: [x[:, 1, :, 2:5], x[:, None, ::2, -1]]),
        (7, lambda x, y: [x[..., ::-1], x[..., :3], x[..., -1]]),
        (4, lambda x, y: [x[..., ::2], x[..., 1::2]]),
        (0, lambda x, y: x[..., 1:7:2]),
        (8, lambda x, y: [x[..., 6:1:-1], x[:, 1:3]]),
        (8, lambda x, y: ops.slice(x, (0, 1, 0, 2), (-1, 2, 6, 4))),
        (8, lambda x, y: ops.take(x, [5, -2, 0, 5], axis=-1)),
        (8, lambda x, y: [ops.take(x, [[3, 1], [0, 0]], axis=1), ops.take(x, 1, axis=2)]),
        (8, lambda x, y: ops.split(x, 4, axis=-1)),
        (0, lambda x, y: ops.array_split(x, 3, axis=-1)),
        (8, lambda x, y: ops.array_split(x, 3, axis=2)),
        (8, lambda x, y: ops.unstack(x, axis=1)),
        (0, lambda x, y: ops.unstack(x, axis=-1)),
        # other places, more of them
        (8, lambda x, y: ops.flip(x)),
        (8, lambda x, y: ops.flip(x, axis=(1, -1))),
        (8, lambda x, y: ops.roll(x, 3, axis=-1)),
        (8, lambda x, y: ops.roll(x, (-11, 2), axis=(3, 1))),
        (0, lambda x, y: ops.roll(x, 3)),
        (8, lambda x, y: ops.repeat(x, 3, axis=-1)),
        (8, lambda x, y: ops.repeat(x, [1, 2, 3, 1, 1, 2, 1, 1], axis=-1)),
        (8, lambda x, y: ops.tile(x, (1, 2, 1, 3))),
        (8, lambda x, y: ops.broadcast_to(ops.mean(x, axis=(1, 2), keepdims=True), (2, 4, 6, 8)) + y),
        (8, lambda x, y: ops.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]], constant_values=3.0)),
        (8, lambda x, y: ops.pad(x, [[0, 0], [0, 0], [0, 0], [2, 1]]) * 2.0 + L.Conv2D(11, 1, name="wide")(y)),
        (8, lambda x, y: ops.pad(x, [[0, 0], [0, 0], [0, 0], [2, 1]], constant_values=1.0)),
        (8, lambda x, y: ops.pad(x, [[0, 0], [1, 1], [0, 0], [0, 0]], mode="reflect")),
        (0, lambda x, y: ops.pad(x, [[0, 0], [0, 0], [0, 0], [1, 1]], mode="reflect")),
        (4, lambda x, y: ops.glu(x)),
        (8, lambda x, y: ops.glu(x, axis=1)),
        # several tensors
        (8, lambda x, y: ops.stack([x, y], axis=-1)),
        (8, lambda x, y: ops.max(ops.stack([x, y], axis=1), axis=1)),
        (8, lambda x, y: ops.vstack([x, ops.hstack([x, y])[:, 4:]])),
        (8, lambda x, y: [ops.append(x, y, axis=-1), ops.dstack([x, y])]),
        (8, lambda x, y: x * PER_CHANNEL + np.ones((1, 6, 8), "float32")),
        (8, lambda x, y: ops.where(PER_CHANNEL > 0, x, y)),
        # sums over axes, and along them
        (8, lambda x, y: [ops.mean(x, axis=(1, 2)), ops.sum(x, axis=-3), ops.max(x, 2, keepdims=True)]),
        (8, lambda x, y: [ops.std(x, axis=1), ops.norm(x, axis=2), ops.logsumexp(x, axis=(1, 2)), ops.prod(x, axis=1)]),
        (8, lambda x, y: ops.moments(x, axes=[1, 2])),
        (8, lambda x, y: [ops.cumsum(x, axis=1), ops.sort(x, axis=2), ops.diff(x, axis=1), ops.softmax(x, axis=1)]),
        (8, lambda x, y: ops.normalize(x, axis=1)),
        (8, lambda x, y: [ops.normalize(x), ops.sum(x, axis=-1)]),  # tanh of zero adds nothing
        (0, lambda x, y: ops.sum(ops.sigmoid(x), axis=-1)),
        (0, lambda x, y: ops.mean(x, axis=-1)),
        (0, lambda x, y: ops.sort(x, axis=-1)),
        (0, lambda x, y: ops.top_k(x, 2)[0]),
        # products over axes
        (8, lambda x, y: ops.matmul(ops.softmax(ops.zeros((4, 4)) + y[:, :, :4, 0]), ops.mean(x, axis=2))),
        (8, lambda x, y: ops.einsum("bhwc,bhvc->bvwc", x, y)),
        (8, lambda x, y: ops.einsum("...wc,...vc->...vc", x, y)),
        (8, lambda x, y: ops.einsum("bhwc,bhvc->bhwv", x, y)),  # a masked factor is zero
        (8, lambda x, y: ops.matmul(x, ops.transpose(y + 1.0, (0, 1, 3, 2)))),
        (0, lambda x, y: ops.einsum("bhwc,bhvc", x + 1.0, ops.sigmoid(y))),
        (0, lambda x, y: ops.einsum("bhwc,cd", x, np.ones((8, 3), "float32"))),
        (0, lambda x, y: ops.dot_product_attention(x, y, x + y)),
    ],
)
def test_an_operation_follows_channels_or_locks_them(nets, holds, count, operation):
    assert free(holds(network(nets, operation))) == count


def test_products_of_tensors_are_counted():
    one, other = keras.Input((2, 5, 7)), keras.Input((2, 7, 3))
    for product in (ops.matmul(one, other), ops.einsum("bhqc,bhck->bhqk", one, other)):
        assert pruning.cost(keras.Model([one, other], product)).macs == 2 * 5 * 7 * 3
    assert pruning.cost(keras.Model([one, other], ops.tensordot(one, other, [[3], [2]]))).macs == 2 * 5 * 7 * 2 * 3


def test_every_followed_operation_is_keras_s():
    """A name that is misspelt would never be met."""
    missing = []
    for _, home, names in OPERATIONS:
        module = __import__(f"keras.src.ops.{home.split('.')[-1]}", fromlist=["_"])
        missing += [f"{home}.{name}" for name in names.split() if not hasattr(module, name)]
    assert len(missing) <= 1, missing  # TrueDivide is Divide's in some versions


@pytest.mark.parametrize("function", [ops.relu, ops.square, ops.silu, ops.abs, keras.activations.gelu])
def test_an_ordinary_function_is_an_activation(nets, holds, function):
    image = keras.Input((4, 4, 3), name="image")
    x = L.Activation(function, name="act")(L.Conv2D(8, 3, activation=function, name="conv")(image))
    holds(nets.shake(keras.Model(image, L.Dense(3, name="end")(L.Flatten(name="flat")(x)))), expect=["conv"])


def test_a_word_for_what_is_followed_is_not_taken(nets, recwarn):
    image = keras.Input((8, 8, 3), name="image")
    a, b = ops.split(L.Conv2D(8, 3, name="conv")(image), 2, axis=-1)
    model = keras.Model(image, L.Dense(3, name="end")(L.Flatten(name="flat")(a * b)))
    with pytest.warns(UserWarning, match="is followed exactly"):
        pruning.register("keras.ops.numpy.Split", "lock")
    assert free(pruning.ChannelGraph(model)) == 4
    assert free(pruning.ChannelGraph(model, rules={"keras.ops.numpy.Split": "lock"})) == 0


@pytest.mark.parametrize("parts", [2, 4, [3, 11], [1]])
def test_a_split_of_channels(nets, holds, parts):
    """A block of C2f's kind: the last piece goes through a layer, and all are joined again."""
    image = keras.Input((8, 8, 3), name="image")
    pieces = ops.split(L.Conv2D(16, 3, padding="same", name="conv")(image), parts, axis=-1)
    x = L.Concatenate(name="both")([*pieces, L.Conv2D(8, 1, name="deeper")(pieces[-1])])
    x = L.GlobalAveragePooling2D(name="mean")(x)
    model = nets.shake(keras.Model(image, L.Dense(3, name="end")(x)))
    graph = holds(model)
    assert sum(group.size for group in graph.prunable) == 24 and len(graph.prunable) == len(pieces) + 1
    most = pruning.plan(graph, pruning.L1()(graph), 0.7, scope="global")
    assert all(len(gone) < graph[name].size for name, gone in most.removed.items())
