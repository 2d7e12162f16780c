import numpy as np
import pytest
from pycocotools import mask as coco_mask

from maskrcnn.data import DataError, load_coco


def first(content):
    return content["annotations"][0]


def test_reads_polygons_runs_crowds_and_empty_pictures(coco):
    dataset = load_coco(*coco())
    assert dataset.class_names == ("dog", "cat")  # by category id
    assert len(dataset) == 2 and not dataset.dropped
    a, b = dataset
    assert (a.image_id, a.name) == (7, "a.png")
    np.testing.assert_array_equal(a.labels, [2, 1])
    np.testing.assert_array_equal(a.crowd, [False, True])
    np.testing.assert_array_equal(a.boxes, np.array([[10, 5, 30, 15], [0, 0, 2, 40]], np.float32))
    np.testing.assert_array_equal(a.areas, [123, 80])
    expected = np.zeros((2, 40, 60), bool)
    expected[0, 5:15, 10:30] = True
    expected[1, :, :2] = True
    np.testing.assert_array_equal(a.masks, expected)
    assert b.boxes.shape == (0, 4) and b.masks.shape == (0, 40, 60) and b.labels.dtype == np.int32


def test_compressed_runs_and_missing_box_and_area(coco):
    mask = np.zeros((40, 60), np.uint8)
    mask[3:9, 11:17] = 1
    mask[5, 12] = 0

    def change(content):
        runs = coco_mask.encode(np.asfortranarray(mask))
        first(content)["segmentation"] = {"size": [40, 60], "counts": runs["counts"].decode()}
        del first(content)["bbox"], first(content)["area"]

    sample = load_coco(*coco(change))[0]
    np.testing.assert_array_equal(sample.masks[0], mask.astype(bool))
    np.testing.assert_array_equal(sample.boxes[0], [11, 3, 17, 9])
    assert sample.areas[0] == 35


def test_several_polygons_are_one_object(coco):
    def change(content):
        first(content)["segmentation"].append([40, 20, 50, 20, 50, 30, 40, 30])
        del first(content)["bbox"]

    sample = load_coco(*coco(change))[0]
    assert sample.masks[0].sum() == 300
    np.testing.assert_array_equal(sample.boxes[0], [10, 5, 50, 30])


def test_class_names_restrict_and_reorder(coco):
    assert load_coco(*coco(), class_names=("cat", "dog"))[0].labels.tolist() == [1, 2]
    only = load_coco(*coco(), class_names=["dog"])
    assert only[0].labels.tolist() == [1] and only.class_names == ("dog",) and not only.dropped
    with pytest.raises(DataError, match="bird.*dog"):
        load_coco(*coco(), class_names=["bird"])


FAULTS = {
    "missing image": (lambda c: c["images"][0].update(file_name="gone.png"), r"gone\.png.*missing", 1, 2),
    "unknown category": (lambda c: first(c).update(category_id=5), r"annotation 1 .*category id 5", 2, 1),
    "too few points": (
        lambda c: first(c).update(segmentation=[[1, 1, 5, 5]]),
        r"annotation 1 .*2 points",
        2,
        1,
    ),
    "no area": (lambda c: first(c).update(bbox=[10, 5, 0, 10]), r"annotation 1 .*no area", 2, 1),
    "outside the picture": (
        lambda c: first(c).update(bbox=[70, 5, 20, 10]),
        r"annotation 1 .*outside.*60x40",
        2,
        1,
    ),
    "duplicate id": (lambda c: c["annotations"][1].update(id=1), r"annotation 1.*twice", 2, 1),
    "image size": (lambda c: c["images"][0].update(width=61), r"61x40.*a\.png.*60x40", 1, 2),
    "bad mask": (
        lambda c: c["annotations"][1]["segmentation"].update(counts=[5, 5]),
        r"annotation 2 .*sum to 10",
        2,
        1,
    ),
    "no mask": (lambda c: first(c).pop("segmentation"), r"annotation 1 .*no segmentation", 2, 1),
    "unknown image": (lambda c: first(c).update(image_id=99), r"annotation 1.*image_id 99", 2, 1),
    "bad coordinates": (
        lambda c: first(c).update(bbox=[1, 2, float("nan"), 4]),
        r"annotation 1 .*finite",
        2,
        1,
    ),
}


