import dataclasses

import numpy as np
import pytest

from maskrcnn import Detections, inspect
from maskrcnn.inspect.differences import objects_found, paired_detections


@pytest.mark.slow
def test_a_model_beside_itself_differs_in_nothing(model, sample, stages):
    activations = inspect.activations(model, sample.image)
    weights = inspect.layer_weights(model)
    rows = [
        *inspect.stage_differences(stages, inspect.trace(model, sample.image, sample, score_threshold=0.0)),
        *inspect.activation_differences(activations, inspect.activations(model, sample.image)),
        *inspect.weight_differences(weights, weights),
    ]
    assert {row.stage for row in rows} == {1, 2, 3, 4, 5, 7}
    assert len(rows) > 25
    assert {row.what: row.change for row in rows if row.change != 0} == {}


def changed(stages, **detections):
    return dataclasses.replace(stages, detections=Detections(**detections))


def detections(boxes, labels):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    masks = np.zeros((len(boxes), 64, 64), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.astype(int), strict=True):
        mask[y0:y1, x0:x1] = True
    return dict(
        boxes=boxes, labels=np.array(labels, np.int32), scores=np.linspace(0.9, 0.8, len(boxes)).astype(np.float32),
        masks=masks, class_names=("square", "circle", "triangle"),
    )  # fmt: skip


def test_what_was_lost_and_what_is_new_by_hand(stages):
    first = changed(stages, **detections([[0, 0, 10, 10], [20, 20, 40, 40], [50, 50, 60, 60]], [1, 2, 3]))
    second = changed(stages, **detections([[0, 0, 10, 8], [20, 20, 40, 40]], [1, 3]))
    second = dataclasses.replace(second, mask_probs=stages.mask_probs[:2])
    assert paired_detections(first, second).tolist() == [[0, 0]]
    rows = {row.what: row for row in inspect.stage_differences(first, second)}
    assert rows["detections"].change == -1
    assert rows["lost: the first's that the second lacks"].change == 2
    assert rows["new: the second's that the first lacks"].change == 1
    assert rows["mean 1 − IoU of their pasted masks"].change == pytest.approx(0.2)


def test_objects_are_found_once_and_by_their_class(stages):
    boxes, labels = stages.truth.boxes, stages.truth.labels
    every = changed(stages, **detections(np.repeat(boxes, 2, axis=0), np.repeat(labels, 2)))
    assert objects_found(every) == len(boxes)
    wrong = changed(stages, **detections(boxes, labels % 3 + 1))
    assert objects_found(wrong) == 0


def test_other_pictures_are_refused(stages):
    with pytest.raises(ValueError, match="one picture in two models"):
        inspect.stage_differences(stages, dataclasses.replace(stages, image=stages.image[::-1]))


def test_weights_that_are_zero_count():
    def layer(values, name="a"):
        return inspect.LayerWeights(name, "rpn", np.array(values, np.float32), np.zeros(1, bool))

    rows = {row.what: row for row in inspect.weight_differences([layer([1, 0, 2, 3])], [layer([0, 0, 2, 3])])}
    assert rows["share of them that is 0, RPN"].change == 0.25
    assert rows["weights in kernels of the RPN"].change == 0
