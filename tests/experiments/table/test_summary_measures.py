"""Drops, worst task, multi-task deltas and hypervolume from a made-up table; bootstrap from made-up answers."""

import numpy as np
import pandas as pd
import pytest

from experiments.declaration import Declaration, Measure, Task
from experiments.errors import UserError
from experiments.sample_answers import Answers, Tally, answers_path, bootstrap, keep_answers, read_answers
from experiments.table import summary_measures
from experiments.table.hypervolume import hypervolumes, volume
from experiments.table.summary_measures import summary_columns, with_bootstrap, with_summary

PROBLEM = Declaration("two", (
    Task("digit", "digits", "accuracy", measures=(
        Measure("accuracy", title="accuracy"), Measure("top3", title="top 3"), Measure("noise", higher_is_better=None),
    )),
    Task("slant", "slants", "rmse", higher_is_better=False),
))  # fmt: skip


def rows(now):
    """floor, dense, its control and one pruned run of a seed."""
    floor = {"stage": "floor", "digit_accuracy": 0.1, "digit_top3": 0.3, "slant_rmse": 6.0}
    dense = {"stage": "dense", "digit_accuracy": 0.9, "digit_top3": 1.0, "slant_rmse": 1.0, "effective_macs": 100}
    control = {"stage": "dense_control", "digit_accuracy": 0.98, "digit_top3": 1.0, "slant_rmse": 0.5}
    pruned = {"stage": "finetuned", "criterion": "l1", "asked": 0.5, "reference": "control", **now}
    table = pd.DataFrame([floor, dense, control, pruned]).assign(seed=0)
    table["run"] = ["dense", "dense", "control", "l1"]
    for name in ("arbiter", "scope", "normaliser", "schedule", "budget", "part", "retraining"):
        table[name] = None
    return table


def test_drops_are_normalised_and_against_the_reference():
    found = with_summary(rows({"digit_accuracy": 0.82, "digit_top3": 0.9, "slant_rmse": 0.75}), PROBLEM).iloc[-1]
    # Dense is 0.8 above the floor, the control 0.88; 5 degrees, and 5.5.
    assert found["drop_digit"] == pytest.approx((0.88 - 0.72) / 0.8)
    assert found["drop_slant"] == pytest.approx((5.5 - 5.25) / 5.0)
    assert (found["worst_task"], found["worst_drop"]) == ("digit", pytest.approx(0.2))
    relative = -100 * 0.16 / 0.98, -100 * 0.1, -100 * 0.25 / 0.5
    assert found["delta_mtl"] == pytest.approx((relative[0] + relative[2]) / 2)
    assert found["delta_mtl_means"] == pytest.approx(((relative[0] + relative[1]) / 2 + relative[2]) / 2)
    assert found["delta_mtl_sums"] == pytest.approx((relative[0] + relative[1] + relative[2]) / 2)


def test_better_is_a_negative_drop_and_a_missing_figure_is_no_mean():
    found = with_summary(rows({"digit_accuracy": 1.0, "digit_top3": 1.0, "slant_rmse": 0.4}), PROBLEM).iloc[-1]
    assert found["drop_digit"] < 0 < found["delta_mtl"]
    found = with_summary(rows({"digit_accuracy": 0.5, "digit_top3": None, "slant_rmse": None}), PROBLEM)
    assert found["worst_task"].tolist()[-1] == "digit"
    assert np.isnan(found["delta_mtl"].iloc[-1])
    assert found[["worst_task", "worst_drop"]].iloc[:3].isna().all(axis=None)


def test_one_measure_a_task_has_one_variant():
    one = Declaration("one", (Task("digit", "digits", "accuracy"), Task("slant", "slants", "rmse", False)))
    found = with_summary(rows({"digit_accuracy": 0.8, "slant_rmse": 0.7}), one)
    assert "delta_mtl" in found
    assert not {"delta_mtl_means", "delta_mtl_sums"} & set(found)
    assert set(found) - set(rows({})) <= set(summary_columns(one))


def test_the_hypervolume_is_the_volume_of_the_boxes():
    assert volume(np.array([[0.5, 0.5], [0.25, 1.0]])) == pytest.approx(0.25 + 0.125)
    assert volume(np.array([[0.5, 0.5, 0.5], [-1.0, 1.0, 1.0]])) == pytest.approx(0.125)
    table = rows({"digit_accuracy": 0.7, "slant_rmse": 2.0, "effective_macs": 40})
    (found,) = hypervolumes(table, PROBLEM)
    assert found.mean == pytest.approx(0.75 * 0.8 * 0.6)
    assert str(found) == "l1: 0.360, 1 seed"
    with pytest.raises(ValueError, match="expected one of macs"):
        hypervolumes(table, PROBLEM, "smell")


