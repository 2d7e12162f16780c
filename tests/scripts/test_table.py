import pandas as pd
import pytest

from columns import COLUMNS
from command import UserError
from store import RunFolder
from table import make_table, write_table


def stages(folder, run, **rows):
    run_folder = RunFolder(folder / "runs" / run)
    run_folder.path.mkdir(parents=True)
    for stage, row in rows.items():
        run_folder.write(stage, {"run": run, "stage": stage, "seed": 0, "repeat": 0, **row})


@pytest.fixture
def folder(tmp_path):
    pruned = {"criterion": "l1", "asked": 0.5, "budget": "filters"}
    stages(tmp_path, "b-0.5", pruned={**pruned, "reference": "dense-s0", "mask_ap": 0.2, "macs": 10},
           finetuned={**pruned, "reference": "control-s0", "mask_ap": 0.55, "macs": 10})  # fmt: skip
    stages(tmp_path, "a-0.2", pruned={**pruned, "asked": 0.2, "reference": "dense-s0", "mask_ap": None, "macs": 10})
    stages(tmp_path, "dense-s0", floor={"mask_ap": 0.0}, dense={"mask_ap": 0.6, "macs": 10, "seed": 0})
    stages(tmp_path, "control-s0", dense_control={"mask_ap": 0.65, "macs": 10, "retraining": "finetune"})
    (tmp_path / "runs" / "started").mkdir()
    return tmp_path


def test_rows_are_in_order_and_deltas_against_their_references(folder):
    table = make_table(folder)
    assert table["stage"].tolist() == ["floor", "dense", "dense_control", "pruned", "pruned", "finetuned"]
    assert table["run"].tolist()[3:] == ["a-0.2", "b-0.5", "b-0.5"]
    assert table["delta_mask_ap"].tolist()[4:] == pytest.approx([0.2 - 0.6, 0.55 - 0.65])
    assert table["delta_mask_ap"].isna().tolist() == [True] * 4 + [False] * 2
    assert "arbiter" not in table
    assert list(table.columns) == [name for name in COLUMNS if name in table.columns]


def test_the_same_table_as_csv_and_parquet(folder):
    path = write_table(folder)
    text = path.read_bytes()
    read, stored = pd.read_csv(path), pd.read_parquet(folder / "runs.parquet")
    assert list(read.columns) == list(stored.columns)
    assert read["macs"].dropna().tolist() == stored["macs"].dropna().tolist() == [10] * 5
    assert ",10," in text.decode() and ",10.0," not in text.decode()
    described = (folder / "columns.md").read_text()
    assert all(f"`{name}`" in described for name in read.columns)
    assert "not documented" not in described
    path.unlink()
    assert write_table(folder).read_bytes() == text


def test_a_folder_without_a_sweep_is_a_users_error(tmp_path):
    with pytest.raises(UserError, match="no folder runs"):
        write_table(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(UserError, match="no finished stage"):
        write_table(tmp_path)


def test_a_stage_that_cannot_be_read_names_the_run_to_delete(folder):
    (folder / "runs" / "b-0.5" / "pruned.json").write_text("{")
    with pytest.raises(UserError, match=r"delete .*b-0\.5 to do this run again"):
        make_table(folder)
