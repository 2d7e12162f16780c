"""A recipe's pictures: every kind of annotation, and what is said before anything is trained."""

import json

import numpy as np
import pytest
from PIL import Image

from experiments.errors import UserError
from experiments.lookup import open_problem
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.runner import check_data


def store(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def coco(folder, amount=2, **changes):
    """A COCO file of eight pictures with `amount` objects each."""
    boxes = [[6 * (i % 10), 6 * (i // 10), 4, 4] for i in range(amount)]
    objects = [
        {"image_id": n, "category_id": 1, "bbox": [x, y, w, h], "iscrowd": 0,
         "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]]} | changes
        for n in range(8) for x, y, w, h in boxes
    ]  # fmt: skip
    for n in range(8):
        store(folder / f"{n}.png", np.full((64, 64, 3), 20 * n, np.uint8))
    content = {
        "images": [{"id": n, "file_name": f"{n}.png"} for n in range(8)],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": objects,
    }
    (folder / "c.json").write_text(json.dumps(content))
    return str(folder / "c.json")


def test_folders_of_masks(tiny, tmp_path):
    for n in range(4):
        store(tmp_path / f"{n}" / "images" / "p.png", np.full((64, 64, 3), n, np.uint8))
        store(tmp_path / f"{n}" / "masks" / "0.png", np.pad(np.full((9, 9), 255, np.uint8), (5, 50)))
    data = {"kind": "masks", "train": str(tmp_path), "test": str(tmp_path), "class_name": "cell"}
    problem = open_problem(tiny(data=data))
    check_data(problem, Meter())
    assert problem.pictures.class_names == ("cell",) and problem.examples("test") == 4


@pytest.mark.parametrize("changes, strict, message", [
    ({"iscrowd": 1}, True, "nothing to train on: all 16 objects of its 8 pictures are crowds"),
    ({"segmentation": []}, False, "nothing to train on: its 8 pictures hold no object; left out: 16 x no mask"),
])  # fmt: skip
def test_nothing_to_train_on_is_a_users_error(tiny, tmp_path, changes, strict, message):
    path = coco(tmp_path, **changes)
    problem = open_problem(tiny(data={"kind": "coco", "train": path, "test": path, "strict": strict}))
    with pytest.raises(UserError, match=message):
        check_data(problem, Meter())


def test_a_test_split_may_be_without_objects(tiny, tmp_path):
    train, test = coco(tmp_path / "a"), coco(tmp_path / "b", iscrowd=1)
    check_data(open_problem(tiny(data={"kind": "coco", "train": train, "test": test})), Meter())


def test_objects_that_training_leaves_out_are_said(tiny, tmp_path, recwarn):
    path = coco(tmp_path, amount=30)
    problem = open_problem(tiny(data={"kind": "coco", "train": path, "test": path}, model={"max_instances": 25}))
    (line,) = problem.check()
    assert "8 of its 8 pictures hold more objects than max_instances=25 (up to 30)" in line
    next(iter(problem.batches("train", 0)))
    assert not [one for one in recwarn if "max_instances" in str(one.message)]  # said once
