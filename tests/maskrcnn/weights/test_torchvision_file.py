import sys

import numpy as np
import pytest

import maskrcnn
from maskrcnn.weights import load_torchvision, save_torchvision
from maskrcnn.weights.assignment import places_of
from maskrcnn.weights.torchvision import key_of, layer_of


def test_what_is_written_is_read_back_to_the_bit(tiny, tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    model, other = tiny(), tiny()
    rng = np.random.default_rng(0)
    for variable in model.network.variables:
        variable.assign(rng.standard_normal(variable.shape))
    report = save_torchvision(model, tmp_path / "mine.safetensors")
    assert set(safetensors.load_file(tmp_path / "mine.safetensors")) == set(report.matched)
    back = load_torchvision(other, tmp_path / "mine.safetensors")
    assert set(back.matched) == set(report.matched) and not back.unused and not back.missing
    for a, b in zip(model.network.variables, other.network.variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_name_is_the_inverse_of_the_readers(tiny):
    for place in places_of(tiny()):
        assert layer_of(key_of(*place)) == place
    assert key_of("stem_conv", "bias") is None and key_of("res2_1_1_conv", "bias") is None
    assert key_of("res4_23_2_norm", "moving_variance") == "backbone.body.layer3.22.bn2.running_var"
    assert key_of("conv_pw_3", "kernel") is None


def test_it_says_where_torchvision_answers_otherwise(tiny, tmp_path):
    pytest.importorskip("safetensors.numpy")
    notes = save_torchvision(tiny(roi_aligned=True), tmp_path / "mine.safetensors").notes
    assert "roi_aligned=True: torchvision has False" in notes and "fpn_width=8: torchvision has 256" in notes
    assert not any(note.startswith(("roi_samples", "class_names", "seed")) for note in notes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conv_bias": True}, "stem_conv/bias has no place.*no biases"),
        ({"head_norm": True}, "box_fc1_norm/gamma has no place"),
        ({"backbone": "mobilenet", "backbone_alpha": 0.25}, "has no place"),
    ],
)
def test_layers_that_torchvision_has_not_are_refused(tiny, tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        save_torchvision(tiny(**changes), tmp_path / "mine.safetensors")
    assert not list(tmp_path.iterdir())


def test_endings_and_packages(tiny, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="expected .safetensors"):
        save_torchvision(tiny(), tmp_path / "mine.h5")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ValueError, match="needs the package torch"):
        save_torchvision(tiny(), tmp_path / "mine.pth")


def test_torch_reads_what_is_written_for_it(tiny, tmp_path):
    torch = pytest.importorskip("torch")
    model = tiny()
    save_torchvision(model, tmp_path / "mine.pth")
    state = torch.load(tmp_path / "mine.pth", weights_only=True)
    assert state["backbone.body.conv1.weight"].shape[1:] == (3, 7, 7)
    assert isinstance(maskrcnn.weights.load_torchvision(tiny(), tmp_path / "mine.pth"), maskrcnn.weights.WeightReport)
