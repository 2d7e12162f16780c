"""README's table of a sweep, made from a made-up one."""

import pytest

from experiments.table.sweep_data import read

readme = pytest.importorskip("readme", exc_type=ImportError, reason="scripts/readme.py does not import")


@pytest.fixture(scope="module")
def sweep(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "shapes"
    return read(made.make(folder, seeds=2, criteria=("l1", "random"), ratios=(0.25, 0.5), files=False))


def test_one_seed_has_no_spread_in_the_readme(made, tmp_path):
    folder = made.make(tmp_path / "one", seeds=1, criteria=("l1",), ratios=(0.5,), parts=False, files=False)
    block = readme.sweep(folder / "runs.csv")
    assert "±" not in block and block.startswith("|  | GMACs | times as fast |")


def test_readmes_block_has_every_setting(sweep):
    lines = readme.sweep(sweep.folder / "runs.csv").splitlines()
    assert lines[0] == (
        "| mean ± standard deviation of 2 seeds | GMACs | times as fast | mask AP50 | mask IoU | box AP50 | box IoU | "
        "class accuracy |"
    )
    names = [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]]
    assert names[:6] == [
        "floor", "dense", "dense, same extra training", "l1, 25% of the filters, right after pruning",
        "l1, 25% of the filters, fine-tuned", "l1, 50% of the filters, right after pruning",
    ]  # fmt: skip
    assert "l1, 50% of the filters, trained from scratch" in names
    dense = sweep.table[sweep.table["stage"] == "dense"]["mask_iou"]
    assert f"{dense.mean():.3f} ± {dense.std():.3f}" in lines[3]
    assert len({line.count("|") for line in lines}) == 1
