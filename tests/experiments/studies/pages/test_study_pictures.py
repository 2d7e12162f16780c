"""Pictures and pages of the studies, from made tables."""

import itertools

import numpy as np
import pandas as pd

from experiments.studies.pages.agreement_pictures import _figure, agreement_pages
from experiments.studies.pages.budget_pictures import budget_pages
from experiments.studies.pages.study_pictures import phases_pages, ratios_pages

TASKS = {"box": "boxes", "mask": "masks"}


def written(folder, name, rows):
    pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    return folder


def curves(key, names):
    return [
        {key: name, "seed": seed, "asked": asked, "stage": stage, "box_quality": 0.9 - asked / 2, "mask_quality": 0.5}
        for name, seed, asked, stage in itertools.product(names, (0, 1), (0.3, 0.6), ("pruned", "finetuned"))
    ]


def files(folder, name):
    return {f"{name}.png", f"{name}.svg", f"{name}.md"} <= {path.name for path in folder.iterdir()}


def test_phases_and_ratios(tmp_path):
    dense = [{"arm": "joint", "seed": 0, "stage": stage, "box_quality": 1.0, "mask_quality": 1.0} for stage in
             ("dense", "dense_control")]  # fmt: skip
    written(tmp_path, "phases", dense + curves("arm", ["joint", "in turn"]))
    written(tmp_path, "ratios", [{"ways": "dense_control", "seed": 0}, *curves("ways", ["everywhere", "solved"])])
    assert phases_pages(tmp_path, TASKS) and ratios_pages(tmp_path, TASKS)
    assert files(tmp_path, "phases") and files(tmp_path, "ratios")
    lines = (tmp_path / "phases.md").read_text().splitlines()
    assert lines[0] == "| arm | asked | stage | boxes | masks |"
    assert lines[2] == "| joint |  | dense | 1.00 | 1.00 |"
    assert "| in turn | 60% | finetuned | 0.60 ± 0.00 | 0.50 ± 0.00 |" in lines
    assert "dense_control" not in (tmp_path / "ratios.md").read_text()


def budget_tables(folder, bounds):
    """Two tasks together and one alone, two budgets, two seeds; drops grow with the budget."""
    searches, tasks, trials = [], [], []
    for who, allowed, seed in itertools.product(("all", "box"), (2.0, 5.0), (0, 1)):
        head = {"seed": seed, "tasks": who, "allowed": allowed, "unit": "points"}
        lost = allowed - 1 + 2 * seed
        searches.append({**head, "trials": 3, "saved": 0.1 * allowed, "drop_tune": allowed - 1, "drop_test": lost}
                        | {"binding": "mask", "binding_test": "mask", "held_test": seed == 0}
                        | ({"bound_test": lost + 2, "held_surely": False} if bounds else {}))  # fmt: skip
        for task in ("box", "mask") if who == "all" else ("box",):
            tasks.append({**head, "task": task, "measure": f"{task}_ap", "saved": 0.1 * allowed, "binding": "mask"}
                         | {"surrogate_rise": 0.5, "stopped_groups": 3, "drop_tune": allowed - 1, "drop_test": lost}
                         | {"binding_test": "mask", "bound_test": lost + 2 if bounds else None})  # fmt: skip
        drops = {"box_drop": 1.5, "mask_drop": 9.0}
        trials += [{**head, "trial": n, "rise": 2.0**n, "saved": 0.1 * n, "held": n == 2, **drops} for n in (1, 2, 3)]
    for name, rows in {"budgets": searches, "budget_tasks": tasks, "budget_trials": trials}.items():
        written(folder, name, rows)
    return folder


def test_budgets(tmp_path):
    made = budget_pages(budget_tables(tmp_path, bounds=True), TASKS)
    assert all(path.is_file() for path in made)
    assert files(tmp_path, "budgets") and {"budget_history.png", "budget_history.svg"} <= {p.name for p in made}
    page = (tmp_path / "budgets.md").read_text()
    line = "| all | 5.0 | 0.50 ± 0.00 | 4.00 ± 0.00 | 5.00 ± 1.41 | 7.00 ± 1.41 | 1 of 2 | 0 of 2 | mask, mask |"
    assert line in page
    assert "Drops of the worst task, in points." in page
    row = "| 0 | all | mask | mask_ap | 5 | 50.0% | +50% | 3 | +4.00 | +4.00 | +6.00 | tune, test |"
    assert row in page
    assert "| 0 | all | 2 | 2 | 400% | 20.0% | +1.50 | +9.00 |" in page


def test_budgets_without_bounds_and_where_no_trial_held(tmp_path):
    budget_tables(tmp_path, bounds=False)
    assert all(path.is_file() for path in budget_pages(tmp_path))
    assert "bound on test" in (tmp_path / "budgets.md").read_text()  # a column, empty
    none = {"seed": 0, "tasks": "all", "allowed": 1.0, "unit": "points", "trials": 2, "saved": 0.0}
    written(tmp_path, "budgets", [none])
    written(tmp_path, "budget_tasks", [none | {"task": "box", "measure": "box_ap"}])
    written(tmp_path, "budget_trials", [
        none | {"trial": n, "rise": 1.0 / n, "saved": 0.1, "held": False, "box_drop": 20.0} for n in (1, 2)
    ])  # fmt: skip
    assert all(path.is_file() for path in budget_pages(tmp_path))
    assert "| all | 1.0 | 0.00 |" in (tmp_path / "budgets.md").read_text()


def test_agreement_is_drawn_in_the_models_order_and_broken_where_a_task_does_not_reach(tmp_path):
    every = ["box", "mask", "rpn"]
    reach = {"body/a": every, "rpn/b": ["rpn"], "neck/c": every, "heads/d": ["box", "mask"]}
    rows = [
        {"seed": seed, "ratio": 0.4, "group": group, "part": group.partition("/")[0], "channels": 8, "task": one}
        | {"other": other, "iou": 0.5 + 0.1 * seed, "chance": 0.4, "rank_correlation": 0.2, "cosine": -0.1}
        for seed in (0, 1)
        for group, tasks in reach.items()
        for one, other in itertools.combinations(tasks, 2)
    ]
    agreement_pages(written(tmp_path, "agreement", rows))
    assert files(tmp_path, "agreement")
    assert "| heads | box | mask | 0.55 | 0.4 | 0.2 | -0.1 |" in (tmp_path / "agreement.md").read_text()
    figure = _figure(pd.DataFrame(rows), {"body": "the body"})
    overlap, ranks, cosine = figure.axes
    assert [label.get_text() for label in cosine.get_xticklabels()] == ["a", "c", "d"]  # where two tasks reach
    np.testing.assert_allclose(ranks.lines[0].get_ydata(), [0.2] * 3)
    box_mask, box_rpn = overlap.lines[0], overlap.lines[1]
    np.testing.assert_allclose(box_mask.get_ydata(), [0.55] * 3)
    assert list(box_rpn.get_xdata()) == [0, 1]
    assert "the body" in [text.get_text() for text in overlap.texts]
    assert figure._suptitle.get_text().replace("\n", " ").endswith("the best 60% for itself")
