import pytest

from maskrcnn import MaskRCNNConfig
from maskrcnn.export.export_choices import checked_path, choose

CONFIG = MaskRCNNConfig(class_names=("a",), min_size=320, max_size=448)


def chosen(**changes):
    usual = dict(image_size=None, max_detections=None, score_threshold=None, masks="picture", precision="float32")
    return choose(CONFIG, **({"format": "litert"} | usual | changes))


def test_a_format_that_knows_the_size_takes_the_models_own_and_others_any():
    assert chosen().image_size == (320, 448)
    assert chosen(format="onnx").image_size is chosen(format="tf_saved_model").image_size is None
    assert chosen(format="onnx", image_size=[100, 200]).image_size == (100, 200)
    square = MaskRCNNConfig.matterport(class_names=("a",), min_size=200, max_size=256)
    assert choose(square, "litert", None, None, None, "box", "float32").image_size == (256, 256)
    assert chosen().max_detections == 100 and chosen().score_threshold == 0.05


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "coreml"}, "format='coreml': expected one of 'tf_saved_model', 'litert', 'onnx', 'openvino'"),
        ({"masks": "none"}, "masks='none'"),
        ({"precision": "int4"}, "precision='int4'"),
        ({"format": "onnx", "precision": "float16"}, "precision='float16' is for format='litert'"),
        ({"image_size": (0, 5)}, r"image_size=\(0, 5\)"),
        ({"image_size": (5,)}, r"image_size=\(5,\)"),
        ({"max_detections": 0}, "max_detections=0"),
        ({"score_threshold": 1.0}, "score_threshold=1.0"),
    ],
)
def test_a_choice_that_cannot_be_is_named(changes, words):
    with pytest.raises(ValueError, match=words):
        chosen(**changes)


def test_the_ending_is_the_formats():
    assert checked_path("a/b", "litert").as_posix() == "a/b.tflite"
    assert checked_path("b.v2", "onnx").name == "b.v2.onnx" and checked_path("b.onnx", "onnx").name == "b.onnx"
    assert checked_path("folder", "tf_saved_model").name == "folder"
    for path, format in (("x.onnx", "litert"), ("x.keras", "onnx"), ("x.tflite", "tf_saved_model")):
        with pytest.raises(ValueError, match=f"{path}: format='{format}' is written to"):
            checked_path(path, format)
