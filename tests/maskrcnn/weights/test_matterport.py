import h5py
import keras
import numpy as np
import pytest

import maskrcnn
from maskrcnn.network import leaf_layers
from maskrcnn.weights import MATTERPORT_CLASS_NAMES, load_matterport
from maskrcnn.weights.matterport import layer_of

TINY = dict(
    backbone="resnet50", backbone_alpha=0.0625, fpn_width=8, rpn_width=8, box_head_widths=(16, 16),
    mask_head_widths=(8, 8, 8, 8), mask_deconv_width=8, min_size=64, max_size=64, anchor_sizes=(8, 16, 32, 64, 128),
    pre_nms_train=60, post_nms_train=30, pre_nms_test=60, post_nms_test=30, roi_samples=16, rpn_samples=32,
)  # fmt: skip


@pytest.fixture(scope="module")
def make():
    def make(names=("cat", "dog"), **changes):
        keras.utils.set_random_seed(3)
        return maskrcnn.MaskRCNN(maskrcnn.MaskRCNNConfig.matterport(names, **(TINY | changes)))

    return make


@pytest.fixture(scope="module")
def model(make):
    return make()


def write(path, tensors, root=""):
    """A file as Keras 2 lays it out: a group for each layer, its weights in groups of the scope's name."""
    with h5py.File(path, "w") as file:
        for name, value in tensors.items():
            layer, _, weight = name.rpartition("/")
            group = "rpn_model" if layer.startswith("rpn_") else layer
            file[f"{root}{group}/{layer}/{weight}:0"] = value
    return path


def some(model):
    """A few tensors that fit the tiny model, each with values of its own."""
    rng = np.random.default_rng(0)
    classes = model.config.num_classes
    shapes = {
        "conv1/kernel": (7, 7, 3, 4), "conv1/bias": (4,), "bn_conv1/moving_mean": (4,), "fpn_c2p2/bias": (8,),
        "rpn_class_raw/kernel": (1, 1, 8, 6), "rpn_bbox_pred/bias": (12,), "mrcnn_class_conv1/kernel": (7, 7, 8, 16),
        "mrcnn_class_conv2/kernel": (1, 1, 16, 16), "mrcnn_bbox_fc/bias": (4 * classes,),
        "mrcnn_class_logits/bias": (classes,), "mrcnn_mask/bias": (classes,),
    }  # fmt: skip
    return {name: rng.standard_normal(shape).astype("float32") for name, shape in shapes.items()}


def weights(model):
    return {f"{x.name}/{v.name}": v.numpy() for x in leaf_layers(model.network) for v in x.variables}


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("res2a_branch2a/kernel", ("res2_1_1_conv", "kernel")),
        ("bn4w_branch2c/gamma", ("res4_23_3_norm", "gamma")),
        ("res5a_branch1/bias", ("res5_1_shortcut_conv", "bias")),
        ("bn3a_branch1/moving_variance", ("res3_1_shortcut_norm", "moving_variance")),
        ("fpn_c5p5/bias", ("fpn_lateral5", "bias")),
        ("fpn_p3/kernel", ("fpn_output3", "kernel")),
        ("fpn_c4p5/kernel", None),
        ("mrcnn_class_bn2/beta", ("box_fc2_norm", "beta")),
        ("mrcnn_mask_conv4/kernel", ("mask_conv4", "kernel")),
        ("anchors/Variable", None),
        ("conv1/Adam", None),
    ],
)
def test_names_follow_from_rules(name, place):
    assert layer_of(name) == place


def test_answers_are_turned_into_this_networks_terms(model, tmp_path):
    tensors = some(model)
    report = load_matterport(model, write(tmp_path / "a.h5", tensors))
    assert set(report.matched) == set(tensors) and not report.unused and "fpn_lateral2/kernel" in report.missing
    found = weights(model)
    raw = tensors["rpn_class_raw/kernel"]
    np.testing.assert_array_equal(found["rpn_class/kernel"][..., 1], raw[..., 3] - raw[..., 2])
    np.testing.assert_array_equal(found["rpn_bbox/bias"][4:8], tensors["rpn_bbox_pred/bias"][[5, 4, 7, 6]])
    np.testing.assert_array_equal(found["mrcnn_bbox/bias"][8:], tensors["mrcnn_bbox_fc/bias"][[9, 8, 11, 10]])
    cell = found["box_fc1/kernel"].reshape(7, 7, 8, 16)[2, 5]
    np.testing.assert_array_equal(cell, tensors["mrcnn_class_conv1/kernel"][2, 5])
    norms = {x.name: x.trainable for x in leaf_layers(model.network) if x.name.endswith("_norm")}
    assert not norms["stem_norm"] and norms["res2_1_1_norm"] and norms["box_fc1_norm"]  # those loaded are frozen


def test_a_whole_models_file_has_its_weights_in_a_group(model, tmp_path):
    report = load_matterport(model, write(tmp_path / "a.h5", some(model), "model_weights/"))
    assert set(report.matched) == set(some(model))


