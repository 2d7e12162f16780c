from types import SimpleNamespace

import numpy as np
import pytest

import maskrcnn
from maskrcnn import Detections
from maskrcnn.evaluation import evaluate_detections


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
