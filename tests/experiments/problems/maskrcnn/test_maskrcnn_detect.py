import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from rich.console import Console

from experiments.commands import guarded
from experiments.commands.evaluate_command import Evaluate, measure, table
from experiments.errors import UserError
from experiments.lookup import open_problem
from experiments.problems.maskrcnn.detector_commands.maskrcnn_detect import (
    Detect,
    detect,
    free_name,
    picture_files,
    records,
)
from experiments.problems.maskrcnn.maskrcnn_problem import load
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.runner import check_data
from maskrcnn import Detections
from maskrcnn.detection.drawing import draw_detections


def test_a_mistake_in_a_command_is_one_message_and_no_traceback(pytestconfig):
    command = [sys.executable, str(pytestconfig.rootpath / "scripts" / "sweep.py"), "no-such-recipe.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no-such-recipe.yaml: no such recipe. Recipes that ship: backbones,")
    assert len(done.stderr.splitlines()) == 1


def test_guarded_shows_a_users_error(capsys):
    def main():
        raise UserError("bad")

    with pytest.raises(SystemExit) as stop:
        guarded(main)
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: bad\n"


def test_guarded_lets_an_unexpected_error_through():
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 / 0)


def test_a_file_that_is_no_model(tmp_path):
    with pytest.raises(UserError, match="no such model"):
        load(tmp_path / "x.keras")
    (tmp_path / "x.keras").write_text("nothing")
    with pytest.raises(UserError, match="cannot be read as a model"):
        load(tmp_path / "x.keras")


def test_weights_that_do_not_fit_are_a_users_error(tmp_path, tiny):
    with pytest.raises(UserError, match="weights 'nowhere.h5' does not exist"):
        open_problem(tiny(model={"backbone_weights": "nowhere.h5"})).model(0)
    path = tmp_path / "x.weights.h5"
    path.write_text("nothing")
    with pytest.raises(UserError, match="do not fit"):
        open_problem(tiny(model={"backbone_weights": str(path)})).model(0)


def test_missing_data_are_a_users_error(tiny):
    for data, message in (
        ({"kind": "via"}, r"data\.train is not set"),
        ({"kind": "via", "train": "nowhere"}, "data 'nowhere' does not exist"),
    ):
        with pytest.raises(UserError, match=message):
            check_data(open_problem(tiny(data=data)), Meter())


def test_a_fault_in_the_annotations_is_a_users_error(tiny, tmp_path):
    (tmp_path / "via_region_data.json").write_text('{"a": {"filename": "a.png"}}')
    with pytest.raises(UserError, match="not a VIA annotation file"):
        check_data(open_problem(tiny(data={"kind": "via", "train": str(tmp_path), "test": str(tmp_path)})), Meter())


def test_evaluating_a_saved_model(tmp_path, tiny):
    problem = open_problem(tiny())
    path = tmp_path / "x.keras"
    problem.model(0).save(path)
    found = measure(problem, path)
    assert found["samples"] == 6 and found["split"] == "test"
    assert set(found["measures"]) == {"proposal", "bbox", "class", "mask"}
    assert set(found["per_class"]) == {"circle", "square", "triangle"}
    assert found["floors"]["mask"]["iou"] > 0.5
    console = Console(file=io.StringIO(), width=200)
    mask = next(task for task in problem.tasks if task.name == "mask")
    console.print(table(mask, found["measures"]["mask"], found["floors"]["mask"]))
    assert "mean mask IoU on ground-truth boxes" in console.file.getvalue()


def test_a_model_is_measured_without_its_training_pictures(tmp_path, tiny):
    from experiments.settings.recipe_files import read_recipe

    path = tmp_path / "x.keras"
    open_problem(tiny()).model(0).save(path)
    flags = {"data": {"kind": ["via"], "test": [str(tmp_path)]}}
    (tmp_path / "via_region_data.json").write_text(json.dumps({"a": {"filename": "a.png", "size": 1, "regions": [
        {"shape_attributes": {"name": "rect", "x": 5, "y": 5, "width": 20, "height": 20},
         "region_attributes": {"kind": "circle"}}]}}))  # fmt: skip
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    problem = open_problem(read_recipe("balloon", [flags], Evaluate))  # whose class_name is not that of these pictures
    found = measure(problem, path)
    assert found["samples"] == 1 and set(found["per_class"]) == {"circle", "square", "triangle"}
    assert found["per_class"]["circle"]["objects"] == 1


