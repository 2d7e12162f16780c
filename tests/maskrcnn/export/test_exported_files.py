"""Files of each format, run in their runtimes, beside the model they were written from."""

import json

import numpy as np
import pytest
import tensorflow as tf

import maskrcnn
from maskrcnn import export


def same(file, model, photos):
    found = export.file_difference(file, model, photos)
    assert found.pictures == len(photos) and found.detections >= 8 * len(photos)
    assert found.same == found.detections and found.sure_same == found.sure > len(photos)
    assert found.box_px < 0.05 and found.score < 1e-3 and found.mask_iou > 0.97


@pytest.fixture(scope="module")
def model(sharp):
    return sharp()


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    return model.export(tmp_path_factory.mktemp("saved") / "model")


@pytest.fixture(scope="module")
def litert(model, tmp_path_factory):
    pytest.importorskip("ai_edge_litert")
    return model.export(tmp_path_factory.mktemp("litert") / "model", "litert", image_size=(48, 64))


def test_a_saved_model_takes_pictures_of_any_size(model, saved, photos):
    file = export.load(saved)
    assert file.image_size is None and file.class_names == model.config.class_names
    same(file, model, photos)
    answer = tf.saved_model.load(str(saved)).signatures["serving_default"](image=tf.constant(photos[2]))
    assert {name: (value.dtype.name, value.shape.rank) for name, value in answer.items()} == {
        "boxes": ("float32", 2), "scores": ("float32", 1), "labels": ("int32", 1), "masks": ("bool", 3),
        "count": ("int32", 0),
    }  # fmt: skip
    assert answer["masks"].shape[1:] == photos[2].shape[:2] and len(answer["boxes"]) == int(answer["count"])


@pytest.mark.slow
@pytest.mark.parametrize("format", ["tf_saved_model", "litert", "onnx", "openvino"])
def test_a_picture_in_which_nothing_is_found(model, photos, tmp_path, format):
    size = None if format == "tf_saved_model" else (48, 64)
    file = export.load(model.export(tmp_path / "model", format, image_size=size, score_threshold=0.999999), threads=1)
    found = file.detect(photos[0])
    assert found.boxes.shape == (0, 4) and found.masks.shape == (0, 48, 64) and found.class_names


def test_litert_has_built_in_operators_alone_and_answers_as_the_model(model, litert, photos):
    found = export.operators(litert)
    assert not [one for one in found if one.name.startswith("CUSTOM")]
    assert {"CONV_2D", "NON_MAX_SUPPRESSION_V4", "TOPK_V2"} <= {one.name for one in found}
    assert {one.weights for one in found if one.name == "CONV_2D"} == {"float32"}
    file = export.load(litert, threads=1)
    assert file.image_size == (48, 64)
    same(file, model, photos)


def test_litert_slots_beyond_the_count_are_empty(litert, photos):
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(litert)).get_signature_runner()
    found = run(image=np.zeros_like(photos[0]))
    count = int(found["count"])
    assert count < 40 and found["masks"].shape == (40, 48, 64) and found["boxes"].shape == (40, 4)
    for name in ("boxes", "scores", "labels", "masks"):
        assert not found[name][count:].any(), name


def test_a_picture_of_another_size_comes_back_in_its_own_pixels(model, litert, photos):
    file, photo = export.load(litert, threads=1), photos[2]  # 90 x 60: fitted to 48 x 32
    fitted = file.fitted(photo)
    assert fitted.shape == (48, 64, 3)
    np.testing.assert_array_equal(fitted[:, 32:], np.broadcast_to([124, 116, 104], (48, 32, 3)))
    found, inside = file.detect(photo), model.detect(fitted)
    assert found.masks.shape[1:] == (90, 60) and (found.boxes <= [60, 90, 60, 90]).all()
    kept = [row for row, box in enumerate(inside.boxes) if box[0] < 31.9]
    np.testing.assert_allclose(found.boxes[:, :2], inside.boxes[kept][:, :2] * 90 / 48, atol=0.05)
    assert len(file.detect(photo, max_detections=2)) == 2
    assert (file.detect(photo, score_threshold=0.9).scores > 0.9).all()
    with pytest.raises(ValueError, match=r"\(H, W, 3\)"):
        file.detect(np.zeros((5, 5), np.uint8))


