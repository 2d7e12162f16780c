"""Kinds of faults and habits of the tools that write COCO files."""

import json

import numpy as np
import pytest
from PIL import Image

from maskrcnn.data import DataError, load_coco


def first(content):
    return content["annotations"][0]


def categories(*rows):
    return [{"id": i, "name": name} | ({} if above is None else {"supercategory": above}) for i, name, above in rows]


# Ids


def text_ids(content):
    for entry in content["images"]:
        entry["id"] = f"img_{entry['id']}"
    for entry in content["categories"]:
        entry["id"] = f"c{entry['id']}"
    for entry in content["annotations"]:
        entry |= {"image_id": f"img_{entry['image_id']}", "category_id": f"c{entry['category_id']}"}
        entry["id"] = f"a{entry['id']}"


def test_category_ids_of_two_kinds(coco):
    """Those unlike the first are left out with their objects."""

    def mixed(content):
        content["categories"][1]["id"] = content["annotations"][1]["category_id"] = "2"

    with pytest.raises(DataError, match=r"category ids are numbers \(9\) and text \(.2.\); write all alike"):
        load_coco(*coco(mixed))
    dataset = load_coco(*coco(mixed), strict=False)
    assert dataset.class_names == ("cat",) and dataset[0].labels.tolist() == [1]
    assert dict(dataset.dropped) == {"mixed ids": 1, "unknown category": 1}


def test_ids_of_the_source_are_kept(coco):
    numbers, texts = load_coco(*coco()), load_coco(*coco(text_ids))
    assert numbers.class_names == texts.class_names == ("dog", "cat")
    assert numbers.category_ids == (2, 9) and texts.category_ids == ("c2", "c9")
    assert [s.image_id for s in texts] == ["img_7", "img_3"] == [texts.entry(i).image_id for i in range(2)]
    np.testing.assert_array_equal(texts[0].labels, numbers[0].labels)
    assert load_coco(*coco(), class_names=["cat", "bird", "dog"]).category_ids == (9, None, 2)


MIXED = {
    "an image": (lambda c: c["images"][1].update(id="7"), r'image 7: its id "7" is text.*such as 7, are numbers'),
    "an annotation's image": (lambda c: first(c).update(image_id="7"), r'annotation 1: image_id "7" is text.*7, are'),
    "an annotation's category": (lambda c: first(c).update(category_id="9"), r'annotation 1 .*"9".*Text and numbers'),
    "a category": (lambda c: c["categories"][0].update(id="9"), r'category ids are numbers \(2\) and text \("9"\)'),
}


@pytest.mark.parametrize("name", MIXED)
def test_text_and_number_are_said_to_be_two_ids(coco, name):
    change, message = MIXED[name]
    with pytest.raises(DataError, match=message) as caught:
        load_coco(*coco(change))
    assert str(caught.value).count("strict=False") <= 1
    assert sum(load_coco(*coco(change), strict=False).dropped.values()) >= 1


WRONG_TYPES = [
    ("images", "id"), ("images", "file_name"), ("images", "width"), ("annotations", "id"), ("annotations", "image_id"),
    ("annotations", "category_id"), ("annotations", "segmentation"), ("annotations", "bbox"), ("annotations", "area"),
    ("annotations", "iscrowd"), ("categories", "id"), ("categories", "name"),
]  # fmt: skip


WRONG = [[1], {}, {"a": None}, True, "x", "", [[]], [None], -5, 2.5, [[["x"]]], "\0", "a" * 5000]


@pytest.mark.parametrize("value", WRONG, ids=range(len(WRONG)))
@pytest.mark.parametrize("part, key", WRONG_TYPES, ids="-".join)
def test_no_value_ends_in_a_traceback(coco, part, key, value):
    files = coco(lambda c: c[part][0].update({key: value}))
    for strict in (True, False):
        try:
            dataset = load_coco(*files, strict=strict)
        except DataError as error:
            assert "instances.json" in str(error) and str(error).count("strict=False leaves") <= 1
        else:
            for sample in dataset:
                assert sample.masks.any(axis=(1, 2)).all()


@pytest.mark.parametrize("entry", [None, 3, "x", [], {}, {"id": 1}])
@pytest.mark.parametrize("part", ["images", "annotations", "categories"])
def test_no_entry_ends_in_a_traceback(coco, part, entry):
    with pytest.raises(DataError, match=r"instances\.json"):
        load_coco(*coco(lambda c: c[part].append(entry)))


@pytest.mark.parametrize("written, crowd", [("0", False), ("1", True), (0.0, False), (None, False), (True, True)])
def test_crowds_as_tools_write_them(coco, written, crowd):
    assert load_coco(*coco(lambda c: first(c).update(iscrowd=written)))[0].crowd.tolist() == [crowd, True]


def test_an_image_that_was_left_out_takes_its_objects_with_it(coco):
    files = coco(lambda c: c["images"][0].update(file_name=None))
    dataset = load_coco(*files, strict=False)
    assert [s.name for s in dataset] == ["b.png"] and dict(dataset.dropped) == {"bad value": 1, "picture left out": 2}


