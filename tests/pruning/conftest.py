"""Small nets of every topology, for the pruning tests."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

L = keras.layers


@keras.saving.register_keras_serializable("test_pruning")
class StandInRoIAlign(L.Layer):
    """Takes ([maps..., rois]) and gives one (B*N, 2, 2, C) crop per RoI; the RoIs' values do not matter."""

    channel_rule = "keep"

    def call(self, inputs):
        *maps, rois = inputs
        count = keras.ops.shape(rois)[1]
        pooled = sum(keras.ops.mean(m, axis=(1, 2), keepdims=True) for m in maps)
        crops = keras.ops.repeat(keras.ops.tile(pooled, (1, 2, 2, 1)), count, axis=0)
        return crops

    def compute_output_shape(self, input_shape):
        *maps, rois = input_shape
        batch = None if None in rois[:2] else rois[0] * rois[1]
        return (batch, 2, 2, maps[0][-1])


@keras.saving.register_keras_serializable("test_pruning")
class Detector(keras.Model):
    """A subclassed model around a `.network`, as a detector is."""

    def __init__(self, config, network=None, **kwargs):
        super().__init__(**kwargs)
        self.config = dict(config)
        self.network = network if network is not None else fpn()
        self.built = True

    def call(self, inputs):
        return self.network(inputs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return sum(keras.ops.mean((out - 1.0) ** 2) for out in keras.tree.flatten(y_pred))


def plain(norm=True, bias=True):
    """conv - norm - relu - conv - norm - relu - pool - dense."""
    x = image = keras.Input((8, 8, 3), name="image")
    for number, width in enumerate((6, 8)):
        x = L.Conv2D(width, 3, padding="same", use_bias=bias, name=f"conv{number}")(x)
        if norm:
            x = L.BatchNormalization(name=f"norm{number}")(x)
        x = L.ReLU(name=f"relu{number}")(x)
    x = L.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, L.Dense(4, name="logits")(x), name="plain")


def residual():
    image = keras.Input((8, 8, 3), name="image")
    stem = L.Conv2D(8, 3, padding="same", name="stem")(image)
    x = L.Conv2D(5, 3, padding="same", activation="relu", name="inside")(stem)
    x = L.Conv2D(8, 3, padding="same", use_bias=False, name="back")(x)
    x = L.BatchNormalization(name="back_norm")(x)
    x = L.Activation("relu", name="joined")(L.Add(name="add")([stem, x]))
    return keras.Model(image, L.Conv2D(2, 1, name="head")(x), name="residual")


def concat():
    """a (4) and b (6) are joined, then added to c (10): c is split over two groups."""
    image = keras.Input((8, 8, 3), name="image")
    a = L.Conv2D(4, 1, name="a")(image)
    b = L.Conv2D(6, 1, name="b")(image)
    c = L.Conv2D(10, 1, name="c")(image)
    x = L.Add(name="add")([L.Concatenate(name="cat")([a, b]), c])
    return keras.Model(image, L.Conv2D(2, 3, name="head")(x), name="concat")


def flatten_dense():
    image = keras.Input((4, 4, 3), name="image")
    x = L.Conv2D(5, 3, padding="same", activation="relu", name="conv")(image)
    x = L.Dense(7, activation="relu", name="fc")(L.Flatten(name="flat")(x))
    return keras.Model(image, L.Dense(2, name="logits")(x), name="flatten_dense")


def transpose_depthwise():
    image = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(6, 3, padding="same", activation="relu", name="conv")(image)
    x = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2, use_bias=False, name="deep")(x)
    x = L.BatchNormalization(name="deep_norm")(x)
    x = L.Conv2DTranspose(4, 2, strides=2, activation="relu", name="up")(x)
    x = L.SeparableConv2D(6, 3, padding="same", name="sep")(x)
    x = L.Conv2D(6, 3, padding="same", groups=3, name="grouped")(x)
    return keras.Model(image, L.Conv2D(2, 1, name="head")(x), name="transpose_depthwise")


def excite():
    """Squeeze and excite, by broadcasting."""
    image = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(6, 3, padding="same", use_bias=False, name="conv")(image)
    x = L.BatchNormalization(scale=False, name="norm")(x)
    s = L.Reshape((1, 1, 6), name="shape")(L.GlobalAveragePooling2D(name="squeeze")(x))
    s = L.Conv2D(3, 1, activation="relu", name="reduce")(s)
    s = L.Conv2D(6, 1, activation="sigmoid", name="expand")(s)
    x = L.Multiply(name="gate")([x, s])
    return keras.Model(image, L.Conv2D(2, 1, name="head")(x), name="excite")


