"""Every recipe that ships can run: its data are read, its network is made, and a dry run of it ends."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.lookup import open_problem
from experiments.runs import dry_run
from experiments.runs.grid import dense_run, grid
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.runner import check_data
from experiments.settings.recipe_files import read_recipe, shipped_recipes

RECIPES = sorted(path.stem for path in shipped_recipes())
SQUARE = [8.0, 8.0, 40.0, 8.0, 40.0, 40.0, 8.0, 40.0]


def coco(path, images):
    path.parent.mkdir(parents=True, exist_ok=True)
    images.mkdir(parents=True, exist_ok=True)
    pictures, objects = [], []
    for number in range(1, 10):
        Image.fromarray(np.full((64, 96, 3), 20 * number, np.uint8)).save(images / f"{number}.png")
        pictures.append({"id": number, "file_name": f"{number}.png", "height": 64, "width": 96})
        objects.append({
            "id": number, "image_id": number, "category_id": 1, "bbox": [8, 8, 32, 32], "area": 1024, "iscrowd": 0,
            "segmentation": [SQUARE],
        })  # fmt: skip
    content = {"images": pictures, "annotations": objects, "categories": [{"id": 1, "name": "thing"}]}
    path.write_text(json.dumps(content))


def via(folder):
    folder.mkdir(parents=True)
    shape = {"name": "polygon", "all_points_x": SQUARE[::2], "all_points_y": SQUARE[1::2]}
    entries = {}
    for number in range(9):
        Image.fromarray(np.full((64, 96, 3), 20 * number, np.uint8)).save(folder / f"{number}.png")
        regions = [{"shape_attributes": shape, "region_attributes": {}}]
        entries[str(number)] = {"filename": f"{number}.png", "size": 1, "regions": regions}
    (folder / "via_region_data.json").write_text(json.dumps(entries))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Small data in the places that recipes name."""
    folder = tmp_path_factory.mktemp("data") / "data"
    for split in ("train", "val"):
        via(folder / "balloon" / split)
        for name in ("coco", "coco_permissive"):
            annotations = folder / name / "annotations" / f"instances_{split}2017.json"
            coco(annotations, folder / name / f"{split}2017")
    for split in ("train", "tune", "test"):
        coco(folder / "facades" / f"{split}.json", folder / "facades" / "images")
    return folder


@pytest.fixture
def at_hand(data, monkeypatch, tmp_path):
    """The data are found; weights that would be downloaded, or are not on this machine, are left as they are drawn."""
    from maskrcnn.network.backbones import mobilenet

    monkeypatch.setenv("TASKPRUNE_DATA", str(data))
    monkeypatch.chdir(tmp_path)  # no other data are looked at

    def drawn(make):
        return lambda **given: make(**{**given, "weights": None})

    for name in ("MobileNet", "MobileNetV2"):
        monkeypatch.setattr(mobilenet.keras.applications, name, drawn(getattr(mobilenet.keras.applications, name)))
    weights = Path(data.parent / "weights")
    weights.mkdir(exist_ok=True)
    for file in ("mobilenet_v1_0.75_224_no_top", "mobilenet_v2_1.0_224_dequant_int8_bnfolded_no_top"):
        (weights / f"{file}.weights.h5").touch()


@pytest.fixture(scope="module")
def made_networks():
    """Networks by their configuration, which several recipes share."""
    return {}


def recipe(name, data, **changes):
    """The recipe; what a user fills in is filled in."""
    flags = [changes] if changes else []
    if name in ("own_data", "retrain", "matterport"):
        filled = {"train": [str(data / "balloon" / "train")], "test": [str(data / "balloon" / "val")], "kind": ["via"]}
        flags = [{"name": ["mine"], "data": filled}, *flags]
    if name == "matterport":
        flags = [*flags, {"model": {"start": ["None"]}}]
    return read_recipe(name, flags)


@pytest.mark.parametrize("name", RECIPES)
def test_its_data_are_read_and_its_network_is_made(name, data, at_hand, made_networks):
    read = recipe(name, data)
    drawn = read.problem == "maskrcnn" and read.data.kind == "shapes"
    if drawn:  # a few of its pictures will do
        read = read_recipe(name, [{"data": {"train_count": ["40"], "test_count": ["20"]}}])
    problem = open_problem(read)
    check_data(problem, Meter())
    key = repr(problem.config(0)) if drawn else ""
    model = made_networks[key] if key in made_networks else problem.model(0)
    if drawn:
        made_networks[key] = model
    assert model.count_params() > 1000
    shapes = problem.input_shapes(model)
    assert all(isinstance(size, int) for shape in shapes.values() for size in shape)
    assert len(grid(problem.recipe)) > 2


def test_runs_are_named_as_they_always_were():
    """A new setting renames no run: results that lie there would be made again."""
    names = {
        "shapes": "7b2a08", "facades": "6ab948", "balloon": "9a6187", "digits": "1740f2",
        "shapes_hard_reference": "44b75a",
    }  # fmt: skip
    found = {name: dense_run(read_recipe(name), 0).name for name in names}
    assert found == {name: f"dense-s0-{code}" for name, code in names.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_dry_run_of_it_ends(name, data, at_hand):
    small = {"training": {"batch_size": ["2"]}}
    if not name.startswith("digits"):
        small |= {"model": {"min_size": ["64"], "max_size": ["96"]}, "evaluation": {"limit": ["2"]}}
    made = recipe(name, data, **small)
    if made.smaller_inputs:  # smaller than those
        made = recipe(name, data, **small, smaller_inputs=["32"])
    text = dry_run.report(open_problem(made))
    assert "to do: " in text and " about " in text