@pytest.mark.parametrize("outline", [None, [], [[]], [[], []]])
def test_boxes_alone_have_no_mask(coco, outline):
    with pytest.raises(DataError, match=r"annotation 1 .*no segmentation \(found") as caught:
        load_coco(*coco(lambda c: first(c).update(segmentation=outline)))
    assert caught.value.reason == "no mask"


# Classes

ROOTS = {
    "of the same name": ([(0, "cat", "none"), (9, "cat", "cat"), (2, "dog", "cat")], ("dog", "cat")),
    "above all": ([(0, "pets", "none"), (9, "cat", "pets"), (2, "dog", "pets")], ("dog", "cat")),
    "last": ([(99, "dog", None), (9, "cat", "dog"), (2, "dog", "dog")], ("dog", "cat")),
    "not above all": ([(0, "pets", "none"), (9, "cat", "pets"), (2, "dog", "wild")], ("pets", "dog", "cat")),
    "none": ([(0, "bird", "none"), (9, "cat", "none"), (2, "dog", "none")], ("bird", "dog", "cat")),
}


@pytest.mark.parametrize("name", ROOTS)
def test_the_root_of_an_export_is_no_class(coco, name):
    rows, expected = ROOTS[name]
    files = coco(lambda c: c.update(categories=categories(*rows)))
    dataset = load_coco(*files)
    assert dataset.class_names == expected
    assert [expected[label - 1] for label in dataset[0].labels] == ["cat", "dog"]
    assert load_coco(*files, class_names=["cat", "dog"])[0].labels.tolist() == [1, 2]


def test_a_root_that_is_used_is_a_class(coco):
    rows = [(9, "pets", "none"), (2, "dog", "pets")]
    assert load_coco(*coco(lambda c: c.update(categories=categories(*rows)))).class_names == ("dog", "pets")
    both = [(9, "dog", "none"), (2, "dog", "dog")]
    with pytest.raises(DataError, match="class name 'dog' occurs twice"):
        load_coco(*coco(lambda c: c.update(categories=categories(*both))))

    def unused(content):
        content["categories"] = categories((1, "pets", "none"), (2, "dog", "pets"))
        content["annotations"] = []

    assert load_coco(*coco(unused), class_names=["pets", "dog"]).category_ids == (1, 2)  # asked for by name


def test_a_file_may_lack_classes(coco):
    def only_cat(content):
        content["categories"] = content["categories"][:1]
        content["annotations"] = content["annotations"][:1]

    dataset = load_coco(*coco(only_cat), class_names=["bird", "cat", "dog"])
    assert dataset.class_names == ("bird", "cat", "dog") and dataset[0].labels.tolist() == [2]
    with pytest.raises(DataError, match=r"none of the classes \['Cat'\]; its categories are \['cat'\]"):
        load_coco(*coco(only_cat), class_names=["Cat"])
    with pytest.raises(DataError, match="the class 'Dog' is written 'dog' in the file"):
        load_coco(*coco(), class_names=["cat", "Dog"])  # else all dogs would be passed over


# Pictures


def turn(path, orientation):
    """Marks a dark picture with a white bar where annotation 1 is once the picture is turned."""
    shown = np.zeros((60, 40, 3) if orientation >= 5 else (40, 60, 3), np.uint8)
    shown[5:15, 10:30] = 255
    back = {6: 1, 8: 3, 3: 2}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(np.rot90(shown, back))).save(path, exif=exif)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_turned_photos(coco, tmp_path, orientation):
    def change(content):
        del content["annotations"][1]
        if orientation >= 5:
            content["images"][0].update(width=40, height=60)

    files = coco(change)
    turn(tmp_path / "a.png", orientation)

    def grey(dataset):
        return dataset[0].image[dataset[0].masks[0]].mean()

    assert grey(load_coco(*files, exif="apply")) > 240
    if orientation >= 5:
        assert grey(load_coco(*files)) > 240
    else:
        with pytest.raises(DataError, match=r"a\.png has EXIF orientation 3") as caught:
            load_coco(*files)
        assert str(caught.value).count("strict=False") == 1
        dataset = load_coco(*files, strict=False)
        assert [s.name for s in dataset] == ["b.png"] and dataset.dropped["EXIF orientation"] == 1


def test_files_named_on_windows(coco, tmp_path):
    files = coco(lambda c: c["images"][0].update(file_name="sub\\a.png"))
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "sub" / "a.png")
    assert [s.name for s in load_coco(*files)] == ["sub/a.png", "b.png"]


def test_an_export_with_a_root_loads_as_it_did_without(real_data, tmp_path):
    folder = real_data / "facades"
    plain = load_coco(folder / "tune.json", folder / "images")
    content = json.loads((folder / "tune.json").read_text())
    for category in content["categories"]:
        category["supercategory"] = "facade"
    content["categories"].insert(0, {"id": 0, "name": "facade", "supercategory": "none"})
    (tmp_path / "roboflow.json").write_text(json.dumps(content))
    export = load_coco(tmp_path / "roboflow.json", folder / "images")
    assert export.class_names == plain.class_names and len(export.class_names) == 10 and not export.dropped
    for i in (0, 40):
        np.testing.assert_array_equal(export[i].labels, plain[i].labels)
        np.testing.assert_array_equal(export[i].masks, plain[i].masks)
