import json

import numpy as np
import pytest
from PIL import Image

from maskrcnn.data import DataError, load_via

POLYGON = {"name": "polygon", "all_points_x": [10, 30, 30, 10], "all_points_y": [5, 5, 15, 15]}


def region(shape, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


@pytest.fixture
def via(tmp_path, save):
    """Writes regions of a.png in one of VIA's forms; returns the folder."""
    folder = tmp_path / "fruit" / "train"
    folder.mkdir(parents=True)
    for name in ("a.png", "b.png"):
        save(folder / name)

    def write(regions, form="1", name="via_region_data.json"):
        if form == "1":
            regions = {str(i): r for i, r in enumerate(regions)}
        empty = {} if form == "1" else []
        content = {
            "a.png1": {"filename": "a.png", "size": 1, "regions": regions, "file_attributes": {}},
            "b.png2": {"filename": "b.png", "size": 2, "regions": empty, "file_attributes": {}},
        }
        if form == "project":
            content = {"_via_settings": {}, "_via_img_metadata": content, "_via_attributes": {}}
        (folder / name).write_text(json.dumps(content))
        return folder

    return write


@pytest.mark.parametrize("form", ["1", "2", "project"])
def test_all_forms_read_alike(via, form):
    dataset = load_via(via([region(POLYGON)], form))
    assert dataset.class_names == ("fruit",)  # the folder's parent: "train" is a split
    assert [s.name for s in dataset] == ["a.png", "b.png"] and not dataset.dropped
    sample = dataset[0]
    np.testing.assert_array_equal(sample.boxes, [[10, 5, 30, 15]])
    assert sample.masks[0, 5:15, 10:30].all() and sample.masks.sum() == 200 == sample.areas[0]
    assert sample.labels.tolist() == [1] and len(dataset[1].labels) == 0


def test_shapes(via):
    regions = [
        region({"name": "rect", "x": 4, "y": 6, "width": 10, "height": 20}),
        region({"name": "circle", "cx": 30, "cy": 20, "r": 10}),
        region({"name": "ellipse", "cx": 40, "cy": 20, "rx": 15, "ry": 5}),
        region({"name": "ellipse", "cx": 40, "cy": 20, "rx": 15, "ry": 5, "theta": np.pi / 2}),
    ]
    sample = load_via(via(regions, "2"))[0]
    np.testing.assert_allclose(
        sample.boxes, [[4, 6, 14, 26], [20, 10, 40, 30], [25, 15, 55, 25], [35, 5, 45, 35]], atol=1e-4
    )
    np.testing.assert_allclose(sample.areas, [200, np.pi * 100, np.pi * 75, np.pi * 75], rtol=0.05)


def test_classes(via):
    regions = [region(POLYGON, kind="pear"), region(POLYGON, kind="apple")]
    assert load_via(via(regions)).class_names == ("apple", "pear")
    assert load_via(via(regions))[0].labels.tolist() == [2, 1]
    assert load_via(via(regions), class_names=("pear", "apple"))[0].labels.tolist() == [1, 2]
    assert load_via(via(regions), class_name="thing").class_names == ("thing",)
    ticked = [region(POLYGON, kind={"pear": True, "apple": False})]
    assert load_via(via(ticked)).class_names == ("pear",)
    two = [region(POLYGON, kind="pear", colour="red")]
    with pytest.raises(DataError, match=r"\['colour', 'kind'\].*class_attribute="):
        load_via(via(two))
    assert load_via(via(two), class_attribute="colour").class_names == ("red",)
    with pytest.raises(DataError, match="one of them"):
        load_via(via(two), class_attribute="colour", class_name="thing")


def test_file_path_and_other_names(via):
    folder = via([region(POLYGON)], name="project.json")
    assert len(load_via(folder)) == len(load_via(folder / "project.json")) == 2
    via([region(POLYGON)], name="second.json")
    with pytest.raises(DataError, match="expected one VIA file.*project.json.*second.json"):
        load_via(folder)
    with pytest.raises(DataError, match="no such folder"):
        load_via(folder / "nothing")


FAULTS = {
    "too few points": (
        [region({"name": "polygon", "all_points_x": [1, 9], "all_points_y": [1, 9]})],
        "2 points",
    ),
    "no area": ([region({"name": "rect", "x": 1, "y": 1, "width": 0, "height": 5})], "no area"),
    "outside the picture": ([region({"name": "circle", "cx": 90, "cy": 90, "r": 5})], "outside.*60x40"),
    "unknown shape": ([region({"name": "polyline", "all_points_x": [1], "all_points_y": [1]})], "'polyline'"),
    "bad coordinates": ([region({"name": "rect", "x": 1, "y": 1, "width": 4})], r"lacks \['height'\]"),
}


@pytest.mark.parametrize("reason", FAULTS)
def test_faulty_regions(via, reason):
    regions, message = FAULTS[reason]
    folder = via([region(POLYGON), *regions])
    with pytest.raises(DataError, match=f"via_region_data.json, a.png, region 1.*{message}") as caught:
        load_via(folder)
    assert caught.value.reason == reason
    dataset = load_via(folder, strict=False)
    assert dict(dataset.dropped) == {reason: 1}
    assert len(dataset) == 2 and len(dataset[0].labels) == 1


def test_region_without_its_class(via):
    folder = via([region(POLYGON, kind="pear"), region(POLYGON)])
    with pytest.raises(DataError, match="region 1: unknown category.*'kind'"):
        load_via(folder)
    assert dict(load_via(folder, strict=False).dropped) == {"unknown category": 1}
    with pytest.raises(DataError, match="region 0: unknown category 'pear'.*apple"):
        load_via(via([region(POLYGON, kind="pear")]), class_names=["apple"])


def test_missing_twice_and_empty(via):
    folder = via([region(POLYGON)])
    (folder / "b.png").unlink()
    with pytest.raises(DataError, match=r"b\.png.*missing.*via_region_data"):
        load_via(folder)
    assert dict(load_via(folder, strict=False).dropped) == {"missing image": 1}

    file = folder / "via_region_data.json"
    content = json.loads(file.read_text())
    content["b.png2"]["filename"] = "a.png"
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"a\.png is annotated twice"):
        load_via(folder)
    file.write_text(
        '{"a.png1": {"filename": "a.png", "regions": []}, "a.png1": {"filename": "a.png", "regions": []}}'
    )
    with pytest.raises(DataError, match=r"a\.png1.*occurs twice"):
        load_via(folder)
    file.write_text("{}")
    with pytest.raises(DataError, match="empty"):
        load_via(folder)
    file.write_text("[1]")
    with pytest.raises(DataError, match="not a VIA"):
        load_via(folder)


