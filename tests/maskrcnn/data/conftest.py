"""Tiny annotated folders, made where a test runs."""

import copy
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

HEIGHT, WIDTH = 40, 60


@pytest.fixture
def real_data():
    """The folder of real pictures, which is not part of the project."""
    folder = Path(os.environ.get("TASKPRUNE_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set TASKPRUNE_DATA")
    return folder.resolve()


@pytest.fixture
def config():
    return SimpleNamespace(min_size=128, max_size=128, size_divisor=32, max_instances=20)


def save_picture(path, height=HEIGHT, width=WIDTH):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.fixture
def save():
    return save_picture


COCO = {
    "images": [
        {"id": 7, "file_name": "a.png", "height": HEIGHT, "width": WIDTH},
        {"id": 3, "file_name": "b.png", "height": HEIGHT, "width": WIDTH},
    ],
    "categories": [{"id": 9, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {
            "id": 1,
            "image_id": 7,
            "category_id": 9,
            "bbox": [10, 5, 20, 10],
            "area": 123.0,
            "iscrowd": 0,
            "segmentation": [[10, 5, 30, 5, 30, 15, 10, 15]],
        },
        {
            "id": 2,
            "image_id": 7,
            "category_id": 2,
            "bbox": [0, 0, 2, HEIGHT],
            "area": 80,
            "iscrowd": 1,
            "segmentation": {"size": [HEIGHT, WIDTH], "counts": [0, 2 * HEIGHT, HEIGHT * (WIDTH - 2)]},
        },
    ],
}


@pytest.fixture
def coco(tmp_path):
    """Writes a COCO folder after `change(content)`; returns (annotation file, picture folder)."""
    for name in ("a.png", "b.png"):
        save_picture(tmp_path / name)

    def write(change=lambda content: None):
        content = copy.deepcopy(COCO)
        change(content)
        (tmp_path / "instances.json").write_text(json.dumps(content))
        return tmp_path / "instances.json", tmp_path

    return write
