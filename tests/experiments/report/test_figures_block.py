"""The pages' table of a sweep, made from a made-up one."""

import pandas as pd
import pytest

import figures
from experiments.table.sweep_data import read


@pytest.fixture(scope="module")
def sweep(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "shapes"
    return read(made.make(folder, seeds=2, criteria=("l1", "random"), ratios=(0.25, 0.5), files=False))


def test_one_seed_has_no_spread_in_the_block(made, tmp_path):
    folder = made.make(tmp_path / "one", seeds=1, criteria=("l1",), ratios=(0.5,), parts=False, files=False)
    block = figures.sweep(folder / "runs.csv")
    assert "±" not in block and block.splitlines()[0].startswith("|  | ")


def test_the_block_has_every_setting_and_every_measure_of_summaries(sweep):
    lines = figures.sweep(sweep.folder / "runs.csv").splitlines()
    head = lines[0].strip("| ").split(" | ")
    assert head[0] == "mean ± standard deviation of 2 seeds" and head[2] == "times as fast"
    assert head[3:] == list(sweep.problem.heads.values())
    names = [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]]
    assert names[:6] == [
        "floor", "dense", "dense, same extra training", "l1, 25% of the filters, right after pruning",
        "l1, 25% of the filters, fine-tuned", "l1, 50% of the filters, right after pruning",
    ]  # fmt: skip
    assert "l1, 50% of the filters, trained from scratch" in names
    dense = sweep.table[sweep.table["stage"] == "dense"]["mask_iou"]
    assert f"{dense.mean():.3f} ± {dense.std():.3f}" in lines[3]
    assert len({line.count("|") for line in lines}) == 1


def test_a_table_with_names_of_before_says_so(made, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    for name, criterion, said in (("balloon", "l1", True), ("balloon", "random", False), ("mine", "l1", False)):
        settings = {"seeds": 1, "criteria": (criterion,), "ratios": (0.5,), "parts": False, "files": False}
        folder = made.make(tmp_path / criterion / name, **settings)
        block = f"<!-- figures: sweep from {criterion}/{name}/runs.csv -->\nold\n<!-- end -->"
        assert ("\n`l1` in this table is `GroupL1` as of version 0.1.\n<!-- end -->" in figures.render(block)) == said
        assert folder.is_dir() and figures.render(figures.render(block)) == figures.render(block)


def test_ends_of_some_ratios(sweep):
    lines = figures.ends(sweep.folder / "runs.csv", (0.5,)).splitlines()
    assert not any("25%" in line or "right after" in line for line in lines)
    assert sum("50% of the filters, fine-tuned" in line for line in lines) == 2


def test_models_stand_one_below_the_other_the_largest_first(made, tmp_path):
    folder = made.make(tmp_path / "two", seeds=1, criteria=("l1",), ratios=(0.5,), parts=False, files=False)
    table = pd.read_csv(folder / "runs.csv")
    small = table.assign(model="small", run=table["run"] + "b", reference=table["reference"] + "b")
    small["effective_macs"] /= 2
    pd.concat([small, table.assign(model="big")]).to_csv(folder / "runs.csv", index=False)
    lines = figures.models(folder / "runs.csv").splitlines()
    names = [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]]
    one = ["dense", "dense, same extra training", "pruned 50%"]
    assert names == ["floor: no model", *(f"{model}, {text}" for model in ("big", "small") for text in one)]
    macs = [int(line.split(" | ")[2]) for line in lines[3:]]
    assert macs[0] == 380 and macs[3:] == pytest.approx([value / 2 for value in macs[:3]], abs=1)
