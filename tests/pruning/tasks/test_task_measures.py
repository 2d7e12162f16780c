"""Each task's measures, from a model's own compilation or from two callables."""

import math

import keras
import numpy as np
import pytest

import pruning


def test_a_compiled_model_gives_losses_and_metrics_by_task(two):
    model, (x, y) = two.compiled(pruning.loss_weights(order=1.0, total=0.1)), two.data(50)
    found = pruning.TaskMeasures.of_outputs(model, x, y, batch_size=16)(model)
    logs = model.evaluate(x, y, batch_size=50, verbose=0, return_dict=True)
    expected = {"order": {"accuracy", "loss"}, "total": {"mae", "loss"}}
    assert {task: set(values) for task, values in found.items()} == expected
    for task, values in found.items():
        for name, value in values.items():
            assert value == pytest.approx(logs[f"{task}_{name}"], rel=1e-4), (task, name)


def test_measuring_leaves_the_metrics_of_a_training_alone(two):
    model, (x, y) = two.compiled(), two.data(40)
    tasks = pruning.TaskMeasures.of_outputs(model, x, y)
    model.fit(x, y, verbose=0)
    before = [np.array(variable) for variable in model.metrics_variables]
    tasks(model)
    for variable, value in zip(model.metrics_variables, before, strict=True):
        np.testing.assert_array_equal(np.array(variable), value)


def test_outputs_in_a_list_are_named_by_their_layers(two):
    inner, (x, y) = two.model(), two.data(20)
    model = keras.Model(inner.input, [inner.output["order"], inner.output["total"]])
    model.compile("sgd", loss=["binary_crossentropy", "mse"], loss_weights=[1.0, 0.5], metrics=[["accuracy"], ["mae"]])
    found = pruning.TaskMeasures.of_outputs(model, x, [y["order"], y["total"]])(model)
    assert {task: set(v) for task, v in found.items()} == {"order": {"accuracy", "loss"}, "total": {"mae", "loss"}}


def test_quality_runs_from_the_floor_to_dense():
    tasks = pruning.TaskMeasures(lambda model: {}, floors={"a": {"iou": 0.5}, "b": {"rmse": 10.0}})
    assert tasks.quality("a", "iou", 0.6, 0.7) == pytest.approx(0.5)
    assert tasks.quality("b", "rmse", 8.0, 6.0) == pytest.approx(0.5)
    assert math.isnan(tasks.quality("a", "iou", 0.6, 0.45))  # dense is no better than the floor
    assert tasks.quality("c", "accuracy", 0.4, 0.8) == pytest.approx(0.5)
    assert tasks.quality("c", "mae", 4.0, 1.0) == pytest.approx(0.25)


def test_which_way_is_better():
    tasks = pruning.TaskMeasures(lambda model: {}, lower_is_better=("churn", "b_score"), higher_is_better="gain_mae")
    falls = [("a", "loss"), ("a", "mean_absolute_error"), ("a", "churn"), ("b", "score")]
    assert all(tasks.falls(*one) for one in falls)
    assert not any(tasks.falls(*one) for one in [("a", "score"), ("a", "accuracy"), ("a", "gain_mae")])


@pytest.mark.parametrize(
    "make, word",
    [
        (lambda: pruning.TaskMeasures(), "nothing to measure"),
        (lambda: pruning.TaskMeasures(task_losses=len), "need batches"),
        (lambda: pruning.TaskMeasures(lambda model: 0.5)(None), "evaluate gave float"),
    ],
)
def test_mistakes_are_named(make, word):
    with pytest.raises(ValueError, match=word):
        make()


def test_a_model_that_is_not_compiled_is_named(two):
    with pytest.raises(ValueError, match="two_tasks.*not compiled"):
        pruning.TaskMeasures.of_outputs(two.model(), *two.data(4))
