"""docs/export.md: each file runs in its runtime as the page says, and its table is that of results/."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import maskrcnn

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
SMALL = dict(
    backbone="resnet10", backbone_alpha=0.125, fpn_width=8, rpn_width=8, box_head_widths=(8,), mask_head_widths=(8,),
    mask_deconv_width=8, min_size=64, max_size=64, pre_nms_test=50, post_nms_test=20, detections_per_image=7,
    detection_min_score=0.0,
)  # fmt: skip


@pytest.mark.slow
def test_the_python_runs(tmp_path, monkeypatch):
    for package in ("ai_edge_litert", "onnxruntime", "openvino", "tf2onnx"):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    model = maskrcnn.MaskRCNN(maskrcnn.MaskRCNNConfig(class_names=("a", "b"), **SMALL))
    for path, format in (("mine", "tf_saved_model"), ("mine", "litert"), ("mine", "onnx"), ("mine", "openvino")):
        model.export(path, format)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save("photo.jpg")
    names = {}
    first, *blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(compile(first, "export.md", "exec"), names)
    assert len(blocks) == 4
    for code in blocks:
        names.pop("found", None)
        exec(compile(code, "export.md", "exec"), names)
        shapes = {name: np.shape(value) for name, value in names["found"].items()}
        assert (shapes["boxes"], shapes["masks"], shapes["count"]) == ((7, 4), (7, 64, 64), ())
        expected = model.detect(names["image"])
        np.testing.assert_allclose(names["found"]["scores"], expected.scores, atol=1e-4)


def test_every_flag_and_format_that_it_names_is_one():
    from experiments.problems.maskrcnn.detector_commands.maskrcnn_export import Export
    from maskrcnn.export import FORMATS

    flags = set(re.findall(r"--(\w+)", PAGE))
    assert {"format", "precision", "size", "masks", "max_detections"} <= flags
    assert flags <= set(Export.model_fields) | {"recipe"}
    assert set(re.findall(r"^\| `(\w+)` \| (?:a|an) ", PAGE, flags=re.MULTILINE)) == set(FORMATS)
