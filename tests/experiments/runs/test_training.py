import numpy as np
import pandas as pd
import pytest

import pruning
import schedules
from experiments.errors import UserError
from experiments.lookup import open_problem
from experiments.runs.grid import dense_run, grid
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.monitoring.stopwatch import Stopwatch
from experiments.runs.run_folder import RunFolder
from experiments.runs.seed_model import SeedModel
from experiments.runs.stages import Stages
from experiments.runs.tensorflow_setup import prepare
from experiments.runs.training import choices
from experiments.runs.training.dense_training import train_dense
from experiments.runs.training.loop import EveryBatch
from experiments.runs.training.optimizers import training_rates
from experiments.runs.training.state import draw_new_weights, read_weights, restore_from, variables
from experiments.runs.training.validation import held_out_measures
from experiments.settings.recipe import FinetuneSettings, GridSettings
from pruning.removal.norm_readings import norms_of


class Stop(BaseException):
    pass


class Stopping(Meter):
    """Ends the process, as it were, after so many updates."""

    def __init__(self, after=None):
        super().__init__()
        self.updates_left = after

    def count(self, kind, count, seconds, text):
        if kind == "step" and self.updates_left is not None:
            self.updates_left -= 1
            if not self.updates_left:
                raise Stop


def state(model):
    return [np.array(variable) for variable in (*model.weights, *model.optimizer.variables)]


