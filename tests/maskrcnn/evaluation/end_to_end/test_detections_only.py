import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

import maskrcnn
from maskrcnn import Detections
from maskrcnn.evaluation import confident, evaluate_detections, evaluate_in_detail


def test_the_same_ap_as_with_the_network_at_hand(tiny, pictures):
    """And `evaluate` takes what only detects, without the measures that ask a network."""
    model = tiny()
    every = maskrcnn.evaluate(model, pictures, progress=False, tide=False)
    found = maskrcnn.evaluate(SimpleNamespace(config=model.config, detect=model.detect), pictures, progress=False)
    assert set(found) == {"bbox", "class", "mask"} and set(found["class"]) == {"matched_accuracy"}
    for task in ("bbox", "mask"):
        for name, value in found[task].items():
            np.testing.assert_allclose(value, every[task][name], atol=1e-6, err_msg=f"{task} {name}")


class Told:
    """Finds the first so many objects of each picture, of which some get the next class."""

    def __init__(self, dataset, objects, wrong):
        self.config = SimpleNamespace(class_names=dataset.class_names)
        self._samples, self._objects, self._wrong = iter(dataset), objects, wrong

    def detect(self, image):
        sample = next(self._samples)
        rows = np.arange(len(sample.labels))[: self._objects]
        labels = sample.labels[rows].copy()
        labels[: self._wrong] = labels[: self._wrong] % 3 + 1
        scores = np.linspace(0.9, 0.5, len(rows)).astype("float32")
        return Detections(sample.boxes[rows], labels, scores, np.asarray(sample.masks[rows], bool))


def test_classes_of_what_is_found(pictures):
    every = [pictures[i] for i in range(len(pictures))]
    objects = [len(sample.labels) for sample in every]
    perfect = evaluate_detections(Told(pictures, 99, 0), pictures, progress=False)
    assert perfect["bbox"]["ap"] == perfect["mask"]["ap"] == perfect["class"]["matched_accuracy"] == 1
    found = evaluate_detections(Told(pictures, 99, 1), pictures, progress=False)
    assert found["class"]["matched_accuracy"] == pytest.approx(1 - len(objects) / sum(objects))
    assert found["bbox"]["ap"] < 1
    fewer = evaluate_detections(Told(pictures, 1, 0), pictures, progress=False)  # what is missed is AP's affair
    assert fewer["class"]["matched_accuracy"] == 1 and fewer["bbox"]["ap"] < 1
    nothing = evaluate_detections(Told(pictures, 0, 0), pictures, progress=False)
    assert np.isnan(nothing["class"]["matched_accuracy"]) and nothing["bbox"]["ap"] == 0


def test_only_the_first_pictures_and_only_of_the_classes(pictures):
    assert evaluate_detections(Told(pictures, 99, 0), pictures, progress=False, limit=2)["bbox"]["ap"] == 1
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate_detections(Told(pictures, 99, 0), pictures, limit=0)
    other = SimpleNamespace(config=SimpleNamespace(class_names=("a", "b", "c")), detect=None)
    with pytest.raises(ValueError, match="class"):
        evaluate_detections(other, pictures)


def test_what_it_is_sure_of_is_what_it_finds_with_that_score_as_its_lowest(tiny, pictures):
    """And from 0.05 on it is all that counts."""
    model = tiny()
    every = evaluate_in_detail(model, pictures, progress=False, tide=False)
    scores = sorted(result["score"] for result in every.box_results)
    limit = round(scores[2 * len(scores) // 3], 2)
    assert scores[0] < limit < scores[-1]
    found = confident(every, (0.05, limit))
    surer = maskrcnn.MaskRCNN(dataclasses.replace(model.config, detection_min_score=limit), network=model.network)
    with_limit = maskrcnn.evaluate(surer, pictures, progress=False, tide=False)
    assert set(found) == {"bbox", "mask"}
    for task, measures in found.items():
        for name in ("ap", "ap50", "ap75"):
            assert measures[f"{name}_at5"] == every.measures[task][name]
            np.testing.assert_allclose(measures[f"{name}_at{limit * 100:.0f}"], with_limit[task][name], atol=1e-9)


def test_what_a_detector_is_not_sure_of_is_lost(made):
    """A perfect detector whose scores lie between 0.5 and 1."""
    dataset = made.dataset()
    every = evaluate_in_detail(made.model(dataset), dataset, progress=False, tide=False)
    found = confident(every, (0.05, 0.7))
    assert found["mask"]["ap50_at5"] == 1 and 0.2 < found["mask"]["ap50_at70"] < 0.9
    assert confident(every, (0.99999,))["bbox"]["ap_at100"] == 0
    assert confident(every, ()) == {"bbox": {}, "mask": {}}
