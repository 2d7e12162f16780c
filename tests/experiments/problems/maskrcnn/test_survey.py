"""taskprune data: what is said of a folder, and of a faulty one."""

import json
import re

import numpy as np
import pytest
import yaml
from PIL import Image

from experiments.errors import UserError
from experiments.problems.maskrcnn.detector_commands.maskrcnn_survey import Survey, main, survey


def export(folder, splits, seed=0):
    """A Roboflow-like export of grey pictures with a square each."""
    rng = np.random.default_rng(seed)
    for split, count in splits.items():
        place = folder / split
        place.mkdir(parents=True)
        images, annotations = [], []
        for i in range(count):
            name = f"{split}{i}.png"
            Image.fromarray(rng.integers(0, 255, (64, 96, 3), dtype=np.uint8)).save(place / name)
            images.append({"id": i, "file_name": name, "width": 96, "height": 64})
            x = 10 + i
            outline = [x, 10, x + 20, 10, x + 20, 40, x, 40]
            annotations.append({
                "id": i, "image_id": i, "category_id": 1, "bbox": [x, 10, 20, 30], "area": 600, "iscrowd": 0,
                "segmentation": [outline],
            })  # fmt: skip
        content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "panda"}]}
        (place / "_annotations.coco.json").write_text(json.dumps(content))
    return folder


def test_a_folder_is_surveyed_and_the_page_needs_nothing_beside_it(tmp_path, capsys):
    folder = export(tmp_path / "mine", {"train": 4, "test": 2})
    assert main([str(folder), "--output", str(tmp_path / "out"), "--show", "2"]) == 0
    said = capsys.readouterr().out
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "fewer than 20 objects, too few to learn or to measure: panda (4)" in said
    assert re.search(r"^ +to train on +to test on *$", said, re.M) and re.search(r"^pictures +4 +2 *$", said, re.M)
    lines = said[said.index("model:") : said.index("page:")]
    assert yaml.safe_load(lines)["model"]["max_size"] == 256
    assert page.count("data:image/png;base64,") == 2 and lines.strip() in page
    assert "http:" not in page and "https:" not in page


def test_a_picture_in_two_splits_is_said_first(tmp_path):
    folder = export(tmp_path / "mine", {"train": 3, "valid": 2})
    (folder / "valid" / "valid0.png").write_bytes((folder / "train" / "train2.png").read_bytes())
    _, _, looks, _ = survey(Survey(pictures=str(folder), output=str(tmp_path / "out"), show=1))
    assert looks[0].startswith("1 pictures are both to train on and to test on, the first is train2.png")


def test_no_annotations_and_no_objects_are_one_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no annotations that are known"):
        survey(Survey(pictures=str(tmp_path / "empty"), output=str(tmp_path / "out")))
    folder = export(tmp_path / "mine", {"train": 2})
    path = folder / "train" / "_annotations.coco.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"annotations": []}))
    with pytest.raises(UserError, match="no object"):
        survey(Survey(pictures=str(folder), output=str(tmp_path / "out")))
