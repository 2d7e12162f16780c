"""One scene an error: each kind is told apart, and mending it gives back what it cost."""

import numpy as np
import pytest
from pytest import approx

from maskrcnn.evaluation import evaluate_in_detail
from maskrcnn.evaluation.end_to_end.ap import average_precision, match
from maskrcnn.evaluation.end_to_end.tide import TIDE_ERRORS, tide

OBJECTS = [(1, [10, 10, 40, 40]), (1, [60, 10, 40, 40]), (2, [10, 60, 40, 40])]


def scene(found, objects=OBJECTS, crowd=()):
    truth = {
        "images": [{"id": 1, "height": 120, "width": 120}],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": [
            {
                "id": i + 1,
                "image_id": 1,
                "category_id": label,
                "bbox": box,
                "area": 1600.0,
                "iscrowd": int(i in crowd),
            }
            for i, (label, box) in enumerate(objects)
        ],
    }
    results = [{"image_id": 1, "category_id": label, "bbox": box, "score": s} for label, box, s in found]
    matched = match(truth, results, "bbox")
    return tide(matched), average_precision(matched)["ap50"]


PERFECT = [(label, box, 0.9 - 0.1 * i) for i, (label, box) in enumerate(OBJECTS)]
MISLABELLED = [(2, OBJECTS[0][1], 0.95), *PERFECT[1:]]
MOVED = [(1, [30, 10, 40, 40], 0.95), *PERFECT[1:]]  # IoU 1/3 with its object, 1/7 with its neighbour
MOVED_AND_MISLABELLED = [(2, [30, 10, 40, 40], 0.95), *PERFECT]
TWICE = [*PERFECT, (1, [11, 10, 40, 40], 0.95)]
STRAY = [*PERFECT, (2, [80, 80, 30, 30], 0.95)]


def only(costs, *kinds):
    assert set(costs) == set(TIDE_ERRORS)
    for kind, cost in costs.items():
        assert (cost > 1e-6) == (kind in kinds), (kind, cost)


def test_perfect_detections_cost_nothing():
    costs, ap50 = scene(PERFECT)
    assert ap50 == approx(1) and list(costs.values()) == approx([0] * 6)


@pytest.mark.parametrize(
    ("found", "kind"),
    [(MISLABELLED, "class"), (MOVED, "localisation"), (MOVED_AND_MISLABELLED, "both"), (TWICE, "duplicate"),
     (STRAY, "background"), (PERFECT[1:], "missed")],
)  # fmt: skip
def test_each_kind_is_told_apart_and_mended(found, kind):
    costs, ap50 = scene(found)
    only(costs, kind)
    assert ap50 + costs[kind] == approx(1, abs=1e-9)


def test_two_wrong_labels_for_one_object_mend_it_once():
    costs, ap50 = scene([(2, OBJECTS[0][1], 0.95), (2, OBJECTS[0][1], 0.92), *PERFECT[1:]])
    only(costs, "class")
    assert ap50 + costs["class"] == approx(1, abs=1e-9)  # the second one is suppressed, not counted twice


def test_nothing_found_is_all_missed():
    costs, ap50 = scene([])
    assert ap50 == 0 and costs["missed"] == approx(1)
    only(costs, "missed")


def test_detections_on_a_crowd_are_no_error():
    costs, ap50 = scene([*PERFECT[1:], (1, [15, 15, 20, 20], 0.99)], crowd=(0,))
    assert ap50 == approx(1) and list(costs.values()) == approx([0] * 6)


def test_no_objects_is_nan():
    costs, _ = scene([(1, [0, 0, 5, 5], 0.5)], objects=[])
    assert np.isnan(list(costs.values())).all()


def test_the_ap50_that_it_mends_is_pycocotools_own(made):
    """All kinds mended at once leave nothing wrong; each alone stays between."""
    from maskrcnn.evaluation.end_to_end import tide as module

    dataset = made.dataset(14)
    found = evaluate_in_detail(made.model(dataset, noise=True, extra=5), dataset, progress=False)
    for task, results, kind in (("bbox", found.box_results, "bbox"), ("mask", found.mask_results, "segm")):
        matched = match(found.ground_truth, results, kind)
        table = module._sort_errors(matched)
        everything = np.ones(len(table.object_category), bool)
        ours = module._ap50(table, table.category, table.error == -1, table.error != -2, everything)
        ap50 = average_precision(matched)["ap50"]
        assert ours == approx(ap50, abs=1e-12)
        costs = [found.measures[task][f"tide_{error}"] for error in TIDE_ERRORS]
        assert max(costs) > 0.01 and min(costs) > -0.05 and max(costs) + ap50 <= 1 + 1e-9
