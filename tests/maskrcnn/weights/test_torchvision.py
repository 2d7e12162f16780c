import json

import numpy as np
import pytest
from PIL import Image

import maskrcnn
from maskrcnn import MaskRCNNConfig
from maskrcnn.network import leaf_layers
from maskrcnn.weights import COCO_CLASS_NAMES, COCO_CLASSES, load_torchvision
from maskrcnn.weights.torchvision import LAYERS, NORM, PLAIN, layer_of, present_name


def state_of(model):
    """Three tensors that fit, in torch's layout."""
    layers = {layer.name: layer for layer in leaf_layers(model.network)}

    def torch_shape(name):
        kernel = layers[name].kernel.shape
        return tuple(kernel[i] for i in (3, 2, 0, 1)) if len(kernel) == 4 else tuple(kernel[::-1])

    rng = np.random.default_rng(0)
    return {
        "backbone.body.conv1.weight": rng.standard_normal(torch_shape("stem_conv")).astype("float32"),
        "rpn.head.conv.weight": rng.standard_normal(torch_shape("rpn_conv")).astype("float32"),
        "roi_heads.box_head.fc6.weight": rng.standard_normal(torch_shape("box_fc1")).astype("float32"),
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rpn.head.conv.weight", "rpn.head.conv.0.0.weight"),
        ("backbone.fpn.inner_blocks.2.bias", "backbone.fpn.inner_blocks.2.0.bias"),
        ("backbone.fpn.layer_blocks.0.weight", "backbone.fpn.layer_blocks.0.0.weight"),
        ("roi_heads.mask_head.mask_fcn1.weight", "roi_heads.mask_head.0.0.weight"),
        ("roi_heads.mask_head.mask_fcn4.bias", "roi_heads.mask_head.3.0.bias"),
        ("backbone.body.layer1.0.conv1.weight", "backbone.body.layer1.0.conv1.weight"),
    ],
)
def test_old_names_become_present_ones(old, new):
    assert present_name(old) == new
    assert present_name(new) == new
    assert layer_of(old) == layer_of(new) is not None


def test_report_tells_matched_unused_and_missing(tiny):
    model = tiny()
    state = state_of(model) | {"something.else": np.zeros(3), "backbone.body.bn1.num_batches_tracked": np.zeros(())}
    report = load_torchvision(model, state)
    assert report.matched == tuple(state_of(model))
    assert report.unused == ("something.else",)
    assert "stem_conv/kernel" not in report.missing and "mrcnn_mask/kernel" in report.missing
    assert "3 tensors matched, 1 unused" in str(report) and "something.else" in str(report)


def test_the_first_dense_layer_reads_the_other_order(tiny):
    model = tiny()
    state = state_of(model)
    load_torchvision(model, state)
    kernel = next(x for x in leaf_layers(model.network) if x.name == "box_fc1").kernel.numpy()
    torch_kernel = state["roi_heads.box_head.fc6.weight"].reshape(16, 8, 7, 7)
    np.testing.assert_array_equal(kernel.reshape(7, 7, 8, 16)[2, 5, 3], torch_kernel[:, 3, 2, 5])


def test_a_shape_that_does_not_fit_is_refused_and_nothing_changes(tiny):
    model = tiny()
    before = model.get_weights()
    state = state_of(model)
    state["rpn.head.conv.weight"] = np.zeros((9, 9, 3, 3), "float32")
    with pytest.raises(ValueError, match=r"rpn.head.conv.weight.*\(9, 9, 3, 3\).*rpn_conv"):
        load_torchvision(model, state)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("said", "frozen"), [(None, True), (True, False), (False, True)])
def test_batch_norm_that_is_loaded_is_frozen_unless_told(tiny, tmp_path, said, frozen):
    model = tiny(train_batch_norm=said)
    channels = model.network.get_layer("features").get_layer("stem_norm").gamma.shape
    names = ("weight", "bias", "running_mean", "running_var")
    load_torchvision(model, {f"backbone.body.bn1.{name}": np.ones(channels, "float32") for name in names})
    norms = {layer.name: layer for layer in leaf_layers(model.network) if layer.name.endswith("_norm")}
    assert norms["stem_norm"].trainable != frozen
    assert norms["res2_1_1_norm"].trainable == (said is not False)  # was not in the file
    model.save(tmp_path / "model.keras")
    again = {layer.name: layer.trainable for layer in leaf_layers(maskrcnn.load(tmp_path / "model.keras").network)}
    assert again["stem_norm"] != frozen


def torch_state(model):
    """Every tensor of a model under torchvision's name, in torch's layout, seeded."""
    rng, state = np.random.default_rng(1), {}
    variables = {(x.name, v.name): v for x in leaf_layers(model.network) for v in x.variables}
    names = [f"{stem}.{leaf}" for stem in LAYERS for leaf in (*NORM, "bias")]
    names += [f"backbone.body.layer{n}.{i}.{k}{j}.{leaf}" for n in range(1, 5) for i in range(2) for k in ("conv", "bn")
              for j in (1, 2) for leaf in NORM]  # fmt: skip
    names += [f"backbone.body.layer{n}.0.downsample.{k}.{leaf}" for n in range(1, 5) for k in (0, 1) for leaf in NORM]
    names += [f"backbone.fpn.{k}_blocks.{n}.0.{leaf}" for k in ("inner", "layer") for n in range(4) for leaf in PLAIN]
    names += [f"roi_heads.mask_head.0.0.{leaf}" for leaf in PLAIN]
    for name in names:
        if (variable := variables.get(layer_of(name))) is not None:
            shape = tuple(variable.shape)
            order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(len(shape), range(len(shape)))
            state[name] = rng.uniform(0.5, 1, [shape[i] for i in order]).astype("float32")
    return state


