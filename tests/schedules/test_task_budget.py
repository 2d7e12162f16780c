"""Budgets by task: what is held, and which task binds."""

import json
import math

import pytest

import schedules

DENSE = {"bbox": {"ap": 0.50, "ap50": 0.7}, "mask": {"ap": 0.40, "iou": 0.8}, "slant": {"rmse": 4.0}}


def found(bbox=0.50, mask=0.40, slant=4.0):
    return {"bbox": {"ap": bbox, "ap50": 0.0}, "mask": {"ap": mask, "iou": 0.0}, "slant": {"rmse": slant}}


def test_points_of_the_primary_measure():
    budget = schedules.TaskBudget(mask=1.0, bbox=2.0)
    judgement = budget.judge(DENSE, found(bbox=0.485, mask=0.392))
    assert judgement.drops == pytest.approx({"mask": 0.8, "bbox": 1.5})
    assert judgement.used == pytest.approx({"mask": 0.8, "bbox": 0.75})
    assert judgement.held and judgement.binding == "mask" and judgement.over == []
    crossed = budget.judge(DENSE, found(bbox=0.30, mask=0.38))
    assert not crossed.held and crossed.over == ["bbox", "mask"] and crossed.binding == "bbox"
    assert "not held, bbox binds" in str(crossed)


def test_the_contract():
    budget = schedules.TaskBudget(
        mask=1.0, unit="points", measure="mask_ap", reference="dense_control", stage="finetuned", split="tune"
    )
    assert budget.judged_by("mask", DENSE) == "ap"
    assert budget == schedules.TaskBudget({"mask": 1}, measure={"mask": "ap"})


def test_units():
    lower = {"lower_is_better": ("slant_rmse",)}
    judge = lambda unit, **more: schedules.TaskBudget(slant=1.0, unit=unit, **lower).judge(  # noqa: E731
        DENSE, found(slant=4.4), **more
    ).drops["slant"]
    assert judge("absolute") == pytest.approx(0.4)
    assert judge("percent") == pytest.approx(10)
    assert judge("quality", floors={"slant": {"rmse": 12.0}}) == pytest.approx(5)  # 0.4 of the way of 8 degrees
    with pytest.raises(ValueError, match="floor of slant_rmse"):
        judge("quality")


def test_a_gain_is_no_loss_and_nothing_may_be_lost_at_zero():
    budget = schedules.TaskBudget(mask=0.0, bbox=1.0)
    assert budget.judge(DENSE, found(mask=0.45, bbox=0.495)).held
    assert budget.judge(DENSE, found()).held
    crossed = budget.judge(DENSE, found(mask=0.3999))
    assert not crossed.held and crossed.binding == "mask"


def test_a_dead_task_is_over_any_budget():
    judgement = schedules.TaskBudget(mask=50, bbox=50).judge(DENSE, {"bbox": {"ap": math.nan}, "mask": {"ap": 0.4}})
    assert judgement.drops["bbox"] == math.inf and judgement.over == ["bbox"]


@pytest.mark.parametrize(
    "arguments, word",
    [
        ({}, "no task"),
        ({"mask": -1}, "-1"),
        ({"mask": "1"}, "'1'"),
        ({"mask": math.nan}, "nan"),
        ({"mask": True}, "True"),
        ({"mask": 1, "unit": "inch"}, "inch"),
        ({"mask": 1, "bbox": 1, "measure": "mask_ap"}, "mapping"),
        ({"mask": 1, "measure": {"class": "accuracy"}}, "class"),
        ({"mask": 1, "reference": "scratch"}, "scratch"),
        ({"mask": 1, "split": ""}, "split"),
    ],
)
def test_budgets_that_are_none(arguments, word):
    with pytest.raises(ValueError, match=word):
        schedules.TaskBudget(**arguments)


def test_measures_that_are_missing_are_named():
    with pytest.raises(ValueError, match="no measure 'accuracy' of task 'mask'; it has ap, iou"):
        schedules.TaskBudget(mask=1, measure="accuracy").judge(DENSE, found())
    with pytest.raises(ValueError, match="class"):
        schedules.TaskBudget({"class": 1.0}).judge(DENSE, found())


def test_a_budget_is_plain_data():
    budget = schedules.TaskBudget(mask=1, slant=3, unit="percent", lower_is_better="slant_rmse", stage="pruned")
    assert schedules.TaskBudget.from_config(json.loads(json.dumps(budget.get_config()))) == budget
