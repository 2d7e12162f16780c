import json

import numpy as np
import pytest

from maskrcnn.data import DataError, load_labelme


def shape(label, points, kind="polygon", group=None):
    return {"label": label, "points": points, "shape_type": kind, "group_id": group, "flags": {}}


SQUARE = [[10, 5], [30, 5], [30, 15], [10, 15]]


@pytest.fixture
def labelme(tmp_path, save):
    def write(shapes, name="a", **changes):
        save(tmp_path / f"{name}.png")
        content = {
            "version": "5.0",
            "imagePath": f"{name}.png",
            "imageHeight": 40,
            "imageWidth": 60,
            "imageData": None,
            "shapes": shapes,
        } | changes
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
        return tmp_path

    return write


def test_reads_shapes_of_several_files(labelme):
    labelme([], "b")
    folder = labelme(
        [
            shape("pear", SQUARE),
            shape("apple", [[40, 30], [20, 10]], "rectangle"),
            shape("pear", [[30, 20], [30, 30]], "circle"),
        ]
    )
    dataset = load_labelme(folder)
    assert dataset.class_names == ("apple", "pear") and [s.name for s in dataset] == ["a.png", "b.png"]
    sample = dataset[0]
    assert sample.labels.tolist() == [2, 1, 2]
    np.testing.assert_allclose(sample.boxes, [[10, 5, 30, 15], [20, 10, 40, 30], [20, 10, 40, 30]], atol=1e-4)
    np.testing.assert_allclose(sample.areas, [200, 400, np.pi * 100], rtol=0.05)
    assert len(dataset[1].labels) == 0
    assert load_labelme(folder, class_names=("pear", "apple"))[0].labels.tolist() == [1, 2, 1]


def test_a_group_is_one_object(labelme):
    folder = labelme(
        [
            shape("pear", SQUARE, group=1),
            shape("pear", [[40, 20], [50, 30]], "rectangle", group=1),
            shape("pear", SQUARE, group=2),
        ]
    )
    sample = load_labelme(folder)[0]
    np.testing.assert_array_equal(sample.boxes, [[10, 5, 50, 30], [10, 5, 30, 15]])
    assert sample.areas.tolist() == [300, 200]


def test_paths_from_windows(labelme, tmp_path):
    folder = labelme([shape("pear", SQUARE)], imagePath=".\\a.png", imageHeight=None, imageWidth=None)
    assert load_labelme(folder)[0].name == "a.png"


FAULTS = {
    "too few points": (shape("pear", SQUARE[:2]), "2 points"),
    "no area": (shape("pear", [[5, 5], [5, 9]], "rectangle"), "no area"),
    "outside the picture": (shape("pear", [[70, 5], [90, 9]], "rectangle"), "outside.*60x40"),
    "unknown shape": (shape("pear", SQUARE, "linestrip"), "'linestrip'"),
    "unknown category": (shape("", SQUARE), "label is ''"),
    "bad coordinates": (shape("pear", [[1, 2], [3, None], [4, 5]]), "finite"),
}


@pytest.mark.parametrize("reason", FAULTS)
def test_faulty_shapes(labelme, reason):
    fault, message = FAULTS[reason]
    folder = labelme([shape("pear", SQUARE), fault])
    with pytest.raises(DataError, match=f"a.json, shape 1.*{message}") as caught:
        load_labelme(folder)
    assert caught.value.reason == reason
    dataset = load_labelme(folder, strict=False)
    assert dict(dataset.dropped) == {reason: 1} and len(dataset[0].labels) == 1


def test_faulty_files(labelme, tmp_path):
    with pytest.raises(DataError, match="no LabelMe file"):
        load_labelme(tmp_path)
    labelme([shape("pear", SQUARE)], "b")
    with pytest.raises(DataError, match=r"a\.json.*61x40.*60x40"):
        load_labelme(labelme([], imageWidth=61))
    dataset = load_labelme(tmp_path, strict=False)
    assert dict(dataset.dropped) == {"image size": 1} and len(dataset) == 1
    with pytest.raises(DataError, match=r"gone\.png.*missing"):
        load_labelme(labelme([], imagePath="gone.png"))
    with pytest.raises(DataError, match=r"b\.json: annotates b\.png, as a\.json does"):
        load_labelme(labelme([], imagePath="b.png"))
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(DataError, match=r"a\.json: not a LabelMe file"):
        load_labelme(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        load_labelme(tmp_path / "nothing")


def test_no_class_at_all(labelme):
    with pytest.raises(DataError, match="no class"):
        load_labelme(labelme([]))
    assert load_labelme(labelme([]), class_names=["pear"]).class_names == ("pear",)
