import numpy as np
import pandas as pd
import pytest

import choices
import pruning
import schedules
from building import dataset, model, prepare, read_weights, renew, saved_model, training_rates
from command import UserError
from grid import dense_run, grid
from lab import Lab
from pictures import Pictures
from progress import Meter
from settings import FinetuneSettings, GridSettings
from stages import Stages, train_dense
from stopwatch import Stopwatch
from store import RunFolder
from training import EveryBatch, stream


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
def lab(tiny):
    recipe = tiny(
        training={"steps": 5, "checkpoint_every": 2, "augment": "flip"}, finetune={"steps": 6},
        pruning={"gradual_frequency": 1, "recalibration_pictures": 4},
    )  # fmt: skip
    prepare(recipe)
    return Lab(recipe, 0, Pictures(recipe, Meter()), Meter(), Stopwatch())


def train(lab, path, stop_after=None):
    """The state after training in a folder; stopped by force after so many updates if asked."""
    lab.work = Stopping(stop_after)
    with RunFolder(path).lock():
        train_dense(lab, RunFolder(path), dense_run(lab.recipe, 0).settings)
    return state(lab.model)


@pytest.fixture(scope="module")
def dense(lab, tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("dense"))
    return folder, train(lab, folder.path)


def test_training_resumes_exactly(lab, dense, tmp_path):
    with pytest.raises(Stop):
        train(lab, tmp_path, stop_after=4)
    broken = RunFolder(tmp_path)
    assert broken.checkpoint.exists() and not broken.model.exists()
    assert equal(train(lab, tmp_path), dense[1])
    assert not broken.checkpoint.exists()
    histories = [(path / "history.csv").read_text() for path in (dense[0].path, tmp_path)]
    assert histories[0] == histories[1]
    assert [line.split(",")[0] for line in histories[0].splitlines()] == ["step", "1", "2", "3", "4", "5"]


def test_a_saved_model_has_the_weights_and_no_optimizer(lab, dense):
    lab.restore_new()
    read_weights(lab.model, dense[0].model)
    assert equal([np.array(weight) for weight in lab.model.weights], dense[1][: len(lab.model.weights)])
    assert getattr(saved_model(dense[0].model), "optimizer", None) is None


def pruned(lab, path, stop_after=None, **changes):
    """A pruned run in a folder: its files' content, and the model's state before it was removed."""
    recipe = lab.recipe.model_copy(update={"grid": GridSettings.model_validate({"ratio": 0.5, **changes})})
    run = grid(recipe)[-1]
    folder, states = RunFolder(path), []
    work = Stages(lab, folder, run)
    work._measured = lambda model: states.append(state(model)) or {"achieved": 0, "achieved_filters": 0}
    work._measured_small = lambda small, achieved: {"params": small.count_params(), **achieved}
    lab.work = Stopping(stop_after)
    with folder.lock():
        work.do()
    return folder, states


@pytest.fixture(scope="module")
def with_dense(lab, dense):
    lab.take_dense(dense[0].model)
    return lab


@pytest.mark.parametrize(
    ("schedule", "stop_after"), [("one_shot", 5), ("polynomial_decay", 2), ("polynomial_decay", 5)]
)
def test_a_pruned_run_that_was_broken_off_ends_as_an_unbroken_one(with_dense, schedule, stop_after, tmp_path):
    how = {"criterion": "l1", "schedule": schedule, "scope": "global"}
    whole, states = pruned(with_dense, tmp_path / "whole", **how)
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
    assert [plan.settings["arbiter"] for plan in plans] == ["WeightedSum", "Union", "MeanRank"]
    assert len({str(plan.removed) for plan in plans}) == 3
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
    renew(small, 1)
    first = [np.array(weight) for weight in small.network.weights]
    renew(small, 2)
    second = [np.array(weight) for weight in small.network.weights]
    renew(small, 1)
    assert equal(first, [np.array(weight) for weight in small.network.weights])
    assert [w.shape for w in first] == [w.shape for w in trained]
    kernels = [i for i, weight in enumerate(small.network.weights) if weight.name == "kernel"]
    assert kernels
    for i in kernels:
        assert not np.allclose(first[i], second[i]) and not np.allclose(first[i], trained[i])
        assert 0.5 < first[i].std() / second[i].std() < 2


def test_a_stream_that_starts_late_goes_on_as_the_whole_one_would(tiny):
    recipe = tiny(data={"train_count": 12})
    pictures = dataset(recipe.data, "train")
    config = model(recipe, pictures.class_names).config
    whole = list(stream(pictures, config, 4, seed=0).take(7).as_numpy_iterator())
    late = list(stream(pictures, config, 4, seed=0, first_step=4).take(3).as_numpy_iterator())
    assert all((a["image"] == b["image"]).all() for a, b in zip(whole[4:], late, strict=True))
    assert not (whole[0]["image"] == whole[3]["image"]).all()  # another pass has another order


def test_a_loss_that_is_no_number_stops_training(tiny):
    recipe = tiny()
    callback = EveryBatch(lambda logs: None, Stopwatch())
    callback.set_model(model(recipe, ("one",)))
    callback.on_train_batch_end(0, {"loss": 1.0})
    with pytest.raises(UserError, match="diverged; lower the learning rate"):
        callback.on_train_batch_end(0, {"loss": float("nan")})
