"""Exported folders are read as they lie: format, splits and the pictures' folder are found, or what was is said."""

import json
import shutil

import numpy as np
import pytest

from maskrcnn.data import DataError, load, load_coco
from maskrcnn.data.layouts import WHOLE, annotations_in, split_named

ALL = ["via", "labelme", "cvat_coco", "cvat_images"]


@pytest.mark.parametrize("tool", ALL)
def test_a_folder_is_read_without_a_word_about_it(tool, exports, tmp_path):
    data = load(getattr(exports, tool)(tmp_path / "my"))
    assert len(data) == 9 and set(data.class_names) - {"bird"} == {"cat", "dog"}
    by_name = {sample.name: sample for sample in data}
    for number in range(9):
        sample = by_name[f"{number}.png"]
        found = {
            (data.class_names[label - 1], tuple(box))
            for label, box in zip(sample.labels, sample.boxes.tolist(), strict=True)
        }
        assert found == set(exports.objects(number))
        cat = data.class_names.index("cat") + 1
        assert (sample.image[sample.masks[list(sample.labels).index(cat)]] == (220, 40, 40)).all()


def test_masks_have_one_class(exports, tmp_path):
    data = load(exports.masks(tmp_path), class_name="cell")
    assert len(data) == 9 and data.class_names == ("cell",)
    np.testing.assert_array_equal(sorted(data[3].boxes.tolist()), [box for _, box in exports.objects(3)])


def test_roboflow(exports, tmp_path):
    """Its splits, and no class of its root, which shares a class's name."""
    folder = exports.roboflow(tmp_path / "my")
    found = annotations_in(folder)
    assert {split: one.path.parent.name for split, one in found.items()} == {
        "train": "train", "tune": "valid", "test": "test",
    }  # fmt: skip
    parts = [load(folder, split) for split in ("train", "tune", "test")]
    assert [len(part) for part in parts] == [5, 2, 2]
    assert all(part.class_names == ("cat", "dog") and part.category_ids == (1, 2) for part in parts)
    with pytest.raises(DataError, match="has the splits .*; say which one with split="):
        load(folder)
    shutil.rmtree(folder / "test")
    assert {split: one.path.parent.name for split, one in annotations_in(folder).items()} == {
        "train": "train", "test": "valid",
    }  # fmt: skip


def test_a_download_unpacked_into_a_folder_of_its_own(exports, tmp_path):
    exports.roboflow(tmp_path / "my.v1i.coco-segmentation")
    (tmp_path / "__MACOSX").mkdir()
    assert set(annotations_in(tmp_path)) == {"train", "tune", "test"}


def test_cocos_own_layout(exports, tmp_path):
    for split, numbers in (("train", range(6)), ("val", range(6, 9))):
        exports.coco(tmp_path / "annotations" / f"instances_{split}2017.json", tmp_path / f"{split}2017", numbers)
        shutil.copy(
            tmp_path / "annotations" / f"instances_{split}2017.json",
            tmp_path / "annotations" / f"person_keypoints_{split}2017.json",
        )
    assert [len(load(tmp_path, split)) for split in ("train", "test")] == [6, 3]


def test_files_named_as_splits_share_a_folder_of_pictures(exports, tmp_path):
    for split, numbers in (("train", range(4)), ("tune", range(4, 6)), ("test", range(6, 9))):
        exports.coco(tmp_path / f"{split}.json", tmp_path / "images", numbers)
    assert [len(load(tmp_path, split)) for split in ("train", "tune", "test")] == [4, 2, 3]


def test_folders_of_splits_of_any_kind(exports, tmp_path):
    exports.masks(tmp_path / "train", range(4))
    exports.masks(tmp_path / "val", range(4, 6))
    assert set(annotations_in(tmp_path)) == {"train", "test"}
    assert len(load(tmp_path, "train")) == 4


def test_a_split_named_in_a_file_or_folder():
    names = {"train2017": "train", "instances_val2017": "tune", "valid": "tune", "Test": "test", "default": None}
    assert {name: split_named(name) for name in names} == names
    assert split_named("train_test") is None and split_named("latest") is None