@pytest.mark.parametrize("broken", [{"filename": "b.png"}, {"regions": []}, None, [1]])
def test_an_entry_that_is_none_is_left_out_alone(via, broken):
    folder = via([region(POLYGON, kind="pear")])
    file = folder / "via_region_data.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"b.png2": broken}))
    with pytest.raises(DataError, match=r"via_region_data\.json, b\.png2: .* needs filename and regions"):
        load_via(folder)
    dataset = load_via(folder, strict=False)
    assert [sample.name for sample in dataset] == ["a.png"] and dict(dataset.dropped) == {"bad input": 1}
    file.write_text(json.dumps({"b.png2": broken}))
    with pytest.raises(DataError, match="not a VIA"):
        load_via(folder, strict=False)


def polyline(*points):
    return region({"name": "polyline", "all_points_x": [p[0] for p in points], "all_points_y": [p[1] for p in points]})


def test_a_closed_polyline_is_a_polygon(via):
    corners = [(10, 5), (30, 5), (30, 15), (10, 15)]
    for last in ((10, 5), (10.5, 5.5)):
        assert load_via(via([polyline(*corners, last)]))[0].areas.tolist() == [200]
    for open_one in (corners, [*corners, (20, 10)], [(10, 5), (30, 5), (10, 5)]):
        with pytest.raises(DataError, match="region 0: .*'polyline' that is not closed"):
            load_via(via([polyline(*open_one)]))


def test_largely_inside_is_clipped(via):
    tall = {"name": "polygon", "all_points_x": [10, 30, 30, 10], "all_points_y": [-9, -9, 15, 15]}
    np.testing.assert_array_equal(load_via(via([region(tall)]))[0].boxes, [[10, 0, 30, 15]])
    with pytest.raises(DataError, match="largely outside"):
        load_via(via([region(tall | {"all_points_y": [-19, -19, 15, 15]})]))


