import json
import math

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from pytest import approx

from maskrcnn.evaluation import evaluate_in_detail
from maskrcnn.evaluation.end_to_end.ap import average_precision, match


def by_hand(dataset, model, folder):
    """Ground truth and detections written as JSON files and read by pycocotools alone: stats by kind."""
    truth, boxes, masks, agnostic = {"images": [], "annotations": [], "info": {}}, [], [], []
    truth["categories"] = [{"id": i + 1, "name": n} for i, n in enumerate(dataset.class_names)]

    def rle(mask):
        found = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        return {"size": found["size"], "counts": found["counts"].decode()}

    def corner_and_sides(box):
        x0, y0, x1, y1 = (float(v) for v in box)
        return [x0, y0, x1 - x0, y1 - y0]

    for sample in dataset:
        height, width = sample.masks.shape[1:]
        truth["images"].append({"id": sample.image_id, "height": height, "width": width})
        for n in range(len(sample.labels)):
            truth["annotations"].append({
                "id": len(truth["annotations"]) + 1, "image_id": sample.image_id,
                "category_id": int(sample.labels[n]),
                "bbox": corner_and_sides(sample.boxes[n]), "area": float(sample.areas[n]),
                "iscrowd": int(sample.crowd[n]), "segmentation": rle(sample.masks[n]),
            })  # fmt: skip
        none = np.zeros((0, 4), np.float32)
        found = model.measure([sample.image], [none], [none])[0].detections
        for box, label, score, mask in zip(found.boxes, found.labels, found.scores, found.masks, strict=True):
            if score >= 0.05:
                head = {"image_id": sample.image_id, "category_id": int(label), "score": float(score)}
                boxes.append({**head, "bbox": corner_and_sides(box)})
                masks.append({**head, "segmentation": rle(mask)})
                agnostic.append({**head, "bbox": corner_and_sides(box), "category_id": 1})
    one = {**truth, "categories": [{"id": 1, "name": "any"}]}
    one["annotations"] = [{**a, "category_id": 1} for a in truth["annotations"]]
    stats = {}
    for kind, gt, dt in (("bbox", truth, boxes), ("segm", truth, masks), ("agnostic", one, agnostic)):
        (folder / "gt.json").write_text(json.dumps(gt))
        (folder / "dt.json").write_text(json.dumps(dt))
        index = COCO(str(folder / "gt.json"))
        run = COCOeval(index, index.loadRes(str(folder / "dt.json")), "bbox" if kind == "agnostic" else kind)
        run.evaluate()
        run.accumulate()
        run.summarize()
        stats[kind] = [math.nan if v == -1 else v for v in run.stats[:6]]
    return stats


NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")


@pytest.mark.parametrize("extra", [0, 60])
def test_ap_equals_pycocotools_by_hand(made, tmp_path, extra):
    dataset = made.dataset(14)
    model = made.model(dataset, noise=True, extra=extra)
    expected = by_hand(dataset, model, tmp_path)
    found = evaluate_in_detail(model, dataset, progress=False, tide=False)
    for task, kind in (("bbox", "bbox"), ("mask", "segm")):
        ours = [found.measures[task][name] for name in NAMES]
        assert 0.02 < expected[kind][0] < 0.9  # neither trivial nor empty
        assert ours == approx(expected[kind], abs=1e-12, nan_ok=True)
    assert found.measures["bbox"]["class_agnostic_ap"] == approx(expected["agnostic"][0], abs=1e-12)
    assert expected["agnostic"][0] != approx(expected["bbox"][0], abs=1e-3)


def test_the_records_it_hands_out_are_pycocotools_json(made, tmp_path):
    dataset = made.dataset(8)
    model = made.model(dataset, noise=True, extra=3)
    found = evaluate_in_detail(model, dataset, progress=False)
    (tmp_path / "gt.json").write_text(json.dumps({"info": {}} | found.ground_truth))
    (tmp_path / "dt.json").write_text(json.dumps(found.mask_results))
    index = COCO(str(tmp_path / "gt.json"))
    run = COCOeval(index, index.loadRes(str(tmp_path / "dt.json")), "segm")
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert run.stats[0] == approx(found.measures["mask"]["ap"], abs=1e-12)


def test_a_size_that_no_object_has_is_nan_and_no_detection_is_zero(made):
    truth = {
        "images": [{"id": 1, "height": 50, "width": 50}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 10, 10], "area": 100.0, "iscrowd": 0}
        ],
    }
    found = average_precision(match(truth, [], "bbox"))
    assert found["ap"] == 0 and found["ap_small"] == 0
    assert math.isnan(found["ap_medium"]) and math.isnan(found["ap_large"])
    nothing = average_precision(match(truth | {"annotations": []}, [], "bbox"))
    assert all(math.isnan(value) for value in nothing.values())


def test_nothing_is_printed(made, capsys):
    dataset = made.dataset(3)
    evaluate_in_detail(made.model(dataset), dataset, progress=False)
    assert capsys.readouterr().out == ""


def test_ap_of_one_class_is_that_of_its_objects_alone(made):
    dataset = made.dataset(14, crowd_every=0)
    found = evaluate_in_detail(made.model(dataset, noise=True), dataset, progress=False, tide=False)
    rows = found.per_class
    assert list(rows) == list(dataset.class_names)
    assert np.mean([row["bbox_ap"] for row in rows.values()]) == approx(found.measures["bbox"]["ap"])
    assert sum(row["objects"] for row in rows.values()) == sum(len(s.labels) for s in dataset)


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_ap_of_pictures_drawn_again_is_that_of_a_data_set_that_has_them_so_often(made, kind):
    dataset = made.dataset(9)  # crowds and pictures without objects are among them
    found = evaluate_in_detail(made.model(dataset, noise=True, extra=3), dataset, progress=False)
    task = "bbox" if kind == "bbox" else "mask"
    ranked = found.ranked[task]
    rows = found.box_results if kind == "bbox" else found.mask_results
    assert ranked.samples == 9 and len(rows) > 20
    whole = found.measures[task]["ap"]
    assert 0.05 < whole < 0.95
    times = np.array([np.ones(9), [2, 0, 1, 3, 0, 1, 1, 0, 2], [0] * 9])
    drawn = ranked.drawn(times)
    assert drawn[0] == pytest.approx(whole, abs=1e-12) and np.isnan(drawn[2])
    assert drawn[1] == pytest.approx(_ap_of_copies(found.ground_truth, rows, times[1], kind), abs=1e-12)


def _ap_of_copies(truth, results, times, kind):
    """The same by pycocotools alone: every picture copied, its objects and detections with it."""
    ids = sorted(image["id"] for image in truth["images"])
    copies = [(n, 1000 * n + copy) for n, count in zip(ids, times, strict=True) for copy in range(int(count))]
    images = [{"id": new, "height": 96, "width": 128} for _, new in copies]
    objects = [dict(one, image_id=new) for old, new in copies for one in truth["annotations"] if one["image_id"] == old]
    objects = [dict(one, id=number) for number, one in enumerate(objects, 1)]
    found = [dict(one, image_id=new) for old, new in copies for one in results if one["image_id"] == old]
    index = COCO()
    index.dataset = {"images": images, "categories": truth["categories"], "annotations": objects, "info": {}}
    index.createIndex()
    run = COCOeval(index, index.loadRes(found), kind)
    run.evaluate()
    run.accumulate()
    run.summarize()
    return run.stats[0]
