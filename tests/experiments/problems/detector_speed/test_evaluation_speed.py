import copy

import numpy as np

from experiments.problems.detector_speed import evaluation_speed


def test_both_evaluators_give_the_same_digits():
    settings = evaluation_speed.EvaluationSpeed(pictures=12, objects=5, detections=40, classes=4)
    truth, results = evaluation_speed.drawn(settings)
    assert len(results["bbox"]) == len(results["segm"]) == 12 * 40 and 20 < len(truth["annotations"]) < 120
    for kind, rows in results.items():
        found = evaluation_speed.ours(truth, rows, kind)
        expected = evaluation_speed.plain(copy.deepcopy(truth), copy.deepcopy(rows), kind)
        np.testing.assert_array_equal(found, expected[..., : found.shape[-1]])
        assert 0.02 < found[found > -1].mean() < 0.9 and len(np.unique(found)) > 50