def test_several_kinds_are_not_chosen_from(exports, tmp_path):
    exports.labelme(tmp_path)
    exports.coco(tmp_path / "all.json", tmp_path)
    with pytest.raises(DataError, match=r"several kinds: .*labelme.*coco|several kinds: .*coco.*labelme"):
        annotations_in(tmp_path)
    assert annotations_in(tmp_path, "coco")[WHOLE].path == tmp_path / "all.json"
    assert annotations_in(tmp_path, "labelme")[WHOLE].path == tmp_path


def test_several_sets_are_not_chosen_from(exports, tmp_path):
    for name in ("monday", "tuesday"):
        exports.via(tmp_path / name, range(2))
    with pytest.raises(DataError, match=r"several sets of annotations: .*monday.*tuesday.*join them"):
        annotations_in(tmp_path)


def test_vias_usual_file_is_taken_beside_its_project(exports, tmp_path):
    exports.via(tmp_path, range(2))
    usual = tmp_path / "via_region_data.json"
    (tmp_path / "my_project.json").write_text(json.dumps({"_via_img_metadata": json.loads(usual.read_text())}))
    assert annotations_in(tmp_path) == annotations_in(tmp_path, "via")
    assert annotations_in(tmp_path)[WHOLE].path == usual


def test_links_that_lead_round_end(tmp_path):
    (tmp_path / "round").symlink_to(tmp_path)
    with pytest.raises(DataError, match="found no file"):
        annotations_in(tmp_path)


def test_another_kind_than_the_given_one_is_named(exports, tmp_path):
    exports.labelme(tmp_path, range(2))
    with pytest.raises(DataError, match=r"holds no annotations of kind coco, but .* \(labelme\)"):
        load(tmp_path, kind="coco")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"found no file"),
        ({"a.jpg": "", "b.jpg": "", "a.txt": ""}, r"found 2 \.jpg, 1 \.txt.*Read are COCO"),
        ({"data.yaml": "", "labels/a.txt": ""}, "YOLO export: export it again as COCO"),
        ({"a.xml": "<annotation/>"}, "Pascal VOC, which has no masks"),
        ({"a.json": "[1]"}, r"no annotations that are known \(found 1 \.json\)"),
    ],
)
def test_what_is_found_in_place_of_annotations_is_said(files, message, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_a_packed_export(tmp_path):
    (tmp_path / "export.zip").touch()
    with pytest.raises(DataError, match=r"export\.zip: is packed\. Unpack it"):
        load(tmp_path / "export.zip")


def test_pictures_that_were_not_exported(exports, tmp_path):
    folder = exports.cvat_coco(tmp_path / "my")
    (folder / "images" / "default").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"'0\.png', are not in .*annotations.*data\.train_images"):
        load(folder)
    assert len(load(folder, images=tmp_path / "elsewhere")) == 9


def test_facades(real_data):
    """Real photographs: the splits of a folder, and the root category that Roboflow gave the original."""
    found = annotations_in(real_data / "facades")
    assert {split: one.path.name for split, one in found.items()} == {
        "train": "train.json", "tune": "tune.json", "test": "test.json",
    }  # fmt: skip
    data = load(real_data / "facades", "train")
    assert len(data) == 425 and len(data.class_names) == 10 and data.class_names[2] == "facade"


def test_facades_as_roboflow_exported_them(real_data, tmp_path):
    """The original's categories: 0 is the project, and shares the name of class 3."""
    content = json.loads((real_data / "facades" / "train.json").read_text())
    content["categories"] = [
        {"id": 0, "name": "facade", "supercategory": "none"},
        *({**category, "supercategory": "facade"} for category in content["categories"]),
    ]
    content["images"] = content["images"][:6]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [one for one in content["annotations"] if one["image_id"] in kept]
    (tmp_path / "train").mkdir()
    for image in content["images"]:
        shutil.copy(real_data / "facades" / "images" / image["file_name"], tmp_path / "train")
    (tmp_path / "train" / "_annotations.coco.json").write_text(json.dumps(content))
    data, plain = load(tmp_path, "train"), load_coco(real_data / "facades" / "train.json")
    assert data.class_names == plain.class_names and data.category_ids == tuple(range(1, 11))
    for i in range(6):
        np.testing.assert_array_equal(data[i].labels, plain[i].labels)
        np.testing.assert_array_equal(data[i].masks, plain[i].masks)
