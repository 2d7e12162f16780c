"""A recipe's data settings: exports are recognised, splits are found or held out, places are joined."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from experiments.commands.train_command import main as train
from experiments.errors import UserError
from experiments.lookup import open_problem
from experiments.problems.maskrcnn.detector_commands.maskrcnn_detect import main as detect
from experiments.problems.maskrcnn.detector_commands.maskrcnn_detect import picture_files
from experiments.settings.flags import read_settings
from experiments.settings.places import find_model
from experiments.settings.recipe import Recipe
from experiments.settings.recipe_files import read_recipe, recipe_path

TOOLS = ["via", "labelme", "roboflow", "cvat_coco", "cvat_images", "masks"]
SMALL = """
    --model.backbone_weights None --model.backbone_alpha 0.25 --model.min_size 64 --model.max_size 96
    --model.fpn_width 8 --model.rpn_width 8 --model.box_head_widths 16 --model.mask_head_widths 8
    --model.mask_deconv_width 8 --model.pre_nms_test 30 --model.post_nms_test 20 --training.steps 2 --measure_every 0
""".split()


def problem(*arguments, recipe="own_data"):
    return open_problem(read_settings(Recipe, "", [recipe, "--name", "mine", "--data.train", *map(str, arguments)]))


def names(problem, split):
    pictures = problem.pictures[split]
    return [pictures.entry(i).name for i in range(len(pictures))]


@pytest.mark.parametrize("tool", TOOLS)
def test_an_export_needs_no_more_than_its_folder(tool, exports, tmp_path):
    found = problem(getattr(exports, tool)(tmp_path / "my"))
    notes = found.check()
    kind = {"roboflow": "coco", "cvat_coco": "coco", "cvat_images": "cvat"}.get(tool, tool)
    assert f"({kind})" in notes[0]
    assert notes[1].startswith("classes: ")
    if tool == "roboflow":
        assert found.splits == ("train", "tune", "test") and len(notes) == 2
        assert [len(names(found, split)) for split in found.splits] == [5, 2, 2]
    else:
        assert found.splits == ("train", "test") and "2 of the 9 pictures are held out" in notes[2]
        assert [len(names(found, split)) for split in found.splits] == [7, 2]
        assert not {*names(found, "train")} & {*names(found, "test")}


@pytest.mark.slow
@pytest.mark.parametrize("tool", TOOLS)
def test_from_an_export_to_detections_in_two_commands(tool, exports, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    getattr(exports, tool)(tmp_path / "my")
    assert train(["own_data", "--data.train", "my", "--name", "mine", *SMALL]) == 0
    assert detect(["results/mine", "my", "--output", "found", "--score-threshold", "0"]) == 0
    assert "in 9 pictures: found/*.png" in capsys.readouterr().out
    assert len(list((tmp_path / "found").glob("*.png"))) == 9
    assert json.loads((tmp_path / "found" / "detections.json").read_text())


def test_how_much_is_held_out_and_what_stays_together(exports, tmp_path):
    exports.labelme(tmp_path)
    for number in range(9):
        picture, file = tmp_path / f"{number}.png", tmp_path / f"{number}.json"
        picture.rename(tmp_path / f"site{number // 3}_{number}.png")
        file.write_text(file.read_text().replace(picture.name, f"site{number // 3}_{number}.png"))
    by_site = ("--data.test_share", "0.33", "--data.tune_share", "0.33", "--data.split_by", r"^site\d+")
    found = problem(tmp_path, *by_site)
    parts = [names(found, split) for split in ("train", "tune", "test")]
    assert [len({name.split("_")[0] for name in part}) for part in parts] == [1, 1, 1]
    assert sum(map(len, parts)) == 9
    assert names(problem(tmp_path), "test") == names(problem(tmp_path), "test")
    seeds = {tuple(sorted(names(problem(tmp_path, "--data.split_seed", seed), "test"))) for seed in range(4)}
    assert len(seeds) > 1
    with pytest.raises(UserError, match=r"'\^b' finds nothing in the name 'site0_0.png'"):
        problem(tmp_path, "--data.split_by", "^b").check()
    with pytest.raises(UserError, match="neither parent nor a regular expression"):
        problem(tmp_path, "--data.split_by", "(").check()
    with pytest.raises(UserError, match="leave nothing to train on"):
        problem(tmp_path, "--data.test_share", "0.5", "--data.tune_share", "0.5")


def test_roboflows_copies_of_a_picture_stay_together(exports, tmp_path):
    folder = exports.roboflow(tmp_path, {"train": range(9)}) / "train"
    content = json.loads((folder / "_annotations.coco.json").read_text())
    for image in content["images"]:  # three copies of each of three pictures
        old, source = image["file_name"], image["id"] // 3
        image["file_name"] = old.replace(f"{image['id']}_jpg", f"{source}_jpg", 1)
        (folder / old).rename(folder / image["file_name"])
    (folder / "_annotations.coco.json").write_text(json.dumps(content))
    found = problem(tmp_path)
    sources = [{name.split("_")[0] for name in names(found, split)} for split in ("train", "test")]
    assert not sources[0] & sources[1] and len(names(found, "test")) == 3


def test_a_named_test_split_leaves_all_others_to_train_on(exports, tmp_path):
    one, other = exports.via(tmp_path / "one", range(5)), exports.via(tmp_path / "other", range(5, 9))
    found = problem(one, "--data.test", other)
    assert (len(names(found, "train")), len(names(found, "test"))) == (5, 4)
    whole = exports.roboflow(tmp_path / "my")
    found = problem(whole, "--data.test", whole / "valid")
    assert found.splits == ("train", "test") and [len(names(found, split)) for split in found.splits] == [5, 2]


def test_several_places_are_joined_by_the_names_of_classes(exports, tmp_path):
    exports.labelme(tmp_path / "a", range(4))
    exports.roboflow(tmp_path / "b")
    found = problem(tmp_path / "a", tmp_path / "b")
    assert found.splits == ("train", "tune", "test")
    assert [len(names(found, split)) for split in found.splits] == [9, 2, 2]
    assert found.pictures.class_names == ("cat", "dog")
    joined = found.pictures["train"]
    for i in range(len(joined)):
        sample = joined[i]
        cat = sample.masks[list(sample.labels).index(1)]
        assert np.abs(sample.image[cat].mean(axis=0) - (220, 40, 40)).max() < 15


def test_one_place_is_named_as_it_always_was():
    """A run is named by what its settings say: a list of one path is that path."""
    flags = {"name": ["mine"], "data": {"kind": ["via"], "train": ["a"], "test": ["b"]}}
    assert read_recipe("own_data", [flags]).data.changed() == {"kind": "via", "train": "a", "test": "b"}


def test_pictures_are_not_named_for_a_recipe_that_draws_its_own(exports, tmp_path):
    with pytest.raises(UserError, match=r"kind shapes draws its own: say --data\.kind auto"):
        problem(tmp_path, recipe="shapes")
    kind = ("--data.kind", "auto")
    assert len(names(problem(exports.via(tmp_path), *kind, recipe="shapes"), "test")) == 2


def test_what_is_not_recognised_is_a_users_error(exports, tmp_path):
    (tmp_path / "data.yaml").touch()
    with pytest.raises(UserError, match="looks like a YOLO export"):
        problem(tmp_path).check()
    with pytest.raises(UserError, match="data 'nowhere' does not exist"):
        problem("nowhere").check()
    exports.labelme(tmp_path, range(2))
    with pytest.raises(UserError, match=r"no annotations of kind coco, but .*\(labelme\)"):
        problem(tmp_path, "--data.kind", "coco").check()


def cells(folder, count=375):
    """As nuclei data come: a picture of 400 x 300 px, and a file for each of its objects."""
    (folder / "a" / "images").mkdir(parents=True)
    (folder / "a" / "masks").mkdir()
    picture = np.full((300, 400, 3), 30, np.uint8)
    for number in range(count):
        row, column = 12 + 20 * (number // 25) - 4, 8 + 15 * (number % 25)
        mask = np.zeros((300, 400), np.uint8)
        mask[row : row + 8, column : column + 8] = 255
        picture[mask > 0] = 200
        Image.fromarray(mask).save(folder / "a" / "masks" / f"{number:03}.png")
    Image.fromarray(picture).save(folder / "a" / "images" / "a.png")
    shutil.copytree(folder / "a", folder / "b")
    return folder


def test_fewer_pictures_than_a_batch(exports, tmp_path):
    folder = exports.via(tmp_path, range(3))
    with pytest.raises(UserError, match=r"2 pictures to train on, fewer than a batch: --training\.batch_size 2"):
        problem(folder, "--training.batch_size", "4", "--model.backbone_weights", "None").check()


def test_hundreds_of_objects_are_said_with_the_flags_that_keep_them(tmp_path):
    folder = cells(tmp_path)
    given = (folder, "--data.test", folder, "--model.backbone_weights", "None")
    notes = problem(*given).check()
    assert any("max_instances=100 (up to 375)" in line for line in notes)
    [line] = [line for line in notes if "hold up to 375 objects, and at most 100 are found" in line]
    flags = line.partition("For all of them: ")[2].split()
    mended = problem(*given, *flags)
    assert not any("up to 375" in line for line in mended.check())
    batch = next(iter(mended.batches("train", 0)))
    assert int((batch["labels"] > 0).numpy().sum(axis=1).min()) >= 300  # the augmentation crops some


@pytest.mark.slow
def test_hundreds_of_objects_train_and_are_counted(tmp_path, monkeypatch):
    from maskrcnn.evaluation import evaluate_in_detail

    monkeypatch.chdir(tmp_path)
    cells(tmp_path / "my")
    flags = """--model.max_instances 375 --model.detections_per_image 375 --model.pre_nms_train 750
        --model.post_nms_train 750 --model.roi_samples 400 --model.min_size 300 --model.max_size 400
        --model.detection_min_score 0 --model.anchor_sizes 8 16 32 64 128 --training.augment none""".split()
    many = [*SMALL, *flags, "--model.pre_nms_test", "2000", "--model.post_nms_test", "1000"]
    arguments = ["own_data", "--data.kind", "masks", "--data.train", "my", "--data.test", "my", "--name", "mine", *many]
    assert train(arguments) == 0
    found = open_problem(recipe_path("results/mine"))
    model = found.load(find_model("results/mine"))
    detail = evaluate_in_detail(model, found.pictures["test"], batch_size=1, progress=False)
    assert len(detail.ground_truth["annotations"]) == 2 * 375
    assert len(model.detect(found.pictures["test"][0].image)) > 100


def test_a_model_is_found_in_the_folder_that_training_wrote(tmp_path):
    for name in ("dense-s10-aaaaaa", "dense-s2-bbbbbb", "l1-0.5-s0-cccccc"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "model.keras").touch()
    second = tmp_path / "runs" / "dense-s2-bbbbbb"
    assert find_model(tmp_path) == find_model(second) == find_model(tmp_path / "runs") == second / "model.keras"
    assert find_model(tmp_path / "other.keras") == tmp_path / "other.keras"  # whoever reads it says that it is missing
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no runs/dense-\*/model\.keras in this folder, and it holds none"):
        find_model(tmp_path / "empty")


def test_a_pattern_means_one_model(tmp_path):
    for name in ("dense-s0-aa", "taylor-0.4-s0-bb", "taylor-0.6-s0-cc"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "model.keras").touch()
    assert find_model(f"{tmp_path}/runs/taylor-0.4-*") == tmp_path / "runs" / "taylor-0.4-s0-bb" / "model.keras"
    assert find_model(f"{tmp_path}/runs/dense-*/model.keras") == tmp_path / "runs" / "dense-s0-aa" / "model.keras"
    with pytest.raises(UserError, match=r"matches 2 of them: .*taylor-0.4.*; name one"):
        find_model(f"{tmp_path}/runs/taylor-*")
    with pytest.raises(UserError, match="matches nothing"):
        find_model(f"{tmp_path}/runs/l1-*")


def test_pictures_in_folders_of_a_folder(exports, tmp_path):
    exports.masks(tmp_path / "my", range(3))
    found = picture_files([str(tmp_path / "my")])
    assert [path.parent.name for path in found] == ["images"] * 3
