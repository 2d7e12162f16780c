"""docs/mask_rcnn.md: its Python runs, on small pictures and networks, and its fields are those of the config."""

import dataclasses
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

import maskrcnn

PAGE = (Path(__file__).parents[1] / "docs" / "mask_rcnn.md").read_text(encoding="utf-8")
SMALL = "fpn_width=8, rpn_width=8, box_head_widths=(8,), mask_head_widths=(8,), mask_deconv_width=8, roi_samples=16, "
CHANGES = (
    ('backbone_weights="imagenet"', f"{SMALL}backbone_alpha=0.25"),
    ("pixel_mean=", f"{SMALL}pixel_mean="),
    ("min_size=448, max_size=640", "min_size=64, max_size=96"),
    ("batch_norm_epsilon=0.0)", f'batch_norm_epsilon=0.0, {SMALL}backbone_alpha=0.25)'),
    ("min_size=800, max_size=1024", f"{SMALL}backbone_alpha=0.0625, min_size=64, max_size=128"),
    ("epochs=30", "epochs=1"),
    ("epochs=10", "epochs=1"),
    ("initial_epoch=10, epochs=20", "initial_epoch=1, epochs=2"),
)


def blocks():
    found = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    for before, after in CHANGES:
        assert any(before in code for code in found), before
        found = [code.replace(before, after) for code in found]
    return found


@pytest.mark.slow
def test_the_python_runs(exports, tmp_path, monkeypatch, capsys):
    from safetensors.numpy import save_file

    monkeypatch.chdir(tmp_path)
    exports.roboflow(tmp_path / "export")
    state = {
        "backbone.body.conv1.weight": np.zeros((16, 3, 7, 7), np.float32),
        "roi_heads.box_predictor.cls_score.weight": np.zeros((91, 8), np.float32),
    }
    save_file(state, tmp_path / "maskrcnn_resnet50_fpn_coco.safetensors")
    with h5py.File(tmp_path / "mask_rcnn_mine.h5", "w") as file:
        file["fpn_c2p2/fpn_c2p2/bias:0"] = np.zeros(8, np.float32)
    names = {}
    for code in blocks():
        exec(compile(code, "mask_rcnn.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "('cat', 'dog')" in printed and len(names["joined"]) == 7
    assert "1 tensors matched" in printed and "skipped  roi_heads.box_predictor.cls_score.weight" in printed
    assert "note     fpn_width=8: torchvision has 256" in printed and names["report"].matched == ("fpn_c2p2/bias",)
    assert {"mine.keras", "mine.safetensors", "found.png", "results.json"} <= {path.name for path in tmp_path.iterdir()}
    assert set(names["measures"]) == {"proposal", "bbox", "class", "mask"}


def test_every_field_that_it_names_is_one():
    table = PAGE.partition("## Configuration")[2].partition("## Weights")[0]
    right = [row.split("|")[2] for row in table.splitlines() if row.startswith("| `")]
    named = set(re.findall(r"`([a-z][a-z0-9_]*)", " ".join(right))) - {"fit"}
    assert len(named) > 30
    assert named <= {field.name for field in dataclasses.fields(maskrcnn.MaskRCNNConfig)}


def test_every_name_of_the_package_that_it_uses_is_public():
    for dotted in set(re.findall(r"maskrcnn\.((?:data|weights|evaluation)\.\w+|\w+)", PAGE)) - {"md"}:
        here = maskrcnn
        if dotted.startswith("evaluation."):
            import maskrcnn.evaluation as here

            dotted = dotted.partition(".")[2]
        for name in dotted.split("."):
            here = getattr(here, name)
