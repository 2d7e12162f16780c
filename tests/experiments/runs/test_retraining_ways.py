"""Ways of retraining in runs: what each trains, its dense control, and that a broken run ends as an unbroken one."""

import numpy as np
import pytest

from experiments.errors import UserError
from experiments.lookup import open_problem, problem_class, recipe_type
from experiments.runs.grid import grid
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.monitoring.stopwatch import Stopwatch
from experiments.runs.retraining.rewound import keeping
from experiments.runs.run_folder import RunFolder
from experiments.runs.seed_model import SeedModel
from experiments.runs.stages import Stages, train_dense
from experiments.runs.training.loop import steps_done
from experiments.runs.training.optimizers import finetuning_rates, training_rates

pytestmark = pytest.mark.slow

Recipe = recipe_type(problem_class("digits"))
WAYS = ("finetune", "rewind", "weight_rewind", "swd", "greg", "distill")
CONTENT = {
    "name": "ways", "problem": "digits", "threads": 1,
    "training": {"steps": 10, "batch_size": 32, "optimizer": "adamw", "learning_rate": 0.003, "checkpoint_every": 3},
    "grid": {"criterion": ["l1"], "ratio": [0.5], "retraining": list(WAYS)},
    "pruning": {"recalibration_pictures": 0},
    "finetune": {
        "steps": 8, "learning_rate": 0.001, "rewind_rounds": 2, "decay_interval": 2, "greg_variant": 2,
        "distill_layers": ["conv2"],
    },
    "evaluation": {"latency_rounds": 0},
}  # fmt: skip


def recipe(**changes):
    content = dict(CONTENT)
    for section, values in changes.items():
        content[section] = {**CONTENT[section], **values}
    return Recipe.model_validate(content)


def by_way(made):
    return {run.settings.retraining: run for run in grid(made) if run.settings.kind == "pruned"}


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


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A seed's model, and the folder of its dense run."""
    made = recipe()
    seed_model = SeedModel(open_problem(made), 0, Meter(), Stopwatch())
    dense = next(run for run in grid(made) if run.settings.kind == "dense")
    folder = RunFolder(tmp_path_factory.mktemp("sweep") / dense.name)
    with folder.lock():
        train_dense(seed_model, folder, dense.settings, keeping(made, folder))
    seed_model.take_dense(folder.model)
    return seed_model, folder


def do(trained, way, name, stop_after=None):
    """A run of a way, in a folder of its own: the states that were measured; the weights when training began."""
    seed_model, dense = trained
    run = by_way(seed_model.recipe)[way]
    folder = RunFolder(dense.path.parent / name)
    work, states = Stages(seed_model, folder, run), []

    def measured(model):
        values = [np.array(weight) for weight in (*model.weights, *model.optimizer.variables)]
        states.append((steps_done(model), values))
        return {"achieved": 0.5, "achieved_filters": 0.5}

    work._measured = measured
    work._measured_small = lambda small, achieved: {"params": small.count_params()}
    seed_model.work = Stopping(stop_after)
    with folder.lock():
        work.do()
    seed_model.work = Meter()
    return folder, states


@pytest.fixture(scope="module")
def unbroken(trained):
    return {way: do(trained, way, f"unbroken-{way}") for way in WAYS}


def kernels(states, number=-1):
    return [value for value in states[number][1] if value.ndim > 1]


def test_each_way_cuts_when_it_says_and_trains_as_many_updates(unbroken):
    cuts = {way: [step for step, _ in states] for way, (_, states) in unbroken.items()}
    assert cuts == {
        "finetune": [0, 8], "rewind": [0, 8], "distill": [0, 8], "weight_rewind": [4, 8], "swd": [4, 8], "greg": [4, 8],
    }  # fmt: skip
    for way, (folder, states) in unbroken.items():
        conv = next(value for value in kernels(states) if value.shape == (3, 3, 1, 16))
        assert (np.abs(conv).sum(axis=(0, 1, 2)) == 0).sum() == 8, way
        assert not list(folder.path.glob("choice-*")), way
    ends = [kernels(states)[0] for _, states in unbroken.values()]
    assert all(np.abs(one - other).max() > 1e-6 for i, one in enumerate(ends) for other in ends[:i])


@pytest.mark.parametrize(("way", "stop"), [("weight_rewind", 3), ("swd", 4), ("greg", 4), ("distill", 4)])
def test_a_run_that_was_broken_off_ends_as_an_unbroken_one(trained, unbroken, way, stop):
    with pytest.raises(Stop):
        do(trained, way, f"broken-{way}", stop_after=stop)
    folder, states = do(trained, way, f"broken-{way}")
    for one, other in zip(states[-1][1], unbroken[way][1][-1][1], strict=True):
        np.testing.assert_array_equal(one, other)
    assert (folder.path / "plan.json").read_text() == (unbroken[way][0].path / "plan.json").read_text()