def test_the_classes_are_left_out_by_name(tiny):
    published, mine = tiny(class_names=COCO_CLASS_NAMES), tiny(class_names=("cat", "dog"))
    state = torch_state(published)
    with pytest.raises(ValueError, match=r"cls_score.*classes='skip'"):
        load_torchvision(mine, state)
    before = {v.path: v.numpy() for v in mine.network.variables}
    report = load_torchvision(mine, state, classes="skip")
    heads = ("box_predictor.cls_score", "box_predictor.bbox_pred", "mask_predictor.mask_fcn_logits")
    assert set(report.skipped) == {f"roi_heads.{head}.{leaf}" for head in heads for leaf in ("weight", "bias")}
    assert not report.missing and not report.unused and len(report.matched) == len(state) - 6
    assert "6 skipped" in str(report) and "cls_score.weight: depends on the classes" in str(report)
    same = {path for path, value in before.items() if np.array_equal(value, mine_of(mine, path))}
    assert {path.split("/")[0] for path in same} == {"mrcnn_class_logits", "mrcnn_bbox", "mrcnn_mask"}
    with pytest.raises(ValueError, match="classes='none'"):
        load_torchvision(mine, state, classes="none")


def mine_of(model, path):
    return next(v for v in model.network.variables if v.path == path).numpy()


def test_a_resnet_alone_goes_into_the_backbone(tiny):
    model = tiny(train_batch_norm=None)
    body = "backbone.body."
    whole = torch_state(model)
    alone = {key.removeprefix(body): value for key, value in whole.items() if key.startswith(body)}
    report = load_torchvision(model, alone | {"fc.weight": np.zeros((10, 64)), "fc.bias": np.zeros(10)})
    assert set(report.matched) == set(alone) and report.unused == ("fc.weight", "fc.bias")
    assert "fpn_lateral2/kernel" in report.missing and "mrcnn_mask/bias" in report.missing
    assert not any(name.startswith(("stem_", "res")) for name in report.missing)
    kernel = mine_of(model, "res3_1_shortcut_conv/kernel")
    np.testing.assert_array_equal(kernel, alone["layer2.0.downsample.0.weight"].transpose(2, 3, 1, 0))
    assert not any(layer.trainable for layer in leaf_layers(model.network) if layer.name.endswith("_norm"))


def test_cocos_classes_have_its_ids():
    assert len(COCO_CLASSES) == 91 and COCO_CLASSES[0] == "__background__"
    gaps = {i for i, name in enumerate(COCO_CLASSES) if name == "N/A"}
    assert gaps == {12, 26, 29, 30, 45, 66, 68, 69, 71, 83} and len(set(COCO_CLASSES)) == 82
    places = {1: "person", 13: "stop sign", 18: "dog", 44: "bottle", 64: "potted plant", 72: "tv", 90: "toothbrush"}
    assert {i: COCO_CLASSES[i] for i in places} == places
    assert all(a == b or a == "N/A" for a, b in zip(COCO_CLASSES[1:], COCO_CLASS_NAMES, strict=True))
    assert MaskRCNNConfig.torchvision(COCO_CLASS_NAMES).num_classes == 91


def test_labels_of_coco_data_are_the_ids_of_published_weights(tiny, tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    box = [8, 8, 20, 20]
    outline = [8, 8, 28, 8, 28, 28, 8, 28]
    content = {
        "images": [{"id": 7, "file_name": "a.png", "height": 64, "width": 64}],
        "categories": [{"id": i, "name": name} for i, name in enumerate(COCO_CLASSES) if i and name != "N/A"],
        "annotations": [
            {"id": i, "image_id": 7, "category_id": i, "bbox": box, "iscrowd": 0, "segmentation": [outline]}
            for i in (1, 13, 90)
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    data = maskrcnn.data.load_coco(tmp_path / "a.json", tmp_path, class_names=COCO_CLASS_NAMES)
    assert data[0].labels.tolist() == [1, 13, 90]
    model = tiny(class_names=COCO_CLASS_NAMES)
    load_torchvision(model, torch_state(model))
    measures = maskrcnn.evaluate(model, data, progress=False)
    assert 0 <= measures["class"]["accuracy"] <= 1


def test_no_match_at_all_is_an_error(tiny):
    with pytest.raises(ValueError, match="none of the 1 tensors"):
        load_torchvision(tiny(), {"foo.weight": np.zeros(3)})


def test_files(tiny, tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    model = tiny()
    state = state_of(model)
    safetensors.save_file(state, tmp_path / "w.safetensors")
    assert set(load_torchvision(model, tmp_path / "w.safetensors").matched) == set(state)
    with pytest.raises(ValueError, match="no file"):
        load_torchvision(model, tmp_path / "none.pth")
    (tmp_path / "w.txt").write_text("x")
    with pytest.raises(ValueError, match="expected .pth"):
        load_torchvision(model, tmp_path / "w.txt")