def test_other_classes_are_left_out_by_name(make, tmp_path):
    coco, mine = some(make(MATTERPORT_CLASS_NAMES)), make()
    path = write(tmp_path / "coco.h5", coco)
    with pytest.raises(ValueError, match=r"mrcnn_bbox_fc/bias: shape \(324,\).*classes='skip'"):
        load_matterport(mine, path)
    report = load_matterport(mine, path, classes="skip")
    assert set(report.skipped) == {"mrcnn_bbox_fc/bias", "mrcnn_class_logits/bias", "mrcnn_mask/bias"}
    assert "mrcnn_class_logits/bias: depends on the classes" in str(report)
    with pytest.raises(ValueError, match="classes='all'"):
        load_matterport(mine, path, classes="all")


def test_the_classes_of_coco_have_no_gaps():
    assert len(MATTERPORT_CLASS_NAMES) == len(set(MATTERPORT_CLASS_NAMES)) == 80
    places = {1: "person", 12: "stop sign", 16: "cat", 80: "toothbrush"}
    assert {i: MATTERPORT_CLASS_NAMES[i - 1] for i in places} == places


def refused(model, path, words):
    before = weights(model)
    with pytest.raises(ValueError, match=words) as raised:
        load_matterport(model, path)
    assert "\n" not in str(raised.value)
    for name, value in weights(model).items():
        np.testing.assert_array_equal(value, before[name])


def test_files_that_are_something_else_are_refused_in_a_sentence(model, tmp_path):
    refused(model, tmp_path / "none.h5", "none.h5: cannot be read")
    (tmp_path / "text.h5").write_text("no weights")
    refused(model, tmp_path / "text.h5", "text.h5: cannot be read as an HDF5 file")
    refused(model, write(tmp_path / "other.h5", {"block1_conv1/kernel": np.zeros(3)}), "none of the 1 tensors.*block1")
    refused(model, write(tmp_path / "empty.h5", {}), "none of the 0 tensors")
    wide = some(model) | {"fpn_c2p2/bias": np.zeros(9, "float32")}
    refused(model, write(tmp_path / "wide.h5", wide), r"fpn_c2p2/bias: shape \(9,\).*\(8,\) is expected: check")
    words = some(model) | {"fpn_c2p2/bias": np.array([b"x"] * 8)}
    refused(model, write(tmp_path / "words.h5", words), "fpn_c2p2/bias is no plain array")
    with h5py.File(tmp_path / "odd.h5", "w") as file:
        file["model_weights"] = 3.0
    refused(model, tmp_path / "odd.h5", "model_weights is no group")
    with h5py.File(write(tmp_path / "twice.h5", some(model)), "a") as file:
        file["again/conv1/bias:0"] = np.zeros(4, "float32")
    refused(model, tmp_path / "twice.h5", "conv1/bias is there twice")


def test_no_other_file_is_opened(model, tmp_path):
    """A file from elsewhere could name any file of its reader's."""
    secret = write(tmp_path / "secret.h5", some(model), "model_weights/")
    with h5py.File(tmp_path / "links.h5", "w") as file:
        file["conv1"] = h5py.ExternalLink(secret.name, "model_weights/conv1")
        file["model_weights"] = h5py.ExternalLink(secret.name, "model_weights")
    refused(model, tmp_path / "links.h5", "none of the 0 tensors")
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((4,), "float32")
        layout[:] = h5py.VirtualSource(secret, "model_weights/conv1/conv1/bias:0", (4,))
        file.create_virtual_dataset("conv1/conv1/bias:0", layout)
    refused(model, tmp_path / "virtual.h5", "conv1/bias is no plain array")
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        outside = [(str(tmp_path / "raw"), 0, 16)]
        file.create_dataset("conv1/conv1/bias:0", (4,), "float32", external=outside)
    refused(model, tmp_path / "outside.h5", "conv1/bias is no plain array")


def test_a_model_with_other_numerics_is_refused(make, tmp_path):
    path = write(tmp_path / "a.h5", some(make()))
    refused(make(conv_bias=False), path, r"conv1/bias has no place.*MaskRCNNConfig.matterport")


@pytest.mark.slow
def test_it_trains_and_measures(make):
    names = ("square", "circle", "triangle")
    model, data = make(names, backbone="resnet10", backbone_alpha=0.125), maskrcnn.data.shapes(4, 64, seed=1)
    model.compile(keras.optimizers.SGD(1e-4))
    history = model.fit(data, batch_size=2, epochs=1, verbose=0).history
    assert np.isfinite(list(history.values())).all() and len(history) == 6
    (batch,) = maskrcnn.data.batches(data.subset(range(2)), model.config, 2, training=False)
    assert all(np.isfinite(float(loss)) for loss in model.task_losses(batch).values())
    measures = maskrcnn.evaluate(model, data, progress=False)
    assert 0 <= measures["class"]["accuracy"] <= 1
    stages = maskrcnn.inspect.trace(model, data[0].image, data[0], 0.0)
    np.testing.assert_array_equal(stages.detections.boxes, model.detect(data[0].image, score_threshold=0.0).boxes)