def test_what_is_written_beside_a_file(litert, saved):
    beside = json.loads((litert.parent / "model.tflite.export.json").read_text())
    assert beside["format"] == "litert" and beside["image_size"] == [48, 64] and beside["max_detections"] == 40
    assert beside["class_names"] == ["square", "circle", "triangle"] and beside["score_threshold"] == 0.3
    assert (saved / "export.json").is_file() and export.is_exported(saved) and not export.is_exported(saved.parent)
    assert export.is_exported("anything.onnx") and not export.is_exported("model.keras")


def test_files_that_cannot_be_read(tmp_path, litert):
    with pytest.raises(ValueError, match="no such file"):
        export.load(tmp_path / "x.tflite")
    (tmp_path / "x.tflite").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"x\.tflite\.export\.json is missing"):
        export.load(tmp_path / "x.tflite")
    (tmp_path / "x.tflite.export.json").write_text("{}")
    with pytest.raises(ValueError, match="is not the sidecar"):
        export.load(tmp_path / "x.tflite")
    (tmp_path / "x.tflite.export.json").write_bytes((litert.parent / "model.tflite.export.json").read_bytes())
    with pytest.raises(ValueError, match=r"x\.tflite cannot be read as litert"):
        export.load(tmp_path / "x.tflite")


@pytest.mark.slow
def test_int8_of_a_network_that_is_not_quantised_is_refused(model, tmp_path, monkeypatch):
    """What the file holds decides, not what the network calls its layers."""
    with pytest.raises(ValueError, match="none is: quantise it first, with pruning.quantize"):
        model.export(tmp_path / "x", "litert", image_size=(48, 64), masks="box", precision="int8")
    assert not list(tmp_path.iterdir())


def test_a_package_that_is_missing_is_named_with_its_extra(model, tmp_path, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"takes onnx and tf2onnx, .*pip install 'taskprune\[export\]'"):
        model.export(tmp_path / "x", "onnx")


@pytest.mark.slow
@pytest.mark.parametrize("image_size", [None, (48, 64)])
def test_onnx_answers_as_the_model(model, photos, tmp_path, image_size):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    file = export.load(model.export(tmp_path / "model", "onnx", image_size=image_size), threads=1)
    assert file.image_size == image_size
    same(file, model, photos)


@pytest.mark.slow
def test_openvino_answers_as_the_model(model, photos, tmp_path):
    pytest.importorskip("openvino")
    file = export.load(model.export(tmp_path / "model", "openvino", image_size=(48, 64)), threads=1)
    same(file, model, photos)


@pytest.mark.slow
@pytest.mark.parametrize("numerics", ["torchvision", "matterport"])
def test_other_numerics_are_exported_with_theirs(sharp, photos, tmp_path, numerics):
    pytest.importorskip("ai_edge_litert")
    fields = getattr(maskrcnn.MaskRCNNConfig, numerics)(class_names=("a",), min_size=64, max_size=64).get_config()
    usual = maskrcnn.MaskRCNNConfig(class_names=("a",)).get_config()
    # Pixels in 0 to 255 would drive every score of a network with random weights to 1, and rounding would order them.
    kept = (
        "backbone", "rpn_width", "min_size", "max_size", "detection_min_score", "pre_nms_test",
        "pixel_mean", "pixel_std",
    )  # fmt: skip
    changes = {name: value for name, value in fields.items() if value != usual[name] and name not in kept}
    model = sharp(**changes)
    for format, kwargs in (("tf_saved_model", {}), ("litert", {"masks": "box", "image_size": (50, 70)})):
        file = export.load(model.export(tmp_path / format, format, **kwargs), threads=1)
        found = export.file_difference(file, model, photos)
        assert found.same >= found.detections - 1 and found.sure > 0 and found.box_px < 0.1


@pytest.mark.slow
def test_half_precision_halves_the_file(model, litert, photos, tmp_path):
    half = model.export(tmp_path / "half", "litert", image_size=(48, 64), precision="float16")
    assert "float16" in {one.inputs for one in export.operators(half) if one.name == "DEQUANTIZE"}
    assert half.stat().st_size < 0.8 * litert.stat().st_size  # the graph's own share is large in so small a file
    found = export.file_difference(export.load(half, threads=1), model, photos)
    assert found.same > 0.9 * found.detections
