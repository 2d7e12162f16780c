import numpy as np
import pytest

import maskrcnn

from maskrcnn.network import leaf_layers
from maskrcnn.weights import load_torchvision
from maskrcnn.weights.torchvision import layer_of, present_name


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
