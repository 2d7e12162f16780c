"""Pictures and pages of the studies, from made tables."""

import itertools

import numpy as np
import pandas as pd

from experiments.studies.agreement_pictures import _figure, agreement_pages
from experiments.studies.study_pictures import budget_pages, phases_pages, ratios_pages

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


def test_budgets(tmp_path):
    rows = [
        {"seed": seed, "tasks": who, "allowed": allowed, "trials": 4, "saved": 0.1 * allowed, "drop_tune": allowed - 1}
        | {"drop_test": allowed - 1 + 2 * seed, "binding": "mask", "binding_test": "mask", "held_test": seed == 0}
        for who, allowed, seed in itertools.product(("all", "box"), (2.0, 5.0), (0, 1))
    ]
    budget_pages(written(tmp_path, "budgets", rows))
    assert files(tmp_path, "budgets")
    assert "| all | 5 | 0.50 ± 0.00 | 4.00 ± 0.00 | 5.00 ± 1.41 | 1 of 2 | mask, mask |" in (
        tmp_path / "budgets.md"
    ).read_text().replace("5.0 |", "5 |", 1)


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
    overlap, cosine = figure.axes
    assert [label.get_text() for label in cosine.get_xticklabels()] == ["a", "c", "d"]  # where two tasks reach
    box_mask, box_rpn = overlap.lines[0], overlap.lines[1]
    np.testing.assert_allclose(box_mask.get_ydata(), [0.55] * 3)
    assert list(box_rpn.get_xdata()) == [0, 1]
    assert "the body" in [text.get_text() for text in overlap.texts]
    assert figure._suptitle.get_text().replace("\n", " ").endswith("the best 60% for itself")