def fpn():
    """Two levels and a pooled third, laterals joined top-down, one head on all, RoIs by a stand-in."""
    body_in = keras.Input((None, None, 3), name="body_image")
    c2 = L.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="c2")(body_in)
    c3 = L.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="c3")(c2)
    l3 = L.Conv2D(10, 1, name="lateral3")(c3)
    l2 = L.Conv2D(10, 1, name="lateral2")(c2)
    l2 = L.Add(name="merge2")([l2, L.UpSampling2D(name="up3")(l3)])
    p2 = L.Conv2D(10, 3, padding="same", name="p2")(l2)
    p3 = L.Conv2D(10, 3, padding="same", name="p3")(l3)
    p4 = L.MaxPooling2D(1, 2, name="p4")(p3)
    features = keras.Model(body_in, [p2, p3, p4], name="features")

    head_in = keras.Input((None, None, 10), name="head_map")
    h = L.Conv2D(9, 3, padding="same", activation="relu", name="rpn_conv")(head_in)
    rpn = keras.Model(
        head_in, [L.Conv2D(3, 1, name="rpn_class")(h), L.Conv2D(12, 1, name="rpn_bbox")(h)], name="rpn"
    )

    box_in = keras.Input((2, 2, 10), name="box_map")
    b = L.Dense(12, activation="relu", name="fc1")(L.Flatten(name="box_flat")(box_in))
    box_head = keras.Model(box_in, L.Dense(3, name="box_class")(b), name="box_head")

    image = keras.Input((None, None, 3), name="image")
    rois = keras.Input((None, 4), name="rois")
    levels = features(image)
    outputs = {}
    for number, level in enumerate(levels):
        outputs[f"class{number}"], outputs[f"bbox{number}"] = rpn(level)
    outputs["boxes"] = box_head(StandInRoIAlign(name="roi_align")([*levels[:2], rois]))
    return keras.Model({"image": image, "rois": rois}, outputs, name="network")


BUILDERS = (plain, residual, concat, flatten_dense, transpose_depthwise, excite)


def shake(model, seed=0):
    """Give every weight a value of its own (batch-norm statistics too), so that nothing passes by chance."""
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        value = generator.normal(0, 0.5, weight.shape)
        weight.assign(np.abs(value) + 0.5 if weight.name in ("moving_variance", "gamma") else value)
    return model


def inputs(model, count=4, seed=0):
    """A batch for one of these models."""
    network = getattr(model, "network", model)
    shape = {tensor.name: tensor.shape for tensor in network.inputs}.get("image", network.inputs[0].shape)
    size = [length or 16 for length in shape[1:]]
    image = np.random.default_rng(seed).normal(size=(count, *size)).astype("float32")
    if network.name == "network":
        return {"image": image, "rois": np.zeros((count, 5, 4), "float32")}
    return image


def difference(one, other):
    """Largest difference of two structures of outputs, relative to each output's scale; NaN where not finite."""
    found = []
    for a, b in zip(keras.tree.flatten(one), keras.tree.flatten(other), strict=True):
        a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        assert a.shape == b.shape and np.abs(b).max() > 0
        found.append(np.abs(a - b).max() / np.abs(b).max())
    return float(np.max(found))


def lively(model, seed=0):
    """Batch-norm statistics, scales and shifts of their own for every channel, and other biases than zero.

    Kernels stay as they were drawn, so that deep networks neither explode nor fade.
    """
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.name in ("gamma", "moving_variance"):
            weight.assign(generator.uniform(0.5, 1.5, weight.shape))
        elif weight.name in ("beta", "moving_mean", "bias"):
            weight.assign(generator.normal(0, 0.2, weight.shape))
    return model


def optimizer(name, model, loss):
    """An optimizer that lowers the loss by one percent in its first step, as far as the loss is linear.

    With random weights and training-mode batch norm the gradient is long (1,900 for a tiny Mask R-CNN ResNet-50, 4,000
    for ResNet50), and training at a usual rate is chaotic: each step multiplies any difference by ten and more, that
    of a rounding error too.

    Args:
        name: "momentum", "adam" or "global_clip".
        model: the network after pruning, whose gradients are others than before.
        loss: of a model, what is minimised.
    """
    with tf.GradientTape() as tape:
        value = loss(model)
    gradients = tape.gradient(value, model.trainable_variables)
    fall, length = 0.01 * float(value), float(tf.linalg.global_norm(gradients))
    if name == "adam":  # every number moves by the rate
        return keras.optimizers.Adam(fall / sum(float(tf.reduce_sum(tf.abs(gradient))) for gradient in gradients))
    if name == "global_clip":
        return keras.optimizers.SGD(2 * fall / length**2, momentum=0.9, global_clipnorm=length / 2)
    return keras.optimizers.SGD(fall / length**2, momentum=0.9)


@pytest.fixture
def double():
    """Everything in float64."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


@pytest.fixture
def nets():
    keras.utils.set_random_seed(0)
    keras.utils.clear_session(free_memory=False)  # the names of layers begin anew
    return types.SimpleNamespace(
        **{builder.__name__: builder for builder in BUILDERS},
        fpn=fpn,
        shake=shake,
        lively=lively,
        inputs=inputs,
        difference=difference,
        optimizer=optimizer,
        Detector=Detector,
        builders=BUILDERS,
        RoIAlign=StandInRoIAlign,
    )
