"""docs/faster_rcnn.md: its thirty lines train a detector, which is pruned, swept and measured as the page says."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import maskrcnn
import pruning

PAGE = Path(__file__).parents[1] / "docs" / "faster_rcnn.md"
DETECTOR, TRAINING, PRUNING, PROBLEM = re.findall(
    r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL
)
SHAPES = {"image": (1, 128, 128, 3), "boxes": (0, 1, 4), "labels": (0, 1)}
# What makes it small enough for a fast test, each of which has to be there.
SMALL = {
    "shapes(2000, 128": "shapes(8, 128", "shapes(200, 128": "shapes(4, 128", "batch_size=8": "batch_size=4",
    "epochs=4": "epochs=1, verbose=0", "epochs=1)": "epochs=1, verbose=0)",
    '{"train": 2000, "tune": 100, "test": 200}': '{"train": 8, "tune": 4, "test": 4}',
}  # fmt: skip


def run(code, names, small=True):
    for old, new in SMALL.items() if small else ():
        code = code.replace(old, new)
    exec(compile(code, PAGE.name, "exec"), names)
    return names


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the page's files have been saved."""
    folder = tmp_path_factory.mktemp("detector")
    for name, text in (("my_detector.py", DETECTOR), ("my_problem.py", PROBLEM)):
        for old, new in SMALL.items():
            text = text.replace(old, new)
        (folder / name).write_text(text, encoding="utf-8")
    [recipe] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    (folder / "my_recipe.yaml").write_text(recipe, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    """What the first two blocks leave, on few pictures."""
    keras.utils.set_random_seed(0)
    sys.path.insert(0, str(folder))
    tf.config.run_functions_eagerly(True)  # two updates of this network are quicker than the compilation of one
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Even though the `tf.config.experimental_run_functions_eagerly`")
            names = run(TRAINING, {})
    finally:
        tf.config.run_functions_eagerly(False)
        sys.path.remove(str(folder))
        del sys.modules["my_detector"]
    return names


def test_there_are_thirty_lines():
    assert len([line for line in (DETECTOR + TRAINING).splitlines() if line.strip()]) <= 30


def test_what_makes_it_small_is_there():
    assert all(old in DETECTOR + TRAINING + PRUNING + PROBLEM for old in SMALL)


def test_it_is_measured_task_by_task(trained):
    assert set(trained["measures"]) == {"proposal", "bbox", "class"}
    assert 0 <= trained["measures"]["bbox"]["ap50"] <= 1
    assert 0 < trained["measures"]["bbox"]["refined_iou"] < 1 and 0 < trained["measures"]["proposal"]["ar100"] < 1


def test_masked_equals_removed(trained):
    model = trained["model"]
    batch = next(iter(maskrcnn.data.batches(trained["test"], trained["config"], 4, training=False)))
    graph = pruning.ChannelGraph(model)
    made = {maker for group in graph.groups if not group.locked for maker in group.makers}
    assert {"rpn/rpn_conv", "box_head/box_fc1", "conv_pw_11"} <= made
    plan = pruning.plan(graph, pruning.GroupL1(), sparsity=0.5, measure="macs", input_shapes=SHAPES)
    masked, small = pruning.mask(model, plan)(batch), pruning.remove(model, plan)
    removed = small(batch)
    assert abs(1 - pruning.cost(small, SHAPES).macs / pruning.cost(model, SHAPES).macs - 0.5) < 0.02
    for name in masked:
        np.testing.assert_allclose(removed[name], masked[name], rtol=1e-3, atol=1e-3, err_msg=name)


def test_what_trains_is_not_counted_without_objects(trained):
    box_fc1 = 7 * 7 * 256 * 128
    with_objects = pruning.cost(trained["model"], SHAPES | {"boxes": (1, 1, 4), "labels": (1, 1)}).macs
    extra = with_objects - pruning.cost(trained["model"], SHAPES).macs
    assert extra == 64 * (box_fc1 + 128 * (4 + 16))


@pytest.mark.slow
def test_the_pruning_block_runs(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = run(PRUNING, dict(trained))
    again = keras.models.load_model(tmp_path / "small.keras")
    found = again.predict({name: np.zeros((1, *shape[1:])) for name, shape in SHAPES.items()}, verbose=0)
    assert found["boxes"].shape == (1, 20, 4) and again.count_params() == names["small"].count_params()
    assert capsys.readouterr().out.count("total") == 2


def test_the_problem_asks_for_what_the_model_answers(folder, monkeypatch):
    from experiments import open_problem

    monkeypatch.chdir(folder)
    problem = open_problem("my_recipe.yaml")
    model, batch = problem.model(0), next(iter(problem.batches("train", 0, step=1)))
    losses = problem.task_losses(model)(batch)
    assert {task.name for task in problem.tasks} == set(losses) and all(np.isfinite(loss) for loss in losses.values())
    floors = problem.floors("test")
    assert floors["bbox"]["ap50"] == 0 and 0 < floors["proposal"]["ar100"] < 1
    assert problem.input_shapes(model) == SHAPES


@pytest.mark.slow
def test_it_is_swept(folder):
    small = "--training.steps 3 --finetune.steps 2 --training.batch-size 4 --grid.ratio 0.5 --grid.criterion taylor"
    small += " --seeds 0 --pruning.recalibration-pictures 4 --pruning.criterion-pictures 4 --threads 1"
    code = "import sys; from experiments.commands import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(PAGE.parents[1]), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, "-c", code, "sweep", "my_recipe.yaml", *small.split(), "--evaluation.latency-rounds", "2"],
        cwd=folder, capture_output=True, text=True, env=environment, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    import experiments

    sweep = experiments.read(folder / "results" / "faster_rcnn")
    assert [task.column for task in sweep.tasks] == ["proposal_ar100", "bbox_refined_iou", "class_accuracy"]
    stages = set(sweep.table["stage"])
    assert {"floor", "dense", "dense_control", "pruned", "recalibrated", "finetuned", "removed"} <= stages
    removed = sweep.table[sweep.table["stage"] == "removed"].iloc[0]
    assert abs(removed["achieved"] - 0.5) < 0.05 and removed["latency_ratio"] > 0
    assert 0 <= removed["bbox_ap50"] <= 1


@pytest.mark.slow
def test_it_learns_shapes(folder):
    keras.utils.set_random_seed(0)
    sys.path.insert(0, str(folder))
    try:
        found = run(TRAINING.replace("epochs=4", "epochs=4, verbose=0"), {}, small=False)
    finally:
        sys.path.remove(str(folder))
        del sys.modules["my_detector"]
    assert found["measures"]["bbox"]["ap50"] >= 0.8


def test_the_results_are_of_this_recipe(folder):
    """But for where the problem's file lies."""
    import yaml

    given = yaml.safe_load((folder / "my_recipe.yaml").read_text(encoding="utf-8"))
    kept = yaml.safe_load((PAGE.parents[1] / "results/faster_rcnn/recipe.yaml").read_text(encoding="utf-8"))
    from experiments.settings.recipe import Recipe

    given["problem"] = kept["problem"]
    assert Recipe(**given) == Recipe(**kept)