def test_a_rewound_run_starts_from_the_weights_of_the_dense_training(trained, monkeypatch):
    seed_model, dense = trained
    kept = np.load(dense.path / "weights-6.npz")  # 10 - 8 / 2
    (dense.path / "weights-6.npz").rename(dense.path / "kept.npz")
    seen = []
    original = SeedModel.train

    def train(self, *args, **kwargs):
        seen.append({weight.path: np.array(weight) for weight in self.model.weights})
        return original(self, *args, **kwargs)

    monkeypatch.setattr(SeedModel, "train", train)
    do(trained, "weight_rewind", "again")
    # Made anew, they are the same to the last bit.
    made = np.load(dense.path / "weights-6.npz")
    assert sorted(made.files) == sorted(kept.files)
    assert all((made[name] == kept[name]).all() for name in kept.files)
    gone = [0.25, 0.5]  # 1 - (1 - 0.5) ** (1 / 2) of 16 channels is 4.7, and then 8
    assert len(seen) == 2
    for weights, share in zip(seen, gone, strict=True):
        kernel = weights["conv1/kernel"]
        alive = np.abs(kernel).sum(axis=(0, 1, 2)) > 0
        assert (~alive).mean() == pytest.approx(share, abs=0.07)
        np.testing.assert_array_equal(kernel[..., alive], kept["conv1/kernel"][..., alive])


def test_what_decays_is_nearly_gone_when_it_is_cut(trained):
    def left(**settings):
        made = recipe(finetune={"steps": 8, "learning_rate": 0.01, "greg_variant": 1, **settings})
        seed_model, dense = trained
        run = by_way(made)["greg"]
        work = Stages(seed_model, RunFolder(dense.path.parent / run.name), run)
        before, norms = seed_model.hold, []

        def hold(plan, part):
            kernel = seed_model.model.get_layer("conv1").kernel.numpy()
            norms.append(np.abs(kernel[..., plan.gone("conv1")]).sum())
            before(plan, part)

        seed_model.hold = hold
        try:
            seed_model.restore_dense()
            with RunFolder(dense.path.parent / run.name).lock():
                work._cut()
        finally:
            del seed_model.hold
        return norms[0]

    # Rates of 0.01 and below, so that an update takes up to the whole of a weight, or next to nothing.
    assert left(greg_ceiling=100.0) < 0.3 * left(greg_ceiling=1e-6)


def test_every_way_has_a_dense_control_with_its_updates_and_rates():
    made = recipe(finetune={"rewind_rounds": 1})
    runs = grid(made)
    controls = {run.name: run.settings for run in runs if run.settings.kind == "dense_control"}
    assert sorted(settings.retraining for settings in controls.values()) == ["finetune", "rewind"]
    for run in by_way(made).values():
        settings, control = run.settings, controls[run.control]
        assert settings.finetune.steps == control.finetune.steps
        rates = [finetuning_rates(one.finetune, one.training, one.retraining) for one in (settings, control)]
        assert [rates[0](step) for step in range(8)] == [rates[1](step) for step in range(8)]
    several = {run.control for run in by_way(recipe()).values()}
    assert len(several) == 3  # the rates of two rounds are others


def test_rewound_rates_come_again_in_every_round():
    made = recipe(finetune={"steps": 9, "rewind_rounds": 2})
    rates = finetuning_rates(made.finetune, made.training, "weight_rewind")
    trained = training_rates(made.training)
    assert [rates(step) for step in range(9)] == [trained(6 + step) for step in (0, 1, 2, 3, 0, 1, 2, 3, 4)]


def test_settings_of_one_way_rename_no_other():
    names = {way: run.name for way, run in by_way(recipe()).items()}
    changed = by_way(recipe(finetune={"swd_last": 7.0, "distill_temperature": 3.0}))
    assert {way for way in WAYS if changed[way].name != names[way]} == {"swd", "distill"}
    assert {way: run.name for way, run in by_way(recipe(grid={"retraining": ["lr_rewind"]})).items()} == {
        "rewind": names["rewind"]
    }
    # A way that cuts by itself runs once, whatever the schedules.
    several = recipe(grid={"schedule": ["one_shot", "cosine"], "retraining": ["swd", "finetune"]})
    assert len([run for run in grid(several) if run.settings.kind == "pruned"]) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"finetune": {"steps": 21}}, "rewind takes the last 21"),
        ({"grid": {"retraining": "weight_rewind"}, "finetune": {"steps": 21}}, "10 updates back in each of 2 rounds"),
        ({"grid": {"retraining": "swd"}, "training": {"weight_decay": 0.0}}, "training.weight_decay, which is 0"),
        ({"grid": {"retraining": "swd"}, "finetune": {"swd_first": 1e6}}, "above swd_last"),
    ],
)
def test_what_cannot_be_is_said_when_the_recipe_is_read(changes, message):
    with pytest.raises(ValueError, match=message):
        recipe(**changes)


def test_an_unknown_layer_of_distillation_is_a_users_mistake(trained):
    seed_model, _ = trained
    settings = recipe(finetune={"distill_layers": ["conv9"]}).finetune
    with pytest.raises(UserError, match=r"no layer 'conv9'; it has .*conv2"):
        seed_model.problem.distillation(seed_model.model, seed_model.model, settings)
