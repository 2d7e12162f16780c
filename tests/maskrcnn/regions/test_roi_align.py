import numpy as np
import pytest
import tensorflow as tf

from maskrcnn.regions.roi_align import RoIAlign, align_by_crop, align_by_gather, level_of
from maskrcnn.regions.sample_points import CORNERS


def by_definition(feature, box, scale, size, ratio, aligned):
    """RoIAlign of one box on one map (h, w, C), sample by sample."""
    x1, y1, x2, y2 = np.asarray(box, "float64") * scale - (0.5 if aligned else 0.0)
    width, height = x2 - x1, y2 - y1
    if not aligned:
        width, height = max(width, 1), max(height, 1)
    out = np.zeros((size, size, feature.shape[-1]))

    def read(y, x):
        rows, columns = feature.shape[:2]
        if y < -1 or y > rows or x < -1 or x > columns:
            return 0
        y, x = np.clip(y, 0, rows - 1), np.clip(x, 0, columns - 1)
        low_y, low_x = int(y), int(x)
        high_y, high_x = min(low_y + 1, rows - 1), min(low_x + 1, columns - 1)
        wy, wx = y - low_y, x - low_x
        top = feature[low_y, low_x] * (1 - wx) + feature[low_y, high_x] * wx
        bottom = feature[high_y, low_x] * (1 - wx) + feature[high_y, high_x] * wx
        return top * (1 - wy) + bottom * wy

    for i in range(size):
        for j in range(size):
            for a in range(ratio):
                for b in range(ratio):
                    y = y1 + (i + (a + 0.5) / ratio) * height / size
                    x = x1 + (j + (b + 0.5) / ratio) * width / size
                    out[i, j] += read(y, x) / ratio**2
    return out


def example(seed=0, count=30):
    rng = np.random.default_rng(seed)
    features = [rng.standard_normal((2, 64 >> k, 96 >> k, 3)).astype("float32") for k in range(4)]
    corner = rng.uniform(-8, 200, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0, 200, (count, 2))], axis=1).astype("float32")
    boxes[0] = [10, 10, 10, 10]
    picture = rng.integers(0, 2, count).astype("int32")
    level = level_of(tf.constant(boxes), 56.0, 2, 5).numpy() - 2
    return [tf.constant(f) for f in features], boxes, picture, level


@pytest.mark.parametrize("align", [align_by_crop, align_by_gather])
@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [1, 2])
def test_against_the_definition(align, aligned, ratio):
    features, boxes, picture, level = example()
    scales = [1 / 4, 1 / 8, 1 / 16, 1 / 32]
    assert set(level) == {0, 1, 2, 3}
    found = align(features, boxes, picture, level, scales, 4, ratio, aligned)
    for n, box in enumerate(boxes):
        feature = features[level[n]].numpy()[picture[n]]
        wanted = by_definition(feature, box, scales[level[n]], 4, ratio, aligned)
        np.testing.assert_allclose(found[n], wanted, atol=1e-4, err_msg=f"box {n}")


def test_gradient_is_the_transpose():
    """<align(f), u> = <f, backward(u)> for every f: and the same from both forms."""
    features, boxes, picture, level = example(1, 200)
    scales = [1 / 4, 1 / 8, 1 / 16, 1 / 32]
    upstream = tf.random.stateless_normal((200, 4, 4, 3), (0, 1))
    gradients = []
    for align in (align_by_crop, align_by_gather):
        with tf.GradientTape() as tape:
            tape.watch(features)
            out = align(features, boxes, picture, level, scales, 4, 2, True)
            total = tf.reduce_sum(out * upstream)
        gradients.append(tape.gradient(total, features))
        back = sum(float(tf.reduce_sum(g * f)) for g, f in zip(gradients[-1], features, strict=True))
        np.testing.assert_allclose(back, float(total), rtol=1e-3)
    for crop, gather in zip(*gradients, strict=True):
        np.testing.assert_allclose(crop, gather, atol=1e-4)