@pytest.mark.parametrize("reason", FAULTS)
def test_faults_are_errors_or_counted(coco, reason):
    change, message, pictures, dropped = FAULTS[reason]
    files = coco(change)
    with pytest.raises(DataError, match=message) as caught:
        load_coco(*files)
    assert "instances.json" in str(caught.value) and caught.value.reason == reason
    dataset = load_coco(*files, strict=False)
    assert len(dataset) == pictures
    # A picture that is left out takes its two annotations with it, and they are counted.
    expected = {reason: 1} if dropped == 1 else {reason: 1, "picture left out": 2}
    if pictures == 2:
        expected = {reason: 1}
    assert dict(dataset.dropped) == expected
    list(dataset)


@pytest.mark.parametrize("over, clipped", [(0.5, True), (8, True), (19, True), (21, False), (35, False)])
def test_what_lies_largely_inside_is_clipped(coco, over, clipped):
    """However many pixels stick out: 40 px wide, up to the half of it."""
    left, right = 20 + over, 60 + over
    files = coco(
        lambda c: first(c).update(
            bbox=[left, 5, 40, 10], segmentation=[[left, 5, right, 5, right, 15, left, 15]], area=400
        )
    )
    if clipped:
        sample = load_coco(*files)[0]
        np.testing.assert_array_equal(sample.boxes[0], [left, 5, 60, 15])
        assert sample.masks[0].sum() == 10 * (60 - round(left + 0.01))
    else:
        with pytest.raises(DataError, match="annotation 1 .*largely outside the picture of 60x40"):
            load_coco(*files)


def test_duplicate_image_id(coco):
    files = coco(lambda c: c["images"][1].update(id=7))
    with pytest.raises(DataError, match=r"image id 7 \(b.png\) occurs twice"):
        load_coco(*files)
    dataset = load_coco(*files, strict=False)
    assert [s.name for s in dataset] == ["a.png"] and len(dataset[0].labels) == 2
    assert dict(dataset.dropped) == {"duplicate id": 1}


def test_unreadable_image(coco, tmp_path):
    files = coco()
    (tmp_path / "a.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"a\.png.*cannot be read.*Save it again"):
        load_coco(*files)
    dataset = load_coco(*files, strict=False)
    assert [s.name for s in dataset] == ["b.png"]
    assert dict(dataset.dropped) == {"unreadable image": 1, "picture left out": 2}


def test_truncated_image(coco, tmp_path):
    files = coco()
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"a\.png.*cannot be read"):  # its header is whole: found when read
        load_coco(*files)[0]
    assert [s.name for s in load_coco(*files, strict=False)] == ["b.png"]


def test_empty_and_foreign_files(coco, tmp_path):
    with pytest.raises(DataError, match=r"instances\.json.*empty"):
        load_coco(*coco(lambda c: c.update(images=[], annotations=[])))
    with pytest.raises(DataError, match="empty.*missing image"):
        load_coco(*coco(lambda c: [i.update(file_name="x") for i in c["images"]]), strict=False)
    with pytest.raises(DataError, match="not a COCO instances file"):
        load_coco(*coco(lambda c: c.pop("categories")))
    with pytest.raises(DataError, match="category id 9 occurs twice"):
        load_coco(*coco(lambda c: c["categories"][1].update(id=9)))
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(DataError, match=r"broken\.json.*JSON"):
        load_coco(tmp_path / "broken.json", tmp_path)
    with pytest.raises(DataError, match=r"nowhere\.json.*no such"):
        load_coco(tmp_path / "nowhere.json", tmp_path)


def test_real_coco(real_data):
    folder = real_data / "coco_permissive"
    counts = {}
    for split in ("train2017", "val2017"):
        dataset = load_coco(folder / "annotations" / f"instances_{split}.json", folder / split)
        assert len(dataset.class_names) == 80 and dataset.class_names[0] == "person"
        samples = list(dataset)
        counts[split] = (
            len(samples),
            sum(len(s.labels) for s in samples),
            sum(int(s.crowd.sum()) for s in samples),
        )
        assert all(s.masks.any(axis=(1, 2)).all() for s in samples)
    assert counts == {"train2017": (82, 746, 7), "val2017": (75, 651, 8)}