@pytest.mark.parametrize("on, ticked", [(True, True), ("true", True), (1, True), ("false", False), (0, False)])
def test_ticks_as_tools_write_them(via, on, ticked):
    files = via([region(POLYGON, kind={"pear": on, "apple": not ticked})])
    assert load_via(files).class_names == ("pear" if ticked else "apple",)


@pytest.mark.parametrize("change", [
    {"regions": 3}, {"regions": "x"}, {"regions": [3]}, {"filename": None}, {"filename": 5}, {"filename": ["a.png"]},
    {"regions": [{"shape_attributes": 3}]}, {"regions": [{"shape_attributes": {"name": ["polygon"]}}]},
    {"regions": [region({"name": "polygon", "all_points_x": 3, "all_points_y": [1]})]},
    {"regions": [region({"name": "circle", "cx": [], "cy": {}, "r": None})]},
    {"regions": [region(POLYGON, kind=["pear"])]},
], ids=str)  # fmt: skip
def test_no_value_ends_in_a_traceback(via, change):
    folder = via([region(POLYGON)])
    file = folder / "via_region_data.json"
    content = json.loads(file.read_text())
    content["a.png1"] |= change
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"via_region_data\.json|5: the picture is missing") as caught:
        load_via(folder)
    assert str(caught.value).count("strict=False") <= 1
    assert sum(load_via(folder, strict=False, class_names=["fruit"]).dropped.values()) == 1


def test_junk_and_paths_from_other_systems(via):
    folder = via([region(POLYGON)], name="only.json")
    (folder / "._only.json").write_bytes(b"\0\5\x16\7 Mac OS X")
    (folder / "sub").mkdir()
    (folder / "a.png").rename(folder / "sub" / "a.png")
    (folder / "only.json").write_text((folder / "only.json").read_text().replace('"a.png"', '"sub\\\\a.png"'))
    assert [s.name for s in load_via(folder)] == ["sub/a.png", "b.png"]


def turned(path, orientation, bar):
    """A dark picture, 40 x 60 (width x height) once turned, with a white bar (x0, y0, x1, y1) in it."""
    shown = np.zeros((60, 40, 3), np.uint8)
    shown[bar[1] : bar[3], bar[0] : bar[2]] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(np.rot90(shown, {6: 1, 8: 3, 3: 2}[orientation]))).save(path, exif=exif)


def bar(x0, y0, x1, y1):
    return region({"name": "rect", "x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0})


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_browsers_show_photos_turned(via, orientation):
    folder = via([bar(25, 5, 35, 25)])
    turned(folder / "a.png", orientation, (25, 5, 35, 25))
    sample = load_via(folder)[0]
    assert sample.image.shape == (60, 40, 3) and sample.image[sample.masks[0]].min() == 255
    stored = load_via(folder, exif="ignore")[0]
    assert stored.image.shape == ((60, 40, 3) if orientation == 3 else (40, 60, 3))


def test_outlines_that_fit_the_stored_photo_only_are_refused_by_name(via):
    folder = via([bar(45, 5, 55, 25), bar(5, 5, 15, 15)])
    turned(folder / "a.png", 6, (0, 0, 1, 1))
    with pytest.raises(DataError, match=r'a\.png: has EXIF orientation 6.*exif="ignore"'):
        load_via(folder)
    dataset = load_via(folder, strict=False, class_names=["fruit"])  # not the half of it, turned
    assert [s.name for s in dataset] == ["b.png"]
    assert dict(dataset.dropped) == {"EXIF orientation": 1, "picture left out": 2}
    assert len(load_via(folder, exif="ignore")[0].labels) == 2


@pytest.mark.parametrize("split, pictures, objects", [("train", 61, 255), ("val", 13, 50)])
def test_real_balloon(real_data, split, pictures, objects):
    dataset = load_via(real_data / "balloon" / split)
    assert dataset.class_names == ("balloon",) and len(dataset) == pictures
    if split == "val":  # the training pictures are read by training
        assert sum(len(sample.labels) for sample in dataset) == objects
    else:
        assert len(dataset[0].labels) == 1
