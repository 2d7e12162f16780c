"""Groups pruned alone: what each task pays, and the ratios that follow."""

import numpy as np
import pytest

import pruning
from pruning.tasks.snapshot import lowest, plan_of


@pytest.fixture(scope="module")
def case(two_again, tmp_path_factory):
    """A trained model, and what every group's pruning costs before and after a short fine-tune."""
    model, (x, y) = two_again.compiled(rate=0.02), two_again.data(96)
    model.fit(x, y, batch_size=16, epochs=6, verbose=0)
    graph, path = pruning.ChannelGraph(model), tmp_path_factory.mktemp("table") / "sensitivity.csv"
    scores = pruning.L1()(graph)
    tasks = pruning.TaskMeasures.of_outputs(model, *two_again.data(64, seed=2), floors={"order": {"accuracy": 0.5}})
    calls = []

    def finetune(model):
        calls.append([float(np.count_nonzero(model.get_layer(name).bias)) for name in ("shared", "left", "right")])
        model.fit(x, y, batch_size=48, epochs=1, verbose=0)

    before = [np.array(v) for v in (*model.variables, *model.optimizer.variables)]
    table = pruning.task_sensitivity(graph, scores, tasks, (0.25, 0.5), finetune=finetune, path=path)
    after = [np.array(v) for v in (*model.variables, *model.optimizer.variables)]
    return {"model": model, "graph": graph, "scores": scores, "tasks": tasks, "table": table, "path": path} | {
        "calls": calls, "same": all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)),
        "finetune": finetune,
    }  # fmt: skip


def test_the_model_is_left_as_it_was(case):
    assert case["same"]
    assert not any(channels.any() for channels in pruning.silent(case["graph"]).values())


def test_one_group_is_pruned_at_a_time(case):
    """Units that live in shared, left and right, while each fine-tune runs."""
    lived = [12, 6, 6]
    gone = [[full - count for full, count in zip(lived, calls, strict=True)] for calls in case["calls"]]
    assert [[bool(n) for n in row].count(True) for row in gone] == [1] * 6
    assert [sum(row) for row in gone] == [3, 6, 2, 3, 2, 3]


def test_a_tasks_own_group_costs_no_other_task(case):
    drops = case["table"].drops("pruned", by="loss")
    for group, other in (("left", "total"), ("right", "order")):
        assert all(drops[group][ratio][other] == pytest.approx(0, abs=1e-6) for ratio in (0.25, 0.5))
    assert drops["right"][0.5]["total"] > 0.05


def test_figures_are_those_of_a_model_pruned_so(case, two_again):
    graph, row = case["graph"], next(r for r in case["table"].rows if r["target"] == "shared" and r["ratio"] == 0.5)
    gone = {"shared": lowest(case["scores"]["shared"], 6)}
    masked = pruning.mask(case["model"], plan_of(graph, gone))
    answers = np.asarray(masked(two_again.data(64, seed=2)[0])["order"])[:, 0]
    assert row["value"] == pytest.approx(np.mean((answers > 0.5) == two_again.data(64, seed=2)[1]["order"]))
    cost = pruning.cost(case["model"], plan=plan_of(graph, gone))
    assert row["saved"] == pytest.approx(1 - cost.effective.macs / cost.macs)
    assert row["quality"] == pytest.approx((row["value"] - 0.5) / (row["dense"] - 0.5))


