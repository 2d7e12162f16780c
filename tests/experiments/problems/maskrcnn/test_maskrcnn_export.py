import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from experiments.errors import UserError
from experiments.lookup import open_problem
from experiments.problems.maskrcnn.detector_commands import maskrcnn_detect, maskrcnn_export
from experiments.problems.maskrcnn.detector_commands.export_table import file_parts
from experiments.settings.recipe_files import read_recipe


@pytest.fixture(scope="module")
def results(tiny, tmp_path_factory):
    """A folder as a sweep leaves it: a recipe, a dense model and a pruned one; and a photo."""
    folder = tmp_path_factory.mktemp("results") / "mine"
    problem = open_problem(tiny(model={"detection_min_score": 0.0}))
    for run in ("dense-s0-a", "l1-0.5-s0-b"):
        (folder / "runs" / run).mkdir(parents=True)
        problem.model(0).save(folder / "runs" / run / "model.keras")
    content = problem.recipe.model_dump(mode="json", exclude_defaults=True)
    (folder / "recipe.yaml").write_text(json.dumps(content))
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder.parent / "photo.png")
    return folder


@pytest.fixture
def here(results, monkeypatch):
    monkeypatch.chdir(results.parent)


def kinds(*flags):
    """Name of each file that would be written."""
    settings = read_recipe(None, [dict(flags)], maskrcnn_export.Export)
    return [path.as_posix() for path in maskrcnn_export._places(settings, ["a", "b"]).values()]


@pytest.mark.slow
def test_a_sweeps_model_as_a_file_that_detects(results, here, capsys):
    """The folder stands for its recipe and its dense model; what is written is run as a model is."""
    arguments = ["mine", "--masks", "box", "--output", "small.tflite", "--compare", "--table", "table",
                 "--evaluation.limit", "2"]  # fmt: skip
    assert maskrcnn_export.main(arguments) == 0
    said = capsys.readouterr().out
    assert "written: small.tflite" in said and "table: table/exports.md" in said
    with open("table/exports.csv", encoding="utf-8") as file:
        keras, file = csv.DictReader(file)
    assert (keras["format"], file["format"], file["image_size"], file["pictures"]) == ("keras", "litert", "64x64", "2")
    assert int(file["same"]) >= 0.9 * int(file["detections"]) > 0 and float(file["times_as_fast"]) > 0
    assert 0 < int(file["gzip_bytes"]) < int(file["file_bytes"]) == (results.parent / "small.tflite").stat().st_size
    assert float(file["bbox_ap"]) == pytest.approx(float(keras["bbox_ap"]), abs=0.05)
    table = (results.parent / "table/exports.md").read_text().splitlines()
    assert table[0].startswith("| model | format | MB |") and table[3].startswith("| dense-s0-a | litert | ")
    assert maskrcnn_detect.main(["small.tflite", "photo.png", "--output", "found", "--score_threshold", "0"]) == 0
    found = json.loads((results.parent / "found/detections.json").read_text())
    assert found and found[0]["segmentation"]["size"] == [50, 70]


def test_names_of_files():
    assert kinds() == ["exported/a.tflite", "exported/b.tflite"]
    several = kinds(("format", ["litert", "tf_saved_model"]), ("precision", ["float32", "int8"]), ("output", ["x"]))
    assert several[:3] == ["x/a.tflite", "x/a-int8.tflite", "x/a-saved_model"]
    with pytest.raises(UserError, match="--output x.tflite is one file, and 2 are to be written: name a folder"):
        kinds(("output", ["x.tflite"]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no model is named"),
        (["nowhere.keras"], "nowhere.keras"),
        (["mine", "--format", "coreml"], "format"),
        (["mine", "--precision", "int8", "--pictures", "nowhere"], "nowhere: no such picture or folder"),
        (["x=mine", "x=mine"], "two models are called 'x'"),
        (["mine/runs/*"], "matches 2 of them"),
        (["mine/runs/l1-*", "--compare"], "no pictures are named to compare on: --pictures FOLDER"),
        (["mine", "--output", "x.onnx"], r"x.onnx: format='litert' is written to \*.tflite"),
    ],
)
def test_mistakes_are_one_sentence(here, arguments, words):
    with pytest.raises(UserError, match=words) as error:
        maskrcnn_export.main(arguments)
    assert "\n" not in str(error.value)


def test_a_missing_package_is_named_with_its_extra(here, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"onnx and tf2onnx.*taskprune\[export\]"):
        maskrcnn_export.main(["mine", "--format", "onnx"])


def test_files_that_one_export_is_made_of(tmp_path):
    (tmp_path / "saved" / "variables").mkdir(parents=True)
    for name in ("saved/saved_model.pb", "saved/variables/v.index", "saved/export.json", "a.xml", "a.bin", "b.onnx"):
        (tmp_path / name).write_text("x")

    def parts(name):
        return [path.relative_to(tmp_path).as_posix() for path in file_parts(tmp_path / name)]

    assert parts("saved") == ["saved/saved_model.pb", "saved/variables/v.index"]
    assert parts("a.xml") == ["a.xml", "a.bin"] and parts("b.onnx") == ["b.onnx"]


@pytest.mark.slow
@pytest.mark.parametrize("pictures", [["--pictures", "photo.png"], []])
def test_int8_computes_the_convolutions_in_whole_numbers_and_no_boxes(results, here, pictures):
    """Calibrated on pictures that are named, or on the recipe's training pictures."""
    from maskrcnn import export

    shutil.rmtree("eight", ignore_errors=True)
    arguments = ["mine", "--precision", "float32", "int8", "--output", "eight", *pictures]
    assert maskrcnn_export.main(arguments) == 0
    large, small = (results.parent / f"eight/dense-s0-a{kind}.tflite" for kind in ("", "-int8"))
    assert small.stat().st_size < 0.5 * large.stat().st_size
    found = export.operators(small)
    weighted = [one for one in found if one.weights]
    integer = [one for one in weighted if one.weights == one.inputs == "int8"]
    assert len(integer) > 0.8 * len(weighted)
    decided = ("NON_MAX_SUPPRESSION_V4", "TOPK_V2", "EXP", "SOFTMAX", "LOGISTIC")
    assert {one.inputs for one in found if one.name in decided} == {"float32"}
    photo = np.asarray(Image.open("photo.png"))
    assert len(export.load(small).detect(photo)) > 0
