"""The dense network on smaller pictures, as a run beside the pruned ones."""

import json
from pathlib import Path

import pandas as pd
import pytest

from experiments.errors import UserError
from experiments.lookup import open_problem
from experiments.plots import Options, tradeoff
from experiments.runs.grid import grid
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.monitoring.stopwatch import Stopwatch
from experiments.runs.rivals.smaller_inputs import check_smaller_inputs
from experiments.runs.run_folder import RunFolder
from experiments.runs.runner import units_left
from experiments.runs.seed_model import SeedModel
from experiments.runs.stages import Stages
from experiments.runs.training.state import save_model
from experiments.table.summary import summary
from experiments.table.sweep_data import read


def test_a_size_is_a_run_of_its_own_and_renames_no_other(tiny):
    before, runs = [{run.name: run for run in grid(tiny(smaller_inputs=sizes))} for sizes in ((), (48, 32))]
    more = [name for name in runs if name not in before]
    assert [name.rsplit("-", 1)[0] for name in more] == ["smaller_input-48-s0", "smaller_input-32-s0"]
    assert set(before) < set(runs)
    one = runs[more[0]]
    assert one.stages == ("smaller_input",) and one.dense in runs and one.reference("smaller_input") == one.dense
    assert units_left(one, RunFolder(Path("nowhere")), 7) == {"picture": 7, "step": 0}


def test_what_has_one_size_is_refused_in_a_sentence(tiny):
    digits = open_problem("digits")
    with pytest.raises(UserError, match="smaller_inputs: 4: the samples of Digits have one size"):
        digits.at_input_size(digits.model(0), 4)
    problem = open_problem(tiny(smaller_inputs=64))
    with pytest.raises(UserError, match=r"64: the network's own pictures have a shorter side of 64 px"):
        check_smaller_inputs(problem, problem.model(0))


def test_a_row_has_its_own_macs_and_the_dense_weights(tiny, tmp_path):
    recipe = tiny(smaller_inputs=32, data={"test_count": 3}, evaluation={"latency_rounds": 0})
    problem, folder = open_problem(recipe), RunFolder(tmp_path / "runs" / "small")
    seed_model = SeedModel(problem, 0, Meter(), Stopwatch())
    save_model(problem, seed_model.model, tmp_path / "model.keras")
    seed_model.take_dense(tmp_path / "model.keras")
    run = next(run for run in grid(recipe) if run.settings.input_size)
    dense = RunFolder(tmp_path / "runs" / run.dense)
    dense.path.mkdir(parents=True)
    dense.write("dense", {})
    with folder.lock():
        Stages(seed_model, folder, run).do()
    row = folder.read("smaller_input")
    assert row["input_size"] == 32 and row["macs_image"] == "32x32" and row["reference"] == run.dense
    assert row["steps"] == 0 and row["params"] == seed_model.costs._dense.params
    parts = [row["macs"], seed_model.costs.macs]
    assert row["achieved_macs"] == pytest.approx(1 - parts[0] / parts[1]) and row["achieved_filters"] == 0
    # What is done for each pixel is a quarter; what is done for each region is as before.
    sized = problem.at_input_size(seed_model.model, 32)
    assert sized.config.min_size == 32 and sized.network is seed_model.model.network
    shapes = [problem.input_shapes(model) for model in (seed_model.model, sized)]
    assert shapes[0]["image"] == (1, 64, 64, 3) and shapes[1] == shapes[0] | {"image": (1, 32, 32, 3)}
    assert json.loads((folder.path / "histograms.json").read_text())


def test_plots_and_summary_show_them(made, tmp_path):
    folder = made.make(tmp_path / "made", seeds=2, ratios=(0.25, 0.5), parts=False, files=False)
    table = pd.read_csv(folder / "runs.csv")
    dense = table[table["stage"] == "dense"]
    smaller = [
        dense.assign(
            run=[f"smaller_input-{size}-s{seed}" for seed in dense["seed"]], stage="smaller_input", input_size=size,
            reference=list(dense["run"]), effective_macs=dense["effective_macs"] * share,
            mask_iou=dense["mask_iou"] - 0.1, delta_mask_iou=-0.1,
        )
        for size, share in ((96, 0.6), (64, 0.3))
    ]  # fmt: skip
    pd.concat([table, *smaller]).to_csv(folder / "runs.csv", index=False)
    sweep = read(folder)
    lines = [line for line in summary(sweep.table, ["effective_macs", "mask_iou"]) if "smaller" in line.stage_text]
    assert [line.stage_text for line in lines] == [f"dense, on smaller pictures: {size} px" for size in (96, 64)]
    assert [line.seeds for line in lines] == [2, 2]
    drawn = {one.name: one.figure for one in tradeoff.plot(sweep, Options())}
    for name, expected in (("tradeoff", dense["mask_iou"].mean() - 0.1), ("tradeoff_delta", -0.1)):
        axis = next(one for one in drawn[name].axes if "Masks" in one.get_title("left") + one.get_title())
        crosses = sorted((line.get_xdata()[0], line.get_ydata()[0]) for line in axis.lines if line.get_marker() == "x")
        assert crosses == [(pytest.approx(0.3), pytest.approx(expected)), (pytest.approx(0.6), pytest.approx(expected))]
        assert "dense, on smaller pictures (px)" in [t.get_text() for t in drawn[name].legends[0].get_texts()]