def tallies(right, classes):
    of = np.eye(3)[classes]
    return Tally(right[:, None] * of, of, ("a", "b", "c"))


def test_a_tally_is_its_measure():
    right, classes = np.array([1, 0, 1, 1, 0.0]), np.array([0, 0, 1, 1, 1])
    macro = tallies(right, classes)
    assert macro.value == pytest.approx((1 / 2 + 2 / 3) / 2)  # no sample of class c
    assert macro.by_class() == {"a": pytest.approx(0.5), "b": pytest.approx(2 / 3)}
    assert Tally(macro.counted, macro.of, macro.classes, macro=False).value == pytest.approx(3 / 5)
    errors = Tally(np.array([[9.0], [16.0]]), np.ones((2, 1)), root=True)
    assert errors.value == pytest.approx(12.5**0.5)
    assert errors.by_class() == {}
    assert errors.drawn(np.array([[2.0, 0.0], [0.0, 1.0]])).tolist() == pytest.approx([3.0, 4.0])
    with pytest.raises(ValueError, match="of 2 classes|for 2 classes"):
        Tally(np.ones((3, 1)), np.ones((3, 1)), ("a", "b"))


def test_the_bootstrap_is_paired():
    draw = np.random.default_rng(0)
    classes, right = draw.integers(0, 3, 400), (draw.random(400) < 0.7).astype(float)
    worse = right * (draw.random(400) > 0.1)
    low, high = bootstrap(tallies(worse, classes), tallies(right, classes))
    true = tallies(worse, classes).value - tallies(right, classes).value
    assert low < true < high < 0
    # Two networks drawn apart would have an interval several times as wide: sqrt(2 * 0.7 * 0.3 / 400) is 0.032.
    assert high - low < 0.5 * 2 * 1.96 * 0.032
    assert bootstrap(tallies(right, classes), tallies(right, classes)) == (0.0, 0.0)
    with pytest.raises(ValueError, match="the same samples"):
        bootstrap(tallies(right[:9], classes[:9]), tallies(right, classes))


def test_answers_come_back_from_their_file_and_give_intervals(tmp_path, monkeypatch):
    draw = np.random.default_rng(1)
    classes, right = draw.integers(0, 3, 200), (draw.random(200) < 0.8).astype(float)
    kept = Answers({"digit": tallies(right, classes)}, {"labels": classes})
    (tmp_path / "control").mkdir()
    (tmp_path / "l1").mkdir()
    keep_answers(tmp_path / "control", "dense_control", kept)
    read = read_answers(answers_path(tmp_path / "control", "dense_control"))
    assert read.tallies["digit"].value == kept.tallies["digit"].value
    assert read.tallies["digit"].classes == ("a", "b", "c") and read.found["labels"].tolist() == classes.tolist()
    worse = np.where(np.arange(200) < 40, 0.0, right)
    keep_answers(tmp_path / "l1", "finetuned", Answers({"digit": tallies(worse, classes)}))
    table = with_bootstrap(rows({"digit_accuracy": 0.6}), PROBLEM, tmp_path)
    low, high = table[["delta_digit_accuracy_low", "delta_digit_accuracy_high"]].iloc[-1]
    assert -0.25 < low < -0.16 < high < -0.08
    assert "delta_slant_rmse_low" not in table and table["delta_digit_accuracy_low"].iloc[:3].isna().all()
    assert read_answers(tmp_path / "none.npz") is None
    with monkeypatch.context() as patched:  # a table is written after every run: what is known is not drawn again
        patched.setattr(summary_measures, "bootstrap", None)
        again = with_bootstrap(rows({"digit_accuracy": 0.6}), PROBLEM, tmp_path)
    assert again.equals(table)
    keep_answers(tmp_path / "l1", "finetuned", kept)
    better = with_bootstrap(rows({"digit_accuracy": 0.8}), PROBLEM, tmp_path)
    assert better["delta_digit_accuracy_low"].iloc[-1] == 0.0
    answers_path(tmp_path / "l1", "finetuned").write_bytes(b"no archive")
    with pytest.raises(UserError, match="cannot be read"):
        with_bootstrap(rows({"digit_accuracy": 0.6}), PROBLEM, tmp_path)


def test_the_columns_of_a_whole_sweep_are_documented_and_in_order(made_three, tmp_path):
    folder = made_three.make(tmp_path / "three", files=True)
    table = with_summary(pd.read_csv(folder / "runs.csv"), made_three.problem())
    assert {"drop_digit", "worst_task", "delta_mtl"} <= set(table)
