import pandas as pd
import pytest

from experiments.errors import UserError
from experiments.table.class_table import CLASSES, class_changes, class_measures, gathered, keep_class_measures
from experiments.table.sweep_data import read
from experiments.table.task_curves import whole_network_ends


@pytest.fixture(scope="module")
def sweep(made_sweep):
    return read(made_sweep)


def test_a_class_changes_by_its_own_share_of_what_the_task_loses(sweep, made):
    ends = whole_network_ends(sweep.table)
    changes = class_changes(sweep, ends)
    assert list(changes.columns) == ["class_accuracy", "mask_ap"]  # objects are no measure
    assert changes.index.get_level_values("row").nunique() == len(ends)
    for column in changes:
        for name, (_, share) in made.CLASSES.items():
            found = changes.xs(name, level="class")[column]
            expected = share * ends.loc[found.index, f"delta_{column}"]
            assert found.to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-12)
    # Seeds have controls of their own.
    assert ends.loc[changes.index.get_level_values("row"), "reference"].nunique() > 1


def test_classes_of_most_objects_come_first(sweep):
    ends = whole_network_ends(sweep.table).iloc[:2]
    found = class_measures(sweep, ends)
    assert found.loc[ends.index[0]].index.tolist() == ["square", "circle", "star"]
    assert found["objects"].tolist() == [40, 25, 5] * 2


def test_what_runs_kept_is_gathered_and_read_again_also_names_that_look_like_numbers(sweep, tmp_path):
    keep_class_measures(tmp_path / "runs" / "one", "dense", {})
    assert not (tmp_path / "runs").exists()
    for run in ("one", "two"):
        (tmp_path / "runs" / run).mkdir(parents=True)
    kept = {"class_accuracy": {"background": 0.5, "01": 0.25, "NA": float("nan")}, "objects": {"01": 3.0, "NA": 0.0}}
    keep_class_measures(tmp_path / "runs" / "one", "dense", kept)
    keep_class_measures(tmp_path / "runs" / "two", "removed", {"class_accuracy": {"01": 0.125}})
    table = pd.DataFrame({"run": ["two", "other", "one"], "stage": ["removed", "dense", "dense"]})
    together = gathered(tmp_path, table)
    assert together[["run", "stage", "class"]].to_numpy().tolist() == [
        ["two", "removed", "01"], *(["one", "dense", name] for name in ("background", "01", "NA"))
    ]  # fmt: skip
    together.to_csv(tmp_path / CLASSES, index=False)
    found = class_measures(type(sweep)(tmp_path, table, sweep.problem), table)
    assert found.loc[2].index.tolist() == ["01", "NA", "background"]
    assert found.loc[2]["class_accuracy"].tolist() == pytest.approx([0.25, float("nan"), 0.5], nan_ok=True)
    assert found.loc[(0, "01"), "class_accuracy"] == 0.125
    assert 1 not in found.index
    assert gathered(tmp_path, table.iloc[1:2]).empty


def test_a_broken_file_is_named(sweep, tmp_path):
    (tmp_path / CLASSES).write_text("name,objects\n1,2\n")
    table = pd.DataFrame({"run": ["one"], "stage": ["dense"]})
    with pytest.raises(UserError, match="classes.csv cannot be read as a table"):
        class_measures(type(sweep)(tmp_path, table, sweep.problem), table)
