import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

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


def encoded(pixels, kind="PNG", **save):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **save)
    return base64.b64encode(out.getvalue()).decode()


def mask_shape(bitmap, left, top, **changes):
    height, width = bitmap.shape
    points = [[left, top], [left + width - 1, top + height - 1]]
    return shape("pear", points, "mask") | {"mask": encoded(bitmap.astype(np.uint8) * 255)} | changes


def test_masks(labelme):
    bitmap = np.random.default_rng(0).random((12, 17)) < 0.5
    expected = np.zeros((40, 60), bool)
    expected[20:32, 30:47] = bitmap
    sample = load_labelme(labelme([mask_shape(bitmap, 30, 20)]))[0]
    np.testing.assert_array_equal(sample.masks[0], expected)
    rows, columns = np.nonzero(expected)
    np.testing.assert_array_equal(sample.boxes[0], [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    cut = load_labelme(labelme([mask_shape(bitmap, -4, 20)]))[0]
    np.testing.assert_array_equal(cut.masks[0, 20:32, :13], bitmap[:, 4:])
    group = [mask_shape(bitmap, 30, 20) | {"group_id": 1}, shape("pear", [[0, 0], [5, 5]], "rectangle", 1)]
    assert load_labelme(labelme(group))[0].areas.tolist() == [bitmap.sum() + 25]


@pytest.mark.parametrize("change, message", [
    ({"mask": None}, "mask must be a text"), ({"mask": "xx"}, "cannot be decoded"), ({"mask": 3}, "mask must|decoded"),
    ({"points": [[30, 20], [31, 21]]}, "17x12 px.*points span 2x2"), ({"points": [[30, 20]]}, "needs two points"),
    ({"points": [[58, 20], [74, 31]]}, "largely outside"),
    ({"mask": encoded(np.zeros((12, 17), np.uint8))}, "no area"),
])  # fmt: skip
def test_faulty_masks(labelme, change, message):
    with pytest.raises(DataError, match=f"a.json, shape 0: .*({message})"):
        load_labelme(labelme([mask_shape(np.ones((12, 17), bool), 30, 20, **change)]))


def test_turned_rectangles_and_closed_lines(labelme):
    diamond = [[20, 5], [35, 20], [20, 35], [5, 20]]
    for kind, points in (("oriented_rectangle", diamond), ("rotation", diamond), ("linestrip", [*diamond, diamond[0]])):
        assert load_labelme(labelme([shape("pear", points, kind)]))[0].areas.tolist() == [450]
    with pytest.raises(DataError, match="'linestrip' are not read"):
        load_labelme(labelme([shape("pear", diamond, "linestrip")]))


def test_what_is_no_class(labelme):
    ignored = [shape("__ignore__", SQUARE), shape("_background_", SQUARE, "point")]
    dataset = load_labelme(labelme([*ignored, shape("pear", SQUARE)]))
    assert dataset.class_names == ("pear",) and len(dataset[0].labels) == 1 and not dataset.dropped


def test_the_picture_may_be_in_the_file(labelme, tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    folder = labelme([shape("pear", SQUARE)], imageData=encoded(pixels))  # before the file beside it
    np.testing.assert_array_equal(load_labelme(folder)[0].image, pixels)
    (tmp_path / "a.png").unlink()
    np.testing.assert_array_equal(load_labelme(folder, strict=False)[0].image, pixels)
    content = json.loads((tmp_path / "a.json").read_text())
    content["imagePath"] = None
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert load_labelme(folder)[0].name == "a.json"
    for broken in ("rubbish", 3, "", {}):
        content["imageData"] = broken
        (tmp_path / "a.json").write_text(json.dumps(content))
        with pytest.raises(DataError, match=r"a\.json"):
            load_labelme(folder)


@pytest.mark.parametrize("size, shown", [((60, 40), True), (None, True), ((40, 60), False)])
def test_photos_are_shown_turned(labelme, tmp_path, size, shown):
    """Unless the file says the stored size, as LabelMe wrote before it turned photos."""
    height, width = size or (None, None)
    square = shape("pear", [[25, 5], [35, 25]], "rectangle")
    folder = labelme([square], imageHeight=height, imageWidth=width)
    white = np.zeros((60, 40, 3) if shown else (40, 60, 3), np.uint8)
    white[5:25, 25:35] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(white, 1 if shown else 0))).save(tmp_path / "a.png", exif=exif)
    sample = load_labelme(folder)[0]
    assert sample.image.shape == white.shape and sample.image[sample.masks[0]].min() == 255


def test_stored_outlines_without_a_size_are_refused_by_name(labelme, tmp_path):
    folder = labelme([shape("pear", [[45, 5], [55, 25]], "rectangle")], imageHeight=None, imageWidth=None)
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "a.png", exif=exif)
    with pytest.raises(DataError, match="EXIF orientation 8"):
        load_labelme(folder)
    assert len(load_labelme(folder, exif="ignore")[0].labels) == 1


def test_a_bad_part_of_a_group_costs_itself_only(labelme):
    group = [shape("pear", SQUARE, group=1), shape("pear", SQUARE[:2], group=1)]
    dataset = load_labelme(labelme(group))
    assert dataset[0].areas.tolist() == [200] and dict(dataset.dropped) == {"bad part of an outline": 1}
    with pytest.raises(DataError, match="shape 1: .*2 points"):
        load_labelme(labelme([shape("pear", SQUARE), shape("pear", SQUARE[:2], group=1)]))


def test_junk_is_passed_over(labelme, tmp_path):
    (tmp_path / "._a.json").write_bytes(b"\0\5\x16\7 Mac OS X")
    assert len(load_labelme(labelme([shape("pear", SQUARE)]))) == 1


@pytest.mark.parametrize("change", [
    {"points": 3}, {"points": None}, {"points": [3]}, {"points": [[1, 2, 3]]}, {"points": ["ab"]}, {"label": ["x"]},
    {"label": {}}, {"label": None}, {"shape_type": ["polygon"]}, {"shape_type": 3}, {"points": {"a": 1}},
], ids=str)  # fmt: skip
def test_no_value_ends_in_a_traceback(labelme, change):
    folder = labelme([shape("pear", SQUARE), shape("pear", SQUARE) | change])
    with pytest.raises(DataError, match=r"a\.json, shape 1: ") as caught:
        load_labelme(folder)
    assert str(caught.value).count("strict=False") == 1
    dataset = load_labelme(folder, strict=False)
    assert sum(dataset.dropped.values()) == 1 and len(dataset[0].labels) == 1


@pytest.mark.parametrize("change", [
    {"imagePath": 3}, {"imagePath": ["a.png"]}, {"imageHeight": "x"}, {"imageWidth": [60]}, {"shapes": 3},
    {"shapes": [3]}, {"imageHeight": -40}, {"imageData": 3},
], ids=str)  # fmt: skip
def test_no_header_ends_in_a_traceback(labelme, tmp_path, change):
    folder = labelme([shape("pear", SQUARE)])
    content = json.loads((tmp_path / "a.json").read_text()) | change
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"a\.json"):
        load_labelme(folder)
