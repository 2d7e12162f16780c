import numpy as np
import pytest
from PIL import Image

from maskrcnn.data import DataError, batches, load_masks

SQUARES = [(slice(5, 15), slice(10, 30)), (slice(20, 40), slice(0, 8)), (slice(6, 10), slice(31, 33))]


def masks():
    found = np.zeros((3, 40, 60), bool)
    for mask, place in zip(found, SQUARES, strict=True):
        mask[place] = True
    return found


def store(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def cells(folder, save_picture):
    for name in ("b", "a"):
        store(folder / name / "masks" / "dummy.png", np.zeros((1, 1), np.uint8))
        (folder / name / "masks" / "dummy.png").unlink()
        (folder / name / "images").mkdir()
        save_picture(folder / name / "images" / f"{name}.png")
    for i, mask in enumerate(masks()):
        store(folder / "a" / "masks" / f"{i}.png", mask.astype(np.uint8) * 255)
    return ["a/images/a.png", "b/images/b.png"]


def flat(folder, save_picture, pictures="pictures", ending=".jpg", value=1):
    (folder / pictures).mkdir()
    for name in ("a", "b"):
        save_picture(folder / pictures / f"{name}{ending}")
        (folder / "masks" / (name if name == "a" else f"{name}{ending}")).mkdir(parents=True)
    for i, mask in enumerate(masks()):
        store(folder / "masks" / "a" / f"{i}.png", mask.astype(np.uint8) * value)
    return [f"{pictures}/a{ending}", f"{pictures}/b{ending}"]


def maps(folder, save_picture, kind="uint16", ending=".png"):
    (folder / "images").mkdir()
    for name in ("a", "b"):
        save_picture(folder / "images" / f"{name}.jpg")
    numbers = (masks() * np.array([300, 7, 65535 if kind == "uint16" else 9])[:, None, None]).sum(axis=0)
    store(folder / "masks" / f"a{ending}", (numbers % 256 if kind == "uint8" else numbers).astype(kind))
    store(folder / "masks" / f"b{ending}", np.zeros((40, 60), kind))
    return ["images/a.jpg", "images/b.jpg"]


LAYOUTS = {
    "cells": cells,
    "flat": flat,
    "flat, images, 255": lambda *a: flat(*a, "images", ".png", 255),
    "maps": maps,
    "maps of bytes": lambda *a: maps(*a, kind="uint8"),
    "maps in TIFF": lambda *a: maps(*a, kind="int32", ending=".tif"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout, save):
    names = LAYOUTS[layout](tmp_path, save)
    (tmp_path / "masks").mkdir(exist_ok=True)
    dataset = load_masks(tmp_path)
    assert dataset.class_names == ("object",) and not dataset.dropped
    assert [s.name for s in dataset] == names
    found = sorted((m for m in dataset[0].masks), key=lambda m: -m.sum())
    expected = sorted(masks(), key=lambda m: -m.sum())
    np.testing.assert_array_equal(found, expected)
    assert sorted(dataset[0].areas) == [8, 160, 200] and dataset[0].labels.tolist() == [1, 1, 1]
    assert len(dataset[1].labels) == 0
    assert [dataset.entry(i).objects for i in range(2)] == [3, 0]


def test_a_map_in_colours(tmp_path, save):
    maps(tmp_path, save)
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)  # one number each, though all are 255
    (tmp_path / "masks" / "a.png").unlink()
    store(tmp_path / "masks" / "a.png", (masks()[..., None] * colours[:, None, None]).sum(axis=0).astype(np.uint8))
    assert sorted(load_masks(tmp_path)[0].areas) == [8, 160, 200]


def test_classes(tmp_path, save):
    cells(tmp_path, save)
    assert load_masks(tmp_path, class_name="nucleus").class_names == ("nucleus",)
    assert load_masks(tmp_path, class_names=["nucleus"]).class_names == ("nucleus",)
    two = load_masks(tmp_path, class_name="nucleus", class_names=["dirt", "nucleus"])
    assert two[0].labels.tolist() == [2, 2, 2]
    with pytest.raises(DataError, match="class_name 'object' is not among.*dirt"):
        load_masks(tmp_path, class_names=["dirt", "nucleus"])


@pytest.mark.parametrize("place", ["a/masks", "masks/a"])
def test_a_folder_for_each_class(tmp_path, save, place):
    (cells if place == "a/masks" else flat)(tmp_path, save)
    for i, name in enumerate(("yeast", "dirt", "yeast")):
        (tmp_path / place / name).mkdir(exist_ok=True)
        (tmp_path / place / f"{i}.png").rename(tmp_path / place / name / f"{i}.png")
    dataset = load_masks(tmp_path)
    assert dataset.class_names == ("dirt", "yeast") and len(dataset[1].labels) == 0
    sample = dataset[0]
    assert sorted(zip(sample.labels.tolist(), sample.areas.tolist(), strict=True)) == [(1, 160), (2, 8), (2, 200)]
    assert load_masks(tmp_path, class_names=["yeast", "dirt"])[0].labels.tolist() == [2, 1, 1]
    one = load_masks(tmp_path, class_name="thing")
    assert one.class_names == ("thing",) and one[0].labels.tolist() == [1, 1, 1]
    with pytest.raises(DataError, match=r"1\.png: is of the class 'dirt'; expected one of \['yeast'\]"):
        load_masks(tmp_path, class_names=["yeast"])
    assert dict(load_masks(tmp_path, strict=False, class_names=["yeast"]).dropped) == {"unknown category": 1}
    (tmp_path / place / "yeast" / "0.png").rename(tmp_path / place / "0.png")
    with pytest.raises(DataError, match=r"0\.png: lies in no folder of a class, as others do"):
        load_masks(tmp_path)


def test_colours_palettes_and_soft_edges(tmp_path, save):
    cells(tmp_path, save)
    for path in (tmp_path / "a" / "masks").iterdir():
        path.unlink()
    place = tmp_path / "a" / "masks"
    mask = Image.fromarray(masks()[0].astype(np.uint8) * 255)
    mask.convert("RGB").save(place / "0.png")
    mask.convert("RGBA").save(place / "1.png")
    mask.convert("1").save(place / "2.png")
    seen = np.zeros((40, 60, 4), np.uint8)
    seen[masks()[0], 1:] = 255
    Image.fromarray(seen).save(place / "3.png")
    mask.save(place / "4.jpg", quality=80)
    sample = load_masks(tmp_path)[0]
    assert len(sample.labels) == 5
    for found in sample.masks:
        np.testing.assert_array_equal(found, masks()[0])


FAULTS = {
    "no area": lambda folder: store(folder / "a" / "masks" / "0.png", np.zeros((40, 60), np.uint8)),
    "image size": lambda folder: store(folder / "a" / "masks" / "1.png", np.ones((40, 61), np.uint8)),
    "unreadable image": lambda folder: (folder / "a" / "masks" / "1.png").write_bytes(b"x"),
}


@pytest.mark.parametrize("reason", FAULTS)
def test_faulty_masks(tmp_path, reason, save):
    cells(tmp_path, save)
    FAULTS[reason](tmp_path)
    with pytest.raises(DataError, match=r"masks.[01]\.png") as caught:
        load_masks(tmp_path)
    assert caught.value.reason == reason
    dataset = load_masks(tmp_path, strict=False)
    assert dict(dataset.dropped) == {reason: 1} and len(dataset[0].labels) == 2


def test_pictures_without_masks_and_other_folders(tmp_path, save):
    cells(tmp_path, save)
    (tmp_path / "b" / "masks").rmdir()
    with pytest.raises(DataError, match=r"b\.png: has no masks; expected <id>/images.*make an empty folder"):
        load_masks(tmp_path)
    dataset = load_masks(tmp_path, strict=False)
    assert len(dataset) == 1 and dict(dataset.dropped) == {"no mask": 1}
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no pictures with masks; expected"):
        load_masks(tmp_path / "empty")
    with pytest.raises(DataError, match="no such folder"):
        load_masks(tmp_path / "nothing")


@pytest.mark.parametrize("orientation, size, exif, as_stored", [
    (6, (60, 40), "auto", False), (6, (40, 60), "auto", True),
    (3, (40, 60), "apply", False), (3, (40, 60), "auto", None),
])  # fmt: skip
def test_turned_photos(tmp_path, orientation, size, exif, as_stored):
    """The size of the masks tells which way round they were drawn; else it must be said."""
    stored = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    tag = Image.Exif()
    tag[0x0112] = orientation
    (tmp_path / "images").mkdir()
    Image.fromarray(stored).save(tmp_path / "images" / "a.png", exif=tag)
    store(tmp_path / "masks" / "a" / "0.png", np.full(size, 255, np.uint8))
    if as_stored is None:
        with pytest.raises(DataError, match=r"a\.png has EXIF orientation 3"):
            load_masks(tmp_path, exif=exif)
    else:
        shown = stored if as_stored else np.rot90(stored, -1 if orientation == 6 else 2)
        np.testing.assert_array_equal(load_masks(tmp_path, exif=exif)[0].image, shown)


def test_junk_is_passed_over(tmp_path, save):
    cells(tmp_path, save)
    (tmp_path / "a" / "masks" / "._0.png").write_bytes(b"x")
    (tmp_path / "a" / "images" / "._a.png").write_bytes(b"x")
    dataset = load_masks(tmp_path)
    assert len(dataset) == 2 and len(dataset[0].labels) == 3


def test_hundreds_of_objects(tmp_path, config):
    """As in cell pictures: all of them load; what training leaves out is said."""
    numbers = np.arange(375).reshape(15, 25) + 1
    big = np.kron(numbers, np.pad(np.ones((4, 4), int), 2))
    store(tmp_path / "masks" / "a.png", big.astype(np.uint16))
    store(tmp_path / "images" / "a.png", np.full((*big.shape, 3), 80, np.uint8))
    dataset = load_masks(tmp_path)
    assert len(dataset[0].labels) == 375 and (dataset[0].areas == 16).all()
    with pytest.warns(UserWarning, match=r"1 of its 1 pictures.*max_instances=20 \(up to 375\)"):
        batch = next(iter(batches(dataset, config, 1)))
    assert batch["labels"].shape == (1, 20)
    config.max_instances = 375
    assert int((next(iter(batches(dataset, config, 1)))["labels"] > 0).numpy().sum()) == 375
