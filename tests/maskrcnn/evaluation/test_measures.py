import math

from pytest import approx

from maskrcnn.evaluation import MEASURES, columns, nested, normalised_quality


def test_the_columns_that_tables_promise_are_there():
    promised = """proposal_ar100 proposal_recall50 bbox_ap bbox_ap50 bbox_ap75 bbox_class_agnostic_ap
        bbox_refined_iou class_accuracy class_accuracy_fg class_background_rejection class_nll class_ece
        mask_ap mask_ap50 mask_ap75 mask_iou mask_boundary_iou""".split()
    assert set(promised) <= set(MEASURES)
    assert not MEASURES["class_nll"].higher_is_better and MEASURES["mask_iou"].higher_is_better
    assert MEASURES["mask_iou"].isolated and not MEASURES["mask_ap"].isolated


def test_columns_and_back():
    table = {"proposal": {"ar100": 0.5}, "bbox": {}, "class": {"nll": 1.0}, "mask": {"ap": 0.25}}
    flat = columns(table)
    assert flat == {"proposal_ar100": 0.5, "class_nll": 1.0, "mask_ap": 0.25}
    assert nested(flat | {"macs": 3.0}) == table


def test_normalised_quality_works_both_ways():
    floor = {"mask": {"iou": 0.75, "ap": 0.0}, "class": {"nll": 2.0}}
    dense = {"mask": {"iou": 0.95, "ap": 0.6}, "class": {"nll": 0.5}}
    found = normalised_quality({"mask": {"iou": 0.85, "ap": 0.3}, "class": {"nll": 1.25}}, floor, dense)
    assert found["mask"] == approx({"iou": 0.5, "ap": 0.5}) and found["class"]["nll"] == approx(0.5)
    assert normalised_quality(dense, floor, dense)["class"]["nll"] == approx(1)
    assert normalised_quality(floor, floor, dense)["mask"]["iou"] == approx(0)


def test_a_dense_model_at_its_floor_has_no_quality():
    floor, worse = {"mask": {"iou": 0.75}}, {"mask": {"iou": 0.7}}
    assert math.isnan(normalised_quality(worse, floor, floor)["mask"]["iou"])
    assert math.isnan(normalised_quality(floor, floor, worse)["mask"]["iou"])
    assert math.isnan(normalised_quality(floor, {}, floor)["mask"]["iou"])
