import keras
import numpy as np
import pytest
from keras import layers

import maskrcnn
import pruning
from maskrcnn.network import leaf_layers

MAPS = ("c2_out", "c3_out", "c4_out", "c5_out")


def small(side=None, stem=4, padding="same", prefix="c", channels=3):
    """A user's backbone: four maps, one residual join, a top that the detector has no use for."""
    image = keras.Input((side, side, channels))
    x = layers.Conv2D(8, 3, strides=stem, padding=padding, name="patches")(image)
    for number in range(2, 6):
        if number > 2:
            x = layers.Conv2D(8 * number, 3, strides=2, padding=padding, name=f"{prefix}{number}_down")(x)
        y = layers.Conv2D(x.shape[-1], 3, padding="same", use_bias=False, name=f"{prefix}{number}_conv")(x)
        y = layers.BatchNormalization(name=f"{prefix}{number}_norm")(y)
        x = layers.ReLU(name=f"{prefix}{number}_out")(layers.Add(name=f"{prefix}{number}_add")([x, y]))
    return keras.Model(image, layers.Dense(10, name="top")(layers.GlobalAveragePooling2D(name="pool")(x)), name="mine")


@pytest.fixture
def make(tiny):
    def make(backbone=None, maps=MAPS, **changes):
        config = tiny(**changes).config
        keras.utils.set_random_seed(0)
        network = maskrcnn.build_network(config, backbone=small() if backbone is None else backbone, maps=maps)
        return maskrcnn.MaskRCNN(config, network=network)

    return make


def test_it_trains_is_saved_and_read_again(make, pictures, tmp_path):
    model = make()
    levels = model.network.get_layer("features")(np.zeros((1, 64, 96, 3), "float32"))
    assert [tuple(level.shape[1:3]) for level in levels] == [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2)]
    assert "top" not in {layer.name for layer in leaf_layers(model.network)}
    model.compile(keras.optimizers.Adam(2e-3))
    losses = model.fit(pictures, batch_size=4, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]
    model.save(tmp_path / "model.keras")
    again = maskrcnn.load(tmp_path / "model.keras")
    found, expected = again.detect(pictures[0].image), model.detect(pictures[0].image)
    for name in ("boxes", "labels", "scores", "masks"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_it_is_pruned_and_its_stages_are_known(make, pictures):
    model = make()
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), sparsity=0.4)
    smaller = pruning.remove(model, plan)
    widths = {layer.name: layer.filters for layer in leaf_layers(smaller.network) if isinstance(layer, layers.Conv2D)}
    assert widths["c4_down"] < 32 and widths["c4_down"] == widths["c4_conv"]
    assert smaller.network.count_params() < 0.8 * model.network.count_params()
    smaller.compile(keras.optimizers.Adam(1e-3))
    before = {v.path: v.numpy() for v in smaller.network.variables}
    smaller.fit(pictures, batch_size=4, epochs=1, verbose=0, train="5+")
    moved = {v.path.split("/")[0] for v in smaller.network.variables if not np.array_equal(before[v.path], v.numpy())}
    assert {name for name in moved if name.startswith(("patches", "c"))} == {"c5_down", "c5_conv", "c5_norm"}


def test_its_flags_and_weights_are_kept(make):
    mine = small()
    mine.get_layer("c2_conv").trainable = False
    mine.get_layer("c3_norm").trainable = False
    flags = {layer.name: layer.trainable for layer in leaf_layers(make(mine, train_batch_norm=None).network)}
    assert not flags["c2_conv"] and not flags["c3_norm"] and flags["c2_norm"] and flags["c3_conv"]
    frozen = make(mine, train_batch_norm=False).network
    assert not any(layer.trainable for layer in leaf_layers(frozen) if layer.name.endswith("_norm"))
    kernel = frozen.get_layer("features").get_layer("patches").kernel
    np.testing.assert_array_equal(kernel.numpy(), mine.get_layer("patches").kernel.numpy())


@pytest.mark.parametrize(
    ("changes", "maps", "words"),
    [
        ({"stem": 2}, MAPS, r"strides c2_out 2, c3_out 4, c4_out 8, c5_out 16; expected 4, 8, 16, 32"),
        ({"padding": "valid"}, MAPS, r"strides c2_out 4, c3_out 8\.\d+ by 8\.\d+.*expected 4, 8, 16, 32"),
        ({}, MAPS[::-1], r"strides c5_out 32.*expected 4, 8, 16, 32"),
        ({}, (*MAPS[:3], "top"), r"'top' gives no map"),
        ({}, (*MAPS[:3], "c6_out"), r"names of four layers of backbone 'mine'.*no layer 'c6_out'"),
        ({}, MAPS[:3], r"names of four layers"),
        ({}, "c2_out", r"names of four layers"),
        ({"side": 64}, MAPS, r"reads \(None, 64, 64, 3\); expected one picture \(None, None, None, 3\)"),
        ({"channels": 1}, MAPS, r"reads \(None, None, None, 1\)"),
        ({"prefix": "mask_conv"}, ("mask_conv2_out",) * 4, r"strides"),
    ],
)
def test_what_cannot_be_read_is_refused(make, changes, maps, words):
    with pytest.raises(ValueError, match=words):
        make(small(**changes), maps)


def test_names_of_the_networks_own_are_refused(make):
    image = keras.Input((None, None, 3))
    x, maps = image, []
    for stride, name in zip((4, 2, 2, 2), ("a", "rpn_conv", "b", "c"), strict=True):
        x = layers.Conv2D(8, 3, strides=stride, padding="same", name=name)(x)
        maps.append(name)
    with pytest.raises(ValueError, match="called 'rpn_conv': rename"):
        make(keras.Model(image, x), maps)


def test_other_models_and_settings_that_do_not_fit_are_refused(make, tiny):
    with pytest.raises(ValueError, match="expected a Functional keras.Model, found MaskRCNN"):
        make(tiny())
    with pytest.raises(ValueError, match="frozen_stages=1"):
        make(frozen_stages=1)
    stages = {layer.name: layer.trainable for layer in leaf_layers(make(frozen_stages=3).network)}
    assert not stages["patches"] and not stages["c3_conv"] and stages["c4_down"]
    with pytest.raises(ValueError, match="maps=.*give that as well"):
        maskrcnn.build_network(tiny().config, maps=MAPS)
