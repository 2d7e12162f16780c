import math

import numpy as np
from pytest import approx

from maskrcnn.box_overlap import areas
from maskrcnn.evaluation import MEASURES, ceilings, columns, floors, probe_set
from maskrcnn.evaluation.floors import _tiles
from maskrcnn.evaluation.probe import unrefined_iou


def test_every_measure_has_a_floor_where_one_makes_sense(made):
    dataset = made.dataset(12)
    floor = columns(floors(dataset, probe_set(dataset)))
    assert set(floor) == set(MEASURES)
    for name, measure in MEASURES.items():
        assert math.isnan(floor[name]) == (not measure.floor), name
    assert floor["class_accuracy"] == approx(1 / 4) and floor["class_accuracy_fg"] == approx(1 / 3)
    assert floor["class_nll"] == approx(math.log(4)) and floor["class_ece"] == approx(3 / 4)
    assert floor["bbox_ap"] == floor["mask_ap"] == floor["bbox_class_agnostic_ap"] == 0


def test_floors_are_measured_on_the_probes(made):
    dataset = made.dataset(12)
    probes = probe_set(dataset)
    floor = columns(floors(dataset, probes))
    ious = np.concatenate([unrefined_iou(s, p) for s, p in zip(dataset, probes, strict=True)])
    assert floor["bbox_refined_iou"] == approx(ious.mean())
    fill = [
        s.masks[n].sum() / areas(s.boxes[n]) for s in dataset for n in np.flatnonzero(~s.crowd)
    ]  # a filled box's IoU, but for the pixels that pasting rounds
    assert floor["mask_iou"] == approx(np.mean(fill), abs=0.05)
    assert 0 < floor["proposal_ar100"] < floor["proposal_recall50"] < 1


def test_a_class_that_never_occurs_raises_the_floor(made):
    dataset = made.dataset(6, names=("box", "disc", "moon"))
    probes = probe_set(dataset)
    one = [p for p in probes]
    for p in one:
        p.labels[p.labels > 1] = 1  # no discs, no moons
    floor = floors(dataset, probes)["class"]
    assert floor["accuracy"] == approx(1 / 2) and floor["accuracy_fg"] == 1


def test_tiles_fill_the_picture_five_times():
    tiles = _tiles()
    assert tiles.shape == (100, 4) and tiles.min() == 0 and tiles.max() == 1
    assert areas(tiles).sum() == approx(5)


def test_a_finer_grid_raises_the_mask_ceiling(made):
    dataset = made.dataset(8)
    probes = probe_set(dataset)
    fine, coarse = (ceilings(dataset, probes, size)["mask"] for size in (28, 7))
    assert coarse["iou_ceiling"] < fine["iou_ceiling"] < 1
    assert coarse["boundary_iou"] < fine["boundary_iou"] == fine["boundary_iou_ceiling"]
