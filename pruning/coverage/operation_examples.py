"""A small model around each operation of `keras.ops` that turns tensors into tensors."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

import keras

from pruning.coverage.layer_examples import ends

ops = keras.ops
L = keras.layers
Attempt = Callable[[Any, Any], Any]
"""(x, y), two tensors of (batch, 6, 6, 8) whose channels may go -> what an operation makes of them."""

# Operations whose other arguments have to be stated; the rest are tried on x, on x and y, and on a list of them.
_STATED: dict[str, Attempt] = {
    "adaptive_average_pool": lambda x, y: ops.adaptive_average_pool(x, 2),
    "adaptive_max_pool": lambda x, y: ops.adaptive_max_pool(x, 2),
    "average_pool": lambda x, y: ops.average_pool(x, 2),
    "max_pool": lambda x, y: ops.max_pool(x, 2),
    "broadcast_to": lambda x, y: ops.broadcast_to(ops.mean(x, 1, keepdims=True), (2, 6, 6, 8)),
    "cast": lambda x, y: ops.cast(x, "float16"),
    "clip": lambda x, y: ops.clip(x, -1.0, 1.0),
    "concatenate": lambda x, y: ops.concatenate([x, y], -1),
    "conv": lambda x, y: ops.conv(x, _ones(3, 3, 8, 4)),
    "depthwise_conv": lambda x, y: ops.depthwise_conv(x, _ones(3, 3, 8, 1)),
    "depth_to_space": lambda x, y: ops.depth_to_space(x, 2),
    "einsum": lambda x, y: ops.einsum("bhwc,bhwc->bhw", x, y),
    "expand_dims": lambda x, y: ops.expand_dims(x, 1),
    "flip": lambda x, y: ops.flip(x, 1),
    "get_item": lambda x, y: x[:, 1:4],
    "full_like": lambda x, y: ops.full_like(x, y),
    "image.crop_images": lambda x, y: ops.image.crop_images(x, 1, 1, target_height=4, target_width=4),
    "image.extract_patches": lambda x, y: ops.image.extract_patches(x, 2),
    "image.pad_images": lambda x, y: ops.image.pad_images(x, 1, 1, target_height=8, target_width=8),
    "image.resize": lambda x, y: ops.image.resize(x, (4, 4)),
    "ldexp": lambda x, y: ops.ldexp(x, ops.cast(y, "int32")),
    "layer_normalization": lambda x, y: ops.layer_normalization(x),
    "moments": lambda x, y: ops.moments(x, [1, 2]),
    "moveaxis": lambda x, y: ops.moveaxis(x, -1, 1),
    "normalize": lambda x, y: ops.normalize(x, 1),
    "pad": lambda x, y: ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]),
    "power": lambda x, y: ops.power(x, 2.0),
    "repeat": lambda x, y: ops.repeat(x, 2, axis=1),
    "reshape": lambda x, y: ops.reshape(x, (-1, 36, 8)),
    "roll": lambda x, y: ops.roll(x, 1, axis=1),
    "saturate_cast": lambda x, y: ops.saturate_cast(x, "float16"),
    "softmax": lambda x, y: ops.softmax(x),
    "space_to_depth": lambda x, y: ops.space_to_depth(x, 2),
    "split": lambda x, y: ops.split(x, 2, axis=-1),
    "squeeze": lambda x, y: ops.squeeze(ops.mean(x, 1, keepdims=True), 1),
    "stack": lambda x, y: ops.stack([x, y], 1),
    "swapaxes": lambda x, y: ops.swapaxes(x, 1, 2),
    "take": lambda x, y: ops.take(x, [0, 2], axis=1),
    "tensordot": lambda x, y: ops.tensordot(x, _ones(8, 8), axes=([3], [0])),
    "threshold": lambda x, y: ops.threshold(x, 0.1, 0.0),
    "tile": lambda x, y: ops.tile(x, (1, 2, 1, 1)),
    "transpose": lambda x, y: ops.transpose(x, (0, 2, 1, 3)),
    "unstack": lambda x, y: ops.unstack(x, 6, axis=1),
    "where": lambda x, y: ops.where(ops.greater(x, 0.0), x, y),
}
_OVER_POSITIONS = (
    "all any amax amin max mean min prod std sum var logsumexp count_nonzero median cumsum cumprod "
    "nancumsum nancumprod"
).split()
_BELOW_ONE = "arccos arcsin arctanh erfinv".split()
_FROM_ONE_ON = "arccosh log log10 log1p log2 rsqrt sqrt".split()
_OF_INTEGERS = (
    "bitwise_and bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor gcd lcm "
    "left_shift right_shift"
).split()
_MAKE_NOTHING = {  # control flow and transformations of functions, which no Functional model holds as they are
    "associative_scan", "cond", "custom_gradient", "fori_loop", "jvp", "map", "scan", "switch", "vectorize",
    "vectorized_map", "while_loop",
}  # fmt: skip


def operation_names() -> list[str]:
    """Public functions of `keras.ops`, and of `keras.ops.image`, which has them alone."""
    every = sorted(dir(ops)) + [f"image.{name}" for name in sorted(dir(ops.image))]
    public = [name for name in every if not name.rpartition(".")[2].startswith("_") and name not in _MAKE_NOTHING]
    return [name for name in public if callable(attrgetter(name)(ops))]


def operation_example(name: str) -> Any | None:
    """The model around an operation, or None where it makes no tensor of a model's tensors."""
    for attempt in _attempts(name):
        source = keras.Input((6, 6, 3), name="source")
        x, y = (L.Dense(8, name=f"before{number}")(source) for number in range(2))
        try:
            made = attempt(_taken(name, x), _taken(name, y))
            tensors = keras.tree.flatten(made)
            if tensors and all(isinstance(tensor, keras.KerasTensor) for tensor in tensors):
                model = keras.Model(source, ends(made), name="example")
                return model if model.outputs else None
        except Exception:  # noqa: BLE001, S112 - whatever an operation raises on arguments that it does not take
            continue
    return None


def _taken(name: str, x: Any) -> Any:
    """A tensor of such numbers as an operation takes."""
    if name in _BELOW_ONE:
        return 0.5 * ops.tanh(x)
    if name in _FROM_ONE_ON:
        return 1.0 + ops.square(x)
    return ops.cast(ops.abs(4.0 * x), "int32") if name in _OF_INTEGERS else x


def _attempts(name: str) -> Iterator[Attempt]:
    function = attrgetter(name)(ops)
    if name in _STATED:
        yield _STATED[name]
        return
    if name in _OVER_POSITIONS:
        yield lambda x, y: function(x, axis=1)
    yield lambda x, y: function(x)
    yield lambda x, y: function(x, y)
    yield lambda x, y: function([x, y])
    yield lambda x, y: function(L.Dense(3, name="before2")(x))  # colours
    yield lambda x, y: function(ops.cast(x, "int32"))
    yield lambda x, y: function(ops.cast(x, "int32"), ops.cast(y, "int32"))


def _ones(*shape: int) -> Any:
    return ops.ones(shape)