def test_a_table_that_was_broken_off_is_gone_on_with(case, tmp_path):
    lines = case["path"].read_text().splitlines(keepends=True)
    per_target = (len(lines) - 1) // 3
    path = tmp_path / "broken.csv"
    path.write_text("".join(lines[: 1 + per_target + per_target // 2]))  # one whole target, and half of the next
    calls = len(case["calls"])
    table = pruning.task_sensitivity(
        case["graph"], case["scores"], case["tasks"], (0.25, 0.5), finetune=case["finetune"], path=path
    )
    assert len(case["calls"]) - calls == 4
    assert [r["target"] for r in table.rows] == [r["target"] for r in case["table"].rows]
    assert str(pruning.Sensitivity.load(path)).splitlines()[:3] == str(table).splitlines()[:3]


def test_a_table_of_another_dense_model_is_refused(case):
    bias = case["model"].get_layer("total").bias
    before = np.array(bias)
    bias.assign(before + 0.1)
    with pytest.raises(ValueError, match="another dense model"):
        pruning.task_sensitivity(case["graph"], case["scores"], case["tasks"], (0.25, 0.5), path=case["path"])
    bias.assign(before)


def test_ratios_at_a_tolerance():
    rows = [
        {"target": target, "part": "p", "ratio": ratio, "saved": 0.1, "stage": "pruned", "task": task, "measure": "ap"}
        | {"value": 0.0, "dense": 1.0, "quality": 1 - drop}
        for target, task, drops in [
            ("early", "box", (0.1, 0.3)), ("early", "mask", (0.0, 0.9)), ("late", "box", (0.0, 0.01)),
            ("late", "mask", (-0.1, 0.0)), ("dead", "box", (0.5, float("nan"))), ("dead", "mask", (0.0, 0.0)),
        ]
        for ratio, drop in zip((0.4, 0.8), drops, strict=True)
    ]  # fmt: skip
    table = pruning.Sensitivity(tuple(rows), "macs")
    found = pruning.solve_ratios(table, tolerance=0.05)
    # early: box loses 0.1 at 0.4, so 0.05 at 0.2; late: never; dead: 0.5 at 0.4, so 0.05 at 0.04.
    assert dict(found) == pytest.approx({"early": 0.2, "late": 0.8, "dead": 0.04})
    assert [row["binding"] for row in found.rows] == ["box", "", "box"]
    later = pruning.solve_ratios(table, tolerance=0.2)
    # early: mask overtakes box behind 0.4 (0.9 (r - 0.4) / 0.4 = 0.2 at 0.489).
    assert later["early"] == pytest.approx(0.48) and later.rows[0]["binding"] == "mask"
    assert dict(pruning.solve_ratios(table, tolerance=0.0)) == pytest.approx({"early": 0, "late": 0.4, "dead": 0})


def test_ratios_for_a_saving(case):
    found = pruning.solve_ratios(case["table"], saving=0.3, graph=case["graph"], scores=case["scores"], stage="pruned")
    graph, scores = case["graph"], case["scores"]
    plan = pruning.plan(graph, scores, sparsity=found)
    assert {g.name: len(plan.removed[g.name]) for g in graph.prunable} == {
        g.name: round(found[g.name] * g.size) for g in graph.prunable
    }
    cost = pruning.cost(case["model"], plan=plan)
    assert 0.3 <= 1 - cost.effective.macs / cost.macs < 0.42
    with pytest.raises(ValueError, match="at most"):
        pruning.solve_ratios(case["table"], saving=0.99, graph=graph, scores=scores)


def test_a_user_edits_the_ratios(case, tmp_path):
    path = tmp_path / "ratios.csv"
    pruning.solve_ratios(case["table"], tolerance=0.1).save(path)
    text = path.read_text()
    path.write_text("\n".join("shared,0.25,," if row.startswith("shared") else row for row in text.splitlines()))
    assert pruning.Ratios.load(path)["shared"] == 0.25
    for line, word in (("shared,1.5,,", "1.5"), ("shared,much,,", "line 2.*much"), ("left,0.1,,", "twice")):
        path.write_text("\n".join(line if row.startswith("shared") else row for row in text.splitlines()))
        with pytest.raises(ValueError, match=word):
            pruning.Ratios.load(path)


def test_mistakes_are_named(case):
    with pytest.raises(ValueError, match="tolerance= .*or saving="):
        pruning.solve_ratios(case["table"])
    with pytest.raises(ValueError, match="stage 'removed'"):
        pruning.solve_ratios(case["table"], tolerance=0.1, stage="removed")
    with pytest.raises(ValueError, match="shares in"):
        pruning.task_sensitivity(case["graph"], case["scores"], case["tasks"], (0.5, 1.0))
    with pytest.raises(ValueError, match="'neck', which matches no group"):
        pruning.plan(case["graph"], case["scores"], pruning.Ratios(({"target": "neck", "ratio": 0.5},)))
    with pytest.raises(ValueError, match="by is 'layer'"):
        pruning.task_sensitivity(case["graph"], case["scores"], case["tasks"], by="layer")
