"""Folders as annotation tools export them: nine pictures of 96 x 64 px, on each a red `cat` and a blue `dog`."""

import gc
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

SIZE = WIDTH, HEIGHT = 96, 64


def pytest_collection_finish():
    """What the libraries made as they were imported stays: garbage is looked for among the tests' own objects only.

    A search through all of them, hundreds of thousands, lasts a quarter of a second, and Keras asks for many.
    """
    gc.collect()
    gc.freeze()


COLOURS = {"cat": (220, 40, 40), "dog": (40, 40, 220)}


def objects(number):
    """(class, (x0, y0, x1, y1)) of a picture's two objects."""
    return [("cat", (4 + 2 * number, 6, 34 + 2 * number, 30)), ("dog", (50, 30 + number, 80, 50 + number))]


def outline(box):
    x0, y0, x1, y1 = box
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def save(folder, number, name=None):
    """The picture of a number; returns its name."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for label, (x0, y0, x1, y1) in objects(number):
        pixels[y0:y1, x0:x1] = COLOURS[label]
    name = name or f"{number}.png"
    Image.fromarray(pixels).save(folder / name)
    return name


def via(folder, numbers=range(9)):
    entries = {}
    for number in numbers:
        regions = [
            {
                "shape_attributes": {"name": "polygon", "all_points_x": x, "all_points_y": y},
                "region_attributes": {"kind": label},
            }
            for label, box in objects(number)
            for x, y in [zip(*outline(box), strict=True)]
        ]
        name = save(folder, number)
        entries[name] = {"filename": name, "size": 1, "regions": regions}
    (folder / "via_region_data.json").write_text(json.dumps(entries))
    return folder


def labelme(folder, numbers=range(9)):
    for number in numbers:
        shapes = [
            {"label": label, "points": outline(box), "shape_type": "polygon", "group_id": None}
            for label, box in objects(number)
        ]
        content = {"imagePath": save(folder, number), "imageData": None, "shapes": shapes}
        size = {"imageHeight": HEIGHT, "imageWidth": WIDTH}
        (folder / f"{number}.json").write_text(json.dumps(content | size))
    return folder


def coco(path, images, numbers=range(9), name="{}.png", categories=((1, "cat", ""), (2, "dog", ""))):
    """A COCO file and its pictures; categories are (id, name, supercategory), the last two of them used."""
    ids = {label: i for i, label, _ in categories}
    annotations = [
        {
            "id": 10 * number + position,
            "image_id": number,
            "category_id": ids[label],
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "segmentation": [[v for point in outline(box) for v in point]],
            "iscrowd": 0,
        }
        for number in numbers
        for position, (label, box) in enumerate(objects(number))
    ]
    content = {
        "images": [
            {"id": number, "file_name": save(images, number, name.format(number)), "height": HEIGHT, "width": WIDTH}
            for number in numbers
        ],
        "annotations": annotations,
        "categories": [{"id": i, "name": label, "supercategory": above} for i, label, above in categories],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def roboflow(folder, splits=None):
    """Its root category bears the name of a class, as it does where the project is called so."""
    categories = ((0, "cat", "none"), (1, "cat", "cat"), (2, "dog", "cat"))
    for split, numbers in (splits or {"train": range(5), "valid": range(5, 7), "test": range(7, 9)}).items():
        name = "{0}_jpg.rf.0a1b2c{0}.jpg"
        coco(folder / split / "_annotations.coco.json", folder / split, numbers, name, categories)
    (folder / "README.roboflow.txt").write_text("exported")
    return folder


def cvat_coco(folder):
    coco(folder / "annotations" / "instances_default.json", folder / "images" / "default")
    return folder


def cvat_images(folder, numbers=range(9)):
    rows = []
    for number in numbers:
        (cat, box), (dog, (x0, y0, x1, y1)) = objects(number)
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in outline(box))
        rows.append(
            f'<image id="{number}" name="{save(folder / "images", number)}" width="{WIDTH}" height="{HEIGHT}">'
            f'<polygon label="{cat}" source="manual" occluded="0" points="{points}" z_order="0"></polygon>'
            f'<box label="{dog}" xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}" z_order="0"></box></image>'
        )
    labels = "".join(f"<label><name>{name}</name><type>any</type></label>" for name in ("dog", "cat", "bird"))
    meta = f"<version>1.1</version><meta><task><labels>{labels}</labels></task></meta>"
    (folder / "annotations.xml").write_text(f"<annotations>{meta}{''.join(rows)}</annotations>")
    return folder


def masks(folder, numbers=range(9)):
    for number in numbers:
        save(folder / str(number) / "images", number)
        for position, (_, (x0, y0, x1, y1)) in enumerate(objects(number)):
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[y0:y1, x0:x1] = 255
            path = folder / str(number) / "masks" / f"{position}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(mask).save(path)
    return folder


@pytest.fixture(scope="session")
def exports():
    """Makers of exported folders: `exports.roboflow(folder)`, ..., and `exports.objects(number)`."""
    made = (via, labelme, coco, roboflow, cvat_coco, cvat_images, masks)
    return SimpleNamespace(objects=objects, **{make.__name__: make for make in made})
