"""What each picture adds: its sums give the isolated measures again, whole or for a choice of pictures."""

import numpy as np
import pytest

from maskrcnn.evaluation import evaluate_in_detail

PRIMARY = {"proposal": "ar100", "bbox": "refined_iou", "class": "accuracy", "mask": "iou"}


def value(shares, where=slice(None)):
    counted, of = (part[where].sum(axis=0) for part in shares)
    with np.errstate(invalid="ignore"):
        return np.nanmean(counted / of)


@pytest.mark.parametrize("dead", [("rpn", "bbox"), ("class",), ("mask",)])
def test_the_sums_give_the_measures_again(made, dead):
    dataset = made.dataset(8)  # pictures with crowds, and without objects, are among them
    found = evaluate_in_detail(made.model(dataset, dead=dead), dataset, progress=False)
    for task, primary in PRIMARY.items():
        assert all(len(part) == 8 for part in found.by_picture[task])
        assert value(found.by_picture[task]) == pytest.approx(found.measures[task][primary], abs=1e-9), task
    first = evaluate_in_detail(made.model(dataset, dead=dead), dataset, progress=False, limit=5)
    for task, primary in PRIMARY.items():
        half = value(found.by_picture[task], slice(5))
        assert half == pytest.approx(first.measures[task][primary], abs=1e-9), task
