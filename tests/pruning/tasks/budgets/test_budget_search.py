"""The search under budgets by task: what it finds, goes on with, and refuses."""

import json

import numpy as np
import pytest

import pruning
import schedules
from pruning.tasks.snapshot import Snapshot, silence

BUDGET = schedules.TaskBudget(order=8.0, total=30.0, unit="quality", reference="dense_control")
TASKS = {"floors": {"order": {"accuracy": 0.5}, "total": {"mae": 1.4}}}


@pytest.fixture
def reset(trained):
    """Makes the model dense again; it is so after every test."""
    before = Snapshot(trained.model)

    def run():
        silence(trained.graph, {})
        before.restore()

    yield run
    run()


def searched(trained, folder=None, budget=BUDGET, finetune=True, **options):
    trained.tasks.floors = TASKS["floors"]
    return pruning.BudgetSearch(
        trained.graph, trained.scores, budget, trained.tasks, trained.finetune if finetune else None, folder,
        say=lambda line: None, **options,
    ).run()  # fmt: skip


@pytest.fixture(scope="module")
def search(trained, tmp_path_factory):
    """A search of three trials, and the state of the dense model before it."""
    folder, dense = tmp_path_factory.mktemp("search"), Snapshot(trained.model)
    before = len(trained.calls)
    found = searched(trained, folder, trials=3)
    measured = trained.tasks(trained.model)
    silent = {name: int(gone.sum()) for name, gone in pruning.silent(trained.graph).items()}
    silence(trained.graph, {})
    dense.restore()
    return found, folder, len(trained.calls) - before, measured, silent


def test_it_bisects_and_fine_tunes_from_the_dense_model(search, trained):
    found, _, calls, _, _ = search
    assert calls == 4 and len(set(trained.calls[-4:])) == 1  # the control and three trials, each from the same update
    logs = [np.log(trial.rise) for trial in found.trials]
    low, high = np.log(0.05), np.log(100.0)
    for rise, trial in zip(logs, found.trials, strict=True):
        assert rise == pytest.approx((low + high) / 2)
        low, high = (rise, high) if trial.held else (low, rise)
    saved = [trial.saved for trial in sorted(found.trials, key=lambda trial: trial.rise)]
    assert saved == sorted(saved)


def test_verdicts_are_the_budgets(search, trained):
    found = search[0]
    for trial in found.trials:
        for task, floor in (("order", "accuracy"), ("total", "mae")):
            reference, value = found.reference[task][floor], trial.measured[task][floor]
            drop = 100 * (reference - value) / (reference - TASKS["floors"][task][floor])
            assert trial.drops[task] == pytest.approx(drop)
        assert trial.held == (trial.drops["order"] <= 8 and trial.drops["total"] <= 30)
        assert trial.binding == max(trial.used, key=trial.used.get)
    held = [trial for trial in found.trials if trial.held]
    assert held and found.trial.saved == max(trial.saved for trial in held)
    assert "binds" in str(found) and f"{found.trial.saved:.1%} saved" in str(found)


def test_the_model_is_that_of_the_best_plan_and_removes(search, trained):
    found, _, _, measured, silent = search
    assert silent == {name: len(found.plan.removed.get(name, ())) for name in silent}
    for task, values in found.trial.measured.items():
        assert measured[task] == pytest.approx(values, rel=1e-5)


def test_a_search_goes_on_where_it_was_broken_off(search, trained, reset, tmp_path):
    found, folder, *_ = search
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    state = json.loads((folder / "search.json").read_text())
    state["trials"] = state["trials"][:1]
    (tmp_path / "search.json").write_text(json.dumps(state))
    before = len(trained.calls)
    again = searched(trained, tmp_path, trials=3)
    assert len(trained.calls) - before == 2
    assert [trial.held for trial in again.trials] == [trial.held for trial in found.trials]
    assert again.plan.removed == found.plan.removed
    reset()
    finished = searched(trained, folder, trials=3)
    assert len(trained.calls) - before == 2 and finished.plan == found.plan
    measured = trained.tasks(trained.model)
    assert measured["total"] == pytest.approx(found.trial.measured["total"], rel=1e-5)


def test_a_folder_of_another_search_is_refused(search, trained):
    other = schedules.TaskBudget(order=1.0, unit="quality")
    with pytest.raises(ValueError, match="another search .budget, grow"):
        searched(trained, search[1], budget=other)


def test_a_folder_of_another_dense_model_is_refused(search, trained, reset):
    bias = trained.model.get_layer("total").bias
    bias.assign(np.array(bias) + 0.1)
    with pytest.raises(ValueError, match="another dense model"):
        searched(trained, search[1], trials=3)


def test_nothing_holds_an_impossible_budget(trained, reset):
    budget = schedules.TaskBudget(total=0.0, unit="absolute", stage="pruned", reference="dense")
    found = searched(trained, budget=budget, finetune=False, trials=2, low=1.0)
    assert found.plan is None and "no trial held" in str(found)
    assert not any(channels.any() for channels in pruning.silent(trained.graph).values())


def test_what_each_task_alone_would_allow(trained, reset, tmp_path):
    trained.tasks.floors = TASKS["floors"]
    budget = schedules.TaskBudget(order=5.0, total=5.0, unit="quality", stage="pruned", reference="dense")
    options = {"trials": 4, "say": lambda line: None}
    alone = pruning.task_allowances(trained.graph, trained.scores, budget, trained.tasks, None, tmp_path, **options)
    assert set(alone) == {"order", "total"} and (tmp_path / "order" / "search.json").exists()
    for task, found in alone.items():
        assert set(found.trials[0].drops) == {task} and found.trial.drops[task] <= 5.0
    assert not any(channels.any() for channels in pruning.silent(trained.graph).values())


def test_one_dense_control_serves_every_task_and_no_plan_is_tried_twice(trained, reset):
    before = len(trained.calls)
    budget = schedules.TaskBudget(order=90.0, total=90.0, unit="quality")
    options = {"trials": 3, "low": 1e4, "high": 1e9, "say": lambda line: None}  # every group gives up all it may
    alone = pruning.task_allowances(trained.graph, trained.scores, budget, trained.tasks, trained.finetune, **options)
    assert alone["order"].reference == alone["total"].reference
    for found in alone.values():
        assert len({trial.saved for trial in found.trials}) == 1 and len({trial.rise for trial in found.trials}) == 3
    assert len(trained.calls) - before == 1 + 2


@pytest.mark.parametrize(
    "budget, finetune, word",
    [
        (schedules.TaskBudget(order=1.0), False, "stage 'finetuned'"),
        (schedules.TaskBudget(order=1.0, stage="pruned", reference="dense"), True, "stage 'pruned'"),
        (schedules.TaskBudget(order=1.0, stage="pruned"), False, "no dense control"),
    ],
)
def test_mistakes_are_named(trained, budget, finetune, word):
    with pytest.raises(ValueError, match=word):
        searched(trained, budget=budget, finetune=finetune)