def detections(height=40, width=60):
    masks = np.zeros((2, height, width), bool)
    masks[0, 5:20, 5:30] = masks[1, 10:40, 20:60] = True
    boxes = np.array([[5, 5, 30, 20], [20, 10, 60, 40]], np.float32)
    return Detections(boxes, np.array([1, 2], np.int32), np.array([0.9, 0.6], np.float32), masks)


def test_detections_are_drawn_where_they_are():
    image = np.full((40, 60, 3), 128, np.uint8)
    drawn = np.array(draw_detections(image, detections(), ("a", "b"), least_side=40))
    assert drawn.shape == image.shape
    changed = (drawn != image).any(axis=-1)
    assert changed[35, 40] and changed[15, 10]
    assert not changed[38, 5]
    large = draw_detections(image, detections(), ("a", "b"))
    assert large.size == (60 * 12, 40 * 12)


def test_a_picture_without_detections_stays_as_it_is():
    image = np.full((40, 60, 3), 128, np.uint8)
    nothing = Detections(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0), np.zeros((0, 40, 60), bool))
    assert (np.array(draw_detections(image, nothing, ("a",), least_side=40)) == image).all()


def test_detections_as_json(tmp_path):
    found = detections()
    rows = json.loads(json.dumps(list(records(tmp_path / "x.png", found, ("a", "b")))))
    assert [row["category"] for row in rows] == ["a", "b"]
    assert rows[0]["bbox"] == [5, 5, 25, 15]
    assert (rle.decode(rows[1]["segmentation"]).astype(bool) == found.masks[1]).all()


def test_pictures_are_found_in_folders(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "b.png")
    (tmp_path / "._b.png").write_bytes(b"Mac OS X")
    Image.new("RGB", (4, 4)).save(tmp_path / "a.JPG", format="jpeg")
    (tmp_path / "notes.txt").write_text("x")
    assert [path.name for path in picture_files([str(tmp_path)])] == ["a.JPG", "b.png"]
    (tmp_path / "empty").mkdir()
    for places, message in (
        ([], "no picture is named"),
        ([str(tmp_path / "empty")], "holds no picture"),
        ([str(tmp_path / "c.png")], "no such picture"),
    ):
        with pytest.raises(UserError, match=message):
            picture_files(places)
    taken = set()
    names = [free_name(tmp_path, path, taken).name for path in (tmp_path / "a.jpg", tmp_path / "x" / "a.png")]
    assert names == ["a.png", "a-2.png"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    import maskrcnn

    config = maskrcnn.MaskRCNNConfig(
        ("thing",), backbone="mobilenet", backbone_alpha=0.25, min_size=64, max_size=64, fpn_width=8, rpn_width=8,
        box_head_widths=(8,), mask_head_widths=(8,), mask_deconv_width=8, post_nms_test=8, detections_per_image=3,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("model") / "m.keras"
    maskrcnn.MaskRCNN(config).save(path)
    return str(path)


def test_a_picture_that_cannot_be_read_is_left_out_and_said(tmp_path, saved):
    place = tmp_path / "photos"
    place.mkdir()
    Image.fromarray(np.full((40, 60), 30_000, np.uint16)).save(place / "b.png")
    Image.fromarray(np.full((40, 60), 0.5, np.float32)).save(place / "c.tif")
    (place / "a.jpg").write_bytes(b"\xff\xd8 no photo")
    (place / "._b.png").write_bytes(b"Mac OS X")
    lines = []
    settings = Detect(model=saved, pictures=(str(place),), output=str(tmp_path / "found"), score_threshold=0.0)
    objects, pictures = detect(settings, lines.append)
    assert pictures == 2 and len(lines) == 2
    assert "a.jpg: the picture cannot be read" in lines[0] and lines[1].startswith("1 of 3 pictures")
    rows = json.loads((tmp_path / "found" / "detections.json").read_text())
    assert len(rows) == objects and {row["file_name"] for row in rows} <= {str(place / "b.png"), str(place / "c.tif")}
    assert sorted(path.name for path in (tmp_path / "found").glob("*.png")) == ["b.png", "c.png"]


def test_no_picture_that_can_be_read_is_one_message(tmp_path, saved, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    Image.new("L", (60, 40)).save(tmp_path / "huge.png")
    settings = Detect(model=saved, pictures=(str(tmp_path / "huge.png"),), output=str(tmp_path / "found"))
    with pytest.raises(UserError, match=r"huge\.png: the picture is too large"):
        detect(settings, print)
    assert not (tmp_path / "found" / "detections.json").exists()
