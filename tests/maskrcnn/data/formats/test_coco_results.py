import contextlib
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from maskrcnn.data import DataError, load_coco, write_coco_results


def perfect(sample):
    return SimpleNamespace(
        boxes=sample.boxes, labels=sample.labels, masks=sample.masks, scores=np.linspace(1, 0.9, len(sample.labels))
    )


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_results_are_scored_with_the_sources_ids(coco, tmp_path, kind):
    def change(content):
        content["annotations"][1]["iscrowd"] = 0

    annotations, folder = coco(change)
    dataset = load_coco(annotations, folder, class_names=["cat", "dog"])  # labels in another order than the ids
    assert write_coco_results(tmp_path / "results.json", dataset, map(perfect, dataset)) == 2
    rows = json.loads((tmp_path / "results.json").read_text())
    assert {row["image_id"] for row in rows} == {7} and [row["category_id"] for row in rows] == [9, 2]
    assert set(rows[0]) == {"image_id", "category_id", "bbox", "score", "segmentation"}
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        run = COCOeval(truth, truth.loadRes(str(tmp_path / "results.json")), kind)
        run.evaluate()
        run.accumulate()
        run.summarize()
    assert run.stats[0] == pytest.approx(1.0)


def test_results_that_could_not_be_told_apart(coco, tmp_path):
    dataset = load_coco(*coco(), class_names=["cat", "bird"])
    path = tmp_path / "results.json"
    with pytest.raises(DataError, match="1 detections for 2 pictures"):
        write_coco_results(path, dataset, [perfect(dataset[0])])
    with pytest.raises(DataError, match="two pictures have the id 7"):
        write_coco_results(path, dataset + dataset, map(perfect, dataset + dataset))
    found = [SimpleNamespace(**{**vars(perfect(s)), "labels": np.full(len(s.labels), 2)}) for s in dataset]
    with pytest.raises(DataError, match="picture 7: class 2 has no category id.*category_ids"):
        write_coco_results(path, dataset, found)
    assert write_coco_results(path, dataset, found, category_ids=[9, 55]) == 1
    assert json.loads(path.read_text())[0]["category_id"] == 55