def test_gradient_loses_nothing_where_many_regions_overlap():
    """The fused operation's own gradient drops updates on several threads; a sum of ones must stay whole."""
    feature = tf.zeros((1, 32, 32, 8))
    boxes = np.tile(np.float32([4, 4, 100, 100]), (2000, 1))
    with tf.GradientTape() as tape:
        tape.watch(feature)
        out = align_by_crop([feature], boxes, np.zeros(2000, "int32"), np.zeros(2000, "int32"), [0.25], 7, 2, True)
        total = tf.reduce_sum(out)
    np.testing.assert_allclose(float(tf.reduce_sum(tape.gradient(total, feature))), 2000 * 49 * 8, rtol=1e-4)


@pytest.mark.parametrize(("side", "level"), [(0, 2), (50, 2), (112, 3), (223.9, 3), (224, 4), (448, 5), (3000, 5)])
def test_level_of_a_square(side, level):
    assert level_of(tf.constant([[0.0, 0.0, side, side]]), 224.0, 2, 5).numpy().tolist() == [level]


def test_the_canonical_size_shifts_the_levels():
    assert level_of(tf.constant([[0.0, 0.0, 32.0, 32.0]]), 32.0, 2, 5).numpy().tolist() == [4]


def test_layer_orders_regions_picture_by_picture():
    features, *_ = example()
    rois = np.float32([[[0, 0, 40, 40], [8, 8, 90, 90]], [[4, 0, 60, 30], [0, 0, 9, 9]]])
    layer = RoIAlign(5, canonical_size=56.0)
    both = layer([*features, rois])
    second = layer([*[f[1:] for f in features], rois[1:]])
    assert both.shape == (4, 5, 5, 3)
    np.testing.assert_allclose(both[2:], second, atol=1e-6)
    assert RoIAlign.from_config(layer.get_config()).get_config() == layer.get_config()


def test_pixels_survive_half_precision():
    features, *_ = example()
    rois = np.float32([[[1000.3, 0, 1040.7, 40]]] * 2)
    wide = [tf.tile(f, (1, 1, 16, 1)) for f in features]
    full = RoIAlign(3, canonical_size=56.0)([*wide, rois])
    half = RoIAlign(3, canonical_size=56.0, dtype="mixed_float16")([*[tf.cast(f, "float16") for f in wide], rois])
    assert half.dtype == "float16"
    np.testing.assert_allclose(full, tf.cast(half, "float32"), atol=5e-3)


def test_from_corner_to_corner_it_is_crop_and_resize():
    """Matterport's pooling: boxes over the picture's last pixel, read where TensorFlow's own operation reads."""
    features, *_ = example()
    boxes = np.random.default_rng(2).uniform(0, 90, (9, 2, 2)).cumsum(axis=1).reshape(9, 4).astype("float32")
    last = np.array([64 * 4 - 1, 96 * 4 - 1] * 2, "float32")
    level = tf.constant([0, 1, 2] * 3)
    found, gathered = (
        align([tf.constant(f) for f in features[:3]], boxes, np.zeros(9, "int32"), level, [0.25, 0.125, 0.0625], 7, 1,
              CORNERS)
        for align in (align_by_crop, align_by_gather)
    )  # fmt: skip
    for row, (box, index) in enumerate(zip(boxes, level.numpy(), strict=True)):
        wanted = tf.image.crop_and_resize(features[index][:1], box[None, [1, 0, 3, 2]] / last, [0], [7, 7])
        np.testing.assert_allclose(found[row], wanted[0], atol=1e-5)
    np.testing.assert_allclose(gathered, found, atol=1e-4)


@pytest.mark.parametrize(("side", "level"), [(112 * 1.4, 3), (112 * 1.42, 4), (224 * 1.42, 5), (1, 2)])
def test_the_nearest_level(side, level):
    assert level_of(tf.constant([[0.0, 0.0, side, side]]), 224.0, 2, 5, nearest=True).numpy().tolist() == [level]
