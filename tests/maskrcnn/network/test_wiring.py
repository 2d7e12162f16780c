import keras
import numpy as np
import pytest

from maskrcnn import MaskRCNN, MaskRCNNConfig
from maskrcnn.network import build_network, leaf_layers
from maskrcnn.network.backbones.build import named_backbone


def test_torchvisions_parameter_count():
    config = MaskRCNNConfig.torchvision([str(i) for i in range(90)])
    network = build_network(config)
    statistics = sum(v.shape[0] for v in network.variables if v.name.startswith("moving_"))
    assert network.count_params() - statistics == 44_454_513


LARGE = [pytest.param(name, marks=pytest.mark.slow) for name in ("resnet18", "resnet50", "resnet101", "mobilenet_v2")]


@pytest.mark.parametrize("backbone", ["resnet10", "mobilenet", *LARGE])
def test_every_backbone_gives_a_pyramid_and_trains(tiny, pictures, backbone):
    model = tiny(backbone=backbone, backbone_alpha=0.25 if backbone.startswith("mobile") else 0.0625)
    levels = model.network.get_layer("features")(np.zeros((1, 64, 96, 3), "float32"))
    assert [tuple(level.shape[1:3]) for level in levels] == [(16, 24), (8, 12), (4, 6), (2, 3), (1, 2)]
    model.compile(keras.optimizers.SGD(1e-3))
    before = [v.numpy() for v in model.trainable_variables]
    model.fit(pictures, batch_size=2, epochs=1, steps_per_epoch=1, verbose=0)
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.trainable_variables, strict=True)]
    assert np.mean(moved) > 0.9


def test_layer_names_are_unique_in_the_whole_network(tiny):
    names = [layer.name for layer in leaf_layers(tiny().network)]
    assert len(names) == len(set(names))


def test_network_is_rebuilt_from_its_config(tiny):
    model = tiny()
    again = keras.Model.from_config(model.network.get_config())
    again.set_weights(model.network.get_weights())
    inputs = {
        "image": np.random.default_rng(0).uniform(size=(2, 64, 64, 3)).astype("float32"),
        "rois": np.float32([[[0, 0, 20, 20], [8, 8, 40, 60]]] * 2),
        "mask_rois": np.float32([[[0, 0, 20, 20]]] * 2),
    }
    first, second = model.network(inputs), again(inputs)
    assert first["mrcnn_mask"].shape == (2, 28, 28, 4) and first["mrcnn_class_logits"].shape == (4, 4)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_batch_norm_trains_where_nothing_is_loaded_unless_told(tiny, tmp_path):
    def trainable(model):
        return [
            layer.trainable
            for layer in leaf_layers(model.network)
            if isinstance(layer, keras.layers.BatchNormalization)
        ]

    assert not any(trainable(tiny(train_batch_norm=False)))
    assert all(trainable(tiny(train_batch_norm=True)))
    nothing = tiny(train_batch_norm=None, backbone="mobilenet", backbone_alpha=0.25)
    assert all(trainable(nothing))
    path = tmp_path / "backbone.weights.h5"
    source = keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None, input_shape=(64, 64, 3))
    source.save_weights(path)
    changes = dict(backbone="mobilenet", backbone_alpha=0.25, backbone_weights=str(path))
    assert not any(trainable(tiny(train_batch_norm=None, **changes)))
    assert all(trainable(tiny(train_batch_norm=True, **changes)))


def test_batch_norms_of_a_mobilenet_from_nothing_follow_a_short_training():
    def momenta(image, maps):
        layers = keras.Model(image, maps).layers
        return {layer.momentum for layer in layers if isinstance(layer, keras.layers.BatchNormalization)}

    image = keras.Input((None, None, 3))
    config = MaskRCNNConfig(class_names=("a",), backbone="mobilenet_v2", backbone_alpha=0.35)
    assert momenta(image, named_backbone(image, config)) == {0.99}


def test_frozen_stages(tiny):
    def frozen(model):
        return {v.path.split("/")[0] for v in model.network.non_trainable_variables if "moving" not in v.name}

    assert frozen(tiny()) == set()
    assert frozen(tiny(frozen_stages=1)) == {"stem_conv", "stem_norm"}
    stage2 = frozen(tiny(frozen_stages=2))
    assert {"stem_conv", "res2_1_1_conv", "res2_1_2_conv"} <= stage2 and "res3_1_1_conv" not in stage2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"backbone": "resnet50", "backbone_weights": "imagenet"}, "not at hand for resnet50"),
        ({"backbone": "mobilenet", "backbone_weights": "nowhere.h5"}, "nowhere.h5.*no file"),
    ],
)
def test_unfit_backbone_weights_are_named(changes, words):
    with pytest.raises(ValueError, match=words):
        MaskRCNN(MaskRCNNConfig(class_names=("a",), **changes))


def test_weights_of_another_width_are_refused(tmp_path, tiny):
    path = tmp_path / "small.weights.h5"
    source = keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None, input_shape=(64, 64, 3))
    source.save_weights(path)
    with pytest.raises(ValueError, match="do not fit mobilenet.*alpha=0.5"):
        tiny(backbone="mobilenet", backbone_alpha=0.5, backbone_weights=str(path))
    loaded = tiny(backbone="mobilenet", backbone_alpha=0.25, backbone_weights=str(path))
    assert loaded.network.count_params() > 0
