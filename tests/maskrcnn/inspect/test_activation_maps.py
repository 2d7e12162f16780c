import dataclasses

import numpy as np
import pytest

from maskrcnn import inspect
from maskrcnn.inspect.activation_maps import noisy
from maskrcnn.inspect.figures.activation_figures import chosen_channels


def test_what_a_layer_answers_is_what_the_network_computes(model, sample):
    import keras
    import tensorflow as tf

    from maskrcnn.network.preprocessing import normalise

    features = model.network.get_layer("features")
    picture = tf.constant(sample.image[None].astype("float32") / 255)
    picture = normalise(picture, tf.constant([[64.0, 64.0]]), model.config)
    layer = features.get_layer("res3_1_out")
    expected = keras.Model(features.input, layer.output)(picture, training=False)
    (found,) = inspect.activations(model, sample.image, ["res3_1_out"])
    assert found.part == "features" and not found.of_regions
    np.testing.assert_allclose(found.maps[0], expected, atol=1e-5)


def test_layers_of_every_part(model, sample):
    names = ["fpn_output2", "rpn_conv", "box_fc1", "mask_conv1"]
    found = {one.layer: one for one in inspect.activations(model, sample.image, names)}
    assert [m.shape for m in found["rpn_conv"].maps] == [(1, s, s, 8) for s in (16, 8, 4, 2, 1)]
    assert found["box_fc1"].maps[0].shape == (30, 16) and found["box_fc1"].of_regions
    assert found["mask_conv1"].maps[0].shape == (20, 14, 14, 8)
    assert set(inspect.telling_layers(model.network)) >= {"stem_relu", "res2_1_out", "res5_1_out", *names}


def test_padding_is_no_part_of_a_map(model):
    (found,) = inspect.activations(model, np.zeros((50, 70, 3), np.uint8), ["fpn_output2"])
    assert found.maps[0].shape == (1, 16, 22, 8)  # 64 x 89 of 64 x 96 px


def test_silent_channels_are_found_and_layers_are_left_as_they_were(model, sample):
    layer = model.network.get_layer("features").get_layer("fpn_output2")
    kernel, bias = (np.array(one) for one in layer.get_weights())
    kernel[..., [2, 5]], bias[[2, 5]] = 0, 0
    before = layer.get_weights()
    layer.set_weights([kernel, bias])
    try:
        given = {"fpn_output2": np.arange(8) == 5}
        (found,) = inspect.activations(model, sample.image, ["fpn_output2"], given)
        assert np.flatnonzero(found.zero).tolist() == [2, 5] and np.flatnonzero(found.silenced).tolist() == [5]
        weights = {one.layer: one for one in inspect.layer_weights(model, given)}
        assert np.flatnonzero(weights["fpn_output2"].zero).tolist() == [2, 5]
        assert np.flatnonzero(weights["fpn_output2"].pruned).tolist() == [5]
        assert not weights["fpn_output3"].pruned.any()
        assert "call" not in vars(layer)
    finally:
        layer.set_weights(before)


def test_a_layer_that_is_not_there_names_those_near_it(model, sample):
    with pytest.raises(ValueError, match="no layer 'fpn_outptu2'; did you mean fpn_output2"):
        inspect.activations(model, sample.image, ["fpn_outptu2"])


def test_noise_is_told_from_structure():
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32]
    maps = np.stack(
        [
            random.normal(size=(32, 32)),
            np.hypot(rows - 16, columns - 16),
            (rows + columns) % 2,
            np.zeros((32, 32)),
            columns + random.normal(size=(32, 32)),
        ],
        axis=-1,
    )
    assert noisy(maps[None]).tolist() == [True, False, False, False, False]
    assert not noisy(maps[None, :8, :8]).any(), "too few cells to judge"


def test_white_noise_is_hardly_ever_missed():
    maps = np.random.default_rng(1).normal(size=(1, 20, 20, 500))
    assert noisy(maps).mean() > 0.98


def test_pointed_out_channels_are_drawn_first(model):
    zero = np.zeros(300, bool)
    zero[[17, 211]] = True
    one = inspect.Activation("x", "features", (np.zeros((1, 4, 4, 300)),), False, zero, np.zeros(300, bool))
    chosen = chosen_channels(one)
    assert len(chosen) == 64 and {17, 211} <= set(chosen.tolist()) and (np.diff(chosen) > 0).all()
    other = dataclasses.replace(one, zero=np.roll(zero, 1))
    both = chosen_channels(one, beside=other)
    assert {17, 18, 211, 212} <= set(both.tolist()) and both.tolist() == chosen_channels(other, beside=one).tolist()