def equal(one, other):
    return all((a == b).all() for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def seed_model(tiny):
    recipe = tiny(
        data={"tune_count": 4}, training={"steps": 5, "checkpoint_every": 2, "augment": "flip"}, finetune={"steps": 6},
        pruning={"gradual_frequency": 1, "recalibration_pictures": 4},
    )  # fmt: skip
    prepare(recipe.threads)
    return SeedModel(open_problem(recipe), 0, Meter(), Stopwatch())


def train(seed_model, path, stop_after=None):
    """The state after training in a folder; stopped by force after so many updates if asked."""
    seed_model.work = Stopping(stop_after)
    with RunFolder(path).lock():
        train_dense(seed_model, RunFolder(path), dense_run(seed_model.recipe, 0).settings)
    return state(seed_model.model)


@pytest.fixture(scope="module")
def dense(seed_model, tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("dense"))
    return folder, train(seed_model, folder.path)


def test_training_resumes_exactly(seed_model, dense, tmp_path):
    with pytest.raises(Stop):
        train(seed_model, tmp_path, stop_after=4)
    broken = RunFolder(tmp_path)
    assert broken.checkpoint.exists() and not broken.model.exists()
    assert equal(train(seed_model, tmp_path), dense[1])
    assert not broken.checkpoint.exists()
    histories = [(path / "history.csv").read_text() for path in (dense[0].path, tmp_path)]
    assert histories[0] == histories[1]
    assert [line.split(",")[0] for line in histories[0].splitlines()] == ["step", "1", "2", "3", "4", "5"]


def test_a_saved_model_has_the_weights_and_no_optimizer(seed_model, dense):
    seed_model.restore_new()
    read_weights(seed_model.problem, seed_model.model, dense[0].model)
    assert equal([np.array(weight) for weight in seed_model.model.weights], dense[1][: len(seed_model.model.weights)])
    assert getattr(seed_model.problem.load(dense[0].model), "optimizer", None) is None


def pruned(seed_model, path, stop_after=None, **changes):
    """A pruned run in a folder: its files' content, and the model's state before it was removed."""
    recipe = seed_model.recipe.model_copy(update={"grid": GridSettings.model_validate({"ratio": 0.5, **changes})})
    run = grid(recipe)[-1]
    folder, states = RunFolder(path), []
    work = Stages(seed_model, folder, run)
    work._measured = lambda model: states.append(state(model)) or {"achieved": 0, "achieved_filters": 0}
    work._measured_small = lambda small, achieved: {"params": small.count_params(), **achieved}
    seed_model.work = Stopping(stop_after)
    with folder.lock():
        work.do()
    return folder, states


@pytest.fixture(scope="module")
def with_dense(seed_model, dense):
    seed_model.take_dense(dense[0].model)
    return seed_model


def test_frozen_norms_are_mended_against_the_dense_model(with_dense):
    """The dense model is the same object with other weights, which have to come and go: nothing but norms changes."""
    seed_model, run = with_dense, grid(with_dense.recipe)[-1].settings
    norms = [norm.layer for norm in norms_of(seed_model.model)]
    moving = {id(value) for layer in norms for value in (layer.moving_mean, layer.moving_variance)}

    def change():
        before, variables = state(seed_model.model), [*seed_model.model.weights, *seed_model.model.optimizer.variables]
        seed_model.recalibrate(run)
        after = state(seed_model.model)
        apart = [np.abs(np.float64(a) - np.float64(b)).max() for a, b in zip(before, after, strict=True)]
        assert all(d == 0 for d, variable in zip(apart, variables, strict=True) if id(variable) not in moving)
        return max(apart)

    try:
        for layer in norms:
            layer.trainable = False
        seed_model.restore_dense()
        assert change() < 1e-4
        seed_model.hold(seed_model.plan(run), run.part)
        assert change() > 1e-2
    finally:
        for layer in norms:
            layer.trainable = True
        seed_model.restore_dense()


@pytest.fixture(scope="module")
def unbroken(with_dense, tmp_path_factory):
    """Makes the whole run of a schedule: its files, and the model's states. Each is done once."""
    done = {}

    def make(how):
        schedule = how["schedule"]
        if schedule not in done:
            done[schedule] = pruned(with_dense, tmp_path_factory.mktemp("whole"), **how)
        return done[schedule]

    return make


@pytest.mark.parametrize(
    ("schedule", "stop_after"),
    [pytest.param("one_shot", 5, marks=pytest.mark.slow), ("polynomial_decay", 2), ("polynomial_decay", 5)],
)
def test_a_pruned_run_that_was_broken_off_ends_as_an_unbroken_one(with_dense, unbroken, schedule, stop_after, tmp_path):
    how = {"criterion": "l1", "schedule": schedule, "scope": "global"}
    whole, states = unbroken(how)
    with pytest.raises(Stop):
        pruned(with_dense, tmp_path / "broken", stop_after, **how)
    assert (tmp_path / "broken" / "checkpoint.npz").exists() == (stop_after > 2)
    broken, again = pruned(with_dense, tmp_path / "broken", **how)
    assert equal(states[-1], again[-1])
    assert (whole.path / "plan.json").read_text() == (broken.path / "plan.json").read_text()
    assert (whole.path / "history.csv").read_text() == (broken.path / "history.csv").read_text()
    assert {path.name for path in broken.path.iterdir()} == {
        "finetuned.json", "history.csv", "lock", "model.keras", "plan.json", "pruned.json", "recalibrated.json",
        "removed.json",
    }  # fmt: skip


def test_a_gradual_schedule_holds_its_masks_and_compiles_no_new_step(with_dense, monkeypatch, tmp_path):
    traced, loss = [], with_dense.model.compute_loss
    monkeypatch.setattr(with_dense.model, "compute_loss", lambda *a, **k: traced.append(1) or loss(*a, **k))
    gone = []
    monkeypatch.setattr(with_dense, "removed", lambda plan: gone.append(silent()) or with_dense.model)

    def silent():
        return pruning.silent(with_dense.graph("all"))

    folder, _ = pruned(with_dense, tmp_path, criterion="random", schedule="polynomial_decay")
    plan = pruning.Plan.load(folder.path / "plan.json")
    assert abs(plan.achieved - 0.5) < 0.03
    assert all((gone[0][name] == plan.gone(name)).all() for name in plan.sizes)
    assert not any(mask.any() for mask in silent().values())  # the dense weights are back
    assert not traced  # the step is traced for the first training only
    history = pd.read_csv(folder.path / "history.csv")
    assert history["stage"].tolist() == ["pruned"] * 3 + ["finetuned"] * 3
    asked = schedules.PolynomialDecay(0.0, 0.5, 0, 3, 3, 1)
    assert history["sparsity"].tolist() == pytest.approx([asked(step)[1] for step in range(1, 4)] + [0.5] * 3)


@pytest.mark.slow
@pytest.mark.parametrize("criterion", sorted(choices.FROM_DATA))
def test_criteria_from_data_score_once_for_all_arbiters(with_dense, criterion, monkeypatch):
    axes = {
        "criterion": criterion,
        "arbiter": list(choices.ARBITERS),
        "ratio": 0.5,
        "scope": "global",
        "budget": "macs",
    }
    recipe = with_dense.recipe.model_copy(update={"grid": GridSettings.model_validate(axes)})
    with_dense.restore_dense()
    asked, by_task = [], pruning.TaskCriterion.by_task
    monkeypatch.setattr(pruning.TaskCriterion, "by_task", lambda *a: asked.append(1) or by_task(*a))
    plans = [with_dense.plan(run.settings) for run in grid(recipe) if run.settings.kind == "pruned"]
    assert len(asked) == 1
    assert [plan.settings["arbiter"] for plan in plans] == ["WeightedSum", "Sum", "Mean", "Union", "MeanRank"]
    assert len({str(plan.removed) for plan in plans}) == 4  # the first and the third are one
    assert all(abs(plan.achieved - 0.5) < 0.02 for plan in plans)


def test_rewinding_takes_the_last_rates_of_the_training(with_dense, tmp_path):
    recipe = with_dense.recipe.model_copy(update={"finetune": FinetuneSettings(steps=3)})
    with_dense.recipe, before = recipe, with_dense.recipe
    try:
        folder, _ = pruned(with_dense, tmp_path, criterion="l1", retraining="rewind")
    finally:
        with_dense.recipe = before
    used = pd.read_csv(folder.path / "history.csv")["learning_rate"]
    rate = training_rates(recipe.training)
    assert used.tolist() == pytest.approx([rate(step) for step in (2, 3, 4)])


def test_only_the_part_that_is_named_is_pruned(with_dense, tmp_path):
    folder, _ = pruned(with_dense, tmp_path, criterion="l1", part="mask_head", retraining="none")
    plan = pruning.Plan.load(folder.path / "plan.json")
    graph = with_dense.graph("all")
    assert plan.removed
    assert {graph[name].part for name, gone in plan.removed.items() if gone} == {"mask_head"}


def test_a_repeat_differs_in_the_order_of_the_pictures_alone(with_dense, tmp_path):
    settings = grid(with_dense.recipe)[-1].settings
    seeds = {with_dense.data_seed(settings.model_copy(update={"repeat": repeat})) for repeat in range(3)}
    assert len(seeds) == 3
    assert with_dense.data_seed(dense_run(with_dense.recipe, 0).settings) not in seeds


def test_new_weights_come_from_the_seed_and_keep_the_architecture(with_dense):
    with_dense.restore_dense()
    plan = pruning.plan(with_dense.graph("all"), pruning.L1()(with_dense.graph("all")), 0.5)
    small = with_dense.removed(plan)
    trained = [np.array(weight) for weight in small.network.weights]
    draw_new_weights(small, 1)
    first = [np.array(weight) for weight in small.network.weights]
    draw_new_weights(small, 2)
    second = [np.array(weight) for weight in small.network.weights]
    draw_new_weights(small, 1)
    assert equal(first, [np.array(weight) for weight in small.network.weights])
    assert [w.shape for w in first] == [w.shape for w in trained]
    kernels = [i for i, weight in enumerate(small.network.weights) if weight.name == "kernel"]
    assert kernels
    for i in kernels:
        assert not np.allclose(first[i], second[i]) and not np.allclose(first[i], trained[i])
        assert 0.5 < first[i].std() / second[i].std() < 2


def test_a_stream_that_starts_late_goes_on_as_the_whole_one_would(tiny):
    problem = open_problem(tiny(data={"train_count": 12}))
    whole = list(problem.batches("train", 0).take(7).as_numpy_iterator())
    late = list(problem.batches("train", 0, 4).take(3).as_numpy_iterator())
    assert all((a["image"] == b["image"]).all() for a, b in zip(whole[4:], late, strict=True))
    assert not (whole[0]["image"] == whole[3]["image"]).all()  # another pass has another order


def test_a_checkpoint_is_keyed_by_the_paths_of_variables(seed_model, tmp_path):
    from experiments.runs.training.state import State

    State(seed_model.model).save(tmp_path / "checkpoint.npz")
    with np.load(tmp_path / "checkpoint.npz") as stored:
        names = set(stored.files)
        values = {name: stored[name] for name in names}
    assert names == set(variables(seed_model.model)) and len(names) > 100
    assert "rpn/rpn_conv/kernel" in names or any(name.endswith("rpn_conv/kernel") for name in names)
    # The order in which they were written does not matter; what is missing is named.
    np.savez(tmp_path / "checkpoint.npz", **dict(reversed(values.items())))
    restore_from(tmp_path / "checkpoint.npz", seed_model.model)
    name, _ = values.popitem()
    np.savez(tmp_path / "checkpoint.npz", **values)
    with pytest.raises(UserError, match=f"1 variables differ, the first is {name}"):
        restore_from(tmp_path / "checkpoint.npz", seed_model.model)


def test_measures_while_it_trains_and_the_training_is_the_same(seed_model, dense, tmp_path):
    folder, said = RunFolder(tmp_path), Stopping()
    said.note = lambda text: said.lines.append(text)
    said.lines = []
    seed_model.work = Stopping()
    look = held_out_measures(seed_model.problem, "tune", 2, folder, said, Stopwatch())
    with folder.lock():
        train_dense(seed_model, folder, dense_run(seed_model.recipe, 0).settings, [look])
    assert equal(state(seed_model.model), dense[1])
    table = pd.read_csv(tmp_path / "measures.csv")
    assert table["step"].tolist() == [2, 4] and set(table["split"]) == {"tune"}
    assert table["mask_iou"].between(0, 1).all()
    assert said.lines[0].startswith("update 2, on tune: box IoU 0.")


def test_a_loss_that_is_no_number_stops_training(tiny):
    recipe = tiny()
    callback = EveryBatch(lambda logs: None, Stopwatch())
    seed_model = SeedModel(open_problem(recipe), 0, Meter(), Stopwatch())
    callback.set_model(seed_model.model)
    callback.on_train_batch_end(0, {"loss": 1.0})
    with pytest.raises(UserError, match="diverged; lower the learning rate"):
        callback.on_train_batch_end(0, {"loss": float("nan")})


def test_a_broken_picture_ends_training_with_its_name_and_a_checkpoint_to_go_on_from(seed_model, dense, tmp_path):
    from maskrcnn.data import DataError, Dataset
    from maskrcnn.data.batching.pipeline import epoch_order

    pictures, whole = seed_model.problem.pictures, seed_model.problem.pictures["train"]
    size = seed_model.recipe.training.batch_size
    fourth = int(epoch_order(len(whole), seed_model.data_seed(dense_run(seed_model.recipe, 0).settings), 0)[3 * size])

    def read(index):
        if index == fourth:
            raise DataError("photos/5.png: cannot be read; replace it.")
        return whole[index]

    entries = [whole.entry(index) for index in range(len(whole))]
    pictures._splits["train"] = Dataset(whole.name, whole.class_names, len(whole), read, entries=entries)
    try:
        with pytest.raises(UserError, match="^photos/5.png: cannot be read; replace it; .*start the same") as raised:
            train(seed_model, tmp_path)
    finally:
        pictures._splits["train"] = whole
    assert "\n" not in str(raised.value)
    with np.load(RunFolder(tmp_path).checkpoint) as stored:
        assert [int(stored[name]) for name in stored.files if name.endswith("iteration")] == [2]
    assert equal(train(seed_model, tmp_path), dense[1])  # the picture is mended


def test_a_state_that_is_no_number_does_not_become_the_checkpoint(seed_model):
    from experiments.runs.training.state import State

    seed_model.restore_new()
    State(seed_model.model).check_finite()
    bias = seed_model.model.network.get_layer("mask_head").trainable_variables[-1]
    bias.assign(np.full(bias.shape, np.nan))
    with pytest.raises(UserError, match=r"mrcnn_mask.*/bias is no number after update 0: the training diverged"):
        State(seed_model.model).check_finite()
    seed_model.restore_new()
