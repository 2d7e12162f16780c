import pytest
import yaml

from experiments.errors import UserError
from experiments.lookup import open_problem, problem_class, recipe_type
from experiments.runs.grid import RunSettings, dense_run, fingerprint, grid
from experiments.runs.sweep_folder import make_folder
from experiments.settings.recipe_files import read_recipe

Recipe = recipe_type(problem_class("maskrcnn"))


def names(**changes):
    return [run.name for run in grid(Recipe.model_validate(changes))]


def test_names_are_what_they_always_were():
    # A new setting whose default is what was done before must leave these as they are. (Version 0.1 named its l1 runs
    # otherwise: they were of what is group_l1 now, and none goes on as the other.)
    recipe = Recipe.model_validate({
        "model": {"train_batch_norm": False},
        "seeds": [3],
        "training": {"steps": 7},
        "grid": {"criterion": ["l1", "taylor"], "ratio": 0.5, "budget": "macs"},
        "finetune": {"steps": 5},
    })  # fmt: skip
    assert [run.name for run in grid(recipe)] == [
        "dense-s3-0d645c", "dense_control-s3-d81a80", "l1-0.5-s3-540eee", "taylor-0.5-s3-4486b5",
    ]  # fmt: skip


def test_a_new_field_renames_nothing():
    class Later(RunSettings):
        precision: str = "float32"

    settings = grid(Recipe(seeds=(1,)))[-1].settings
    later = Later.model_validate(settings.model_dump())
    assert later.changed() == settings.changed()
    assert later.model_copy(update={"precision": "int8"}).changed() != settings.changed()


def test_batch_norm_names_a_run_by_what_it_does():
    def dense(**model):
        return names(model=model)[0]

    trained, frozen = dense(train_batch_norm=True), dense(train_batch_norm=False)
    assert trained != frozen
    assert dense() == dense(train_batch_norm=None) == trained  # from nothing
    loaded = {"backbone": "mobilenet", "backbone_weights": "imagenet"}
    assert dense(**loaded) == dense(**loaded, train_batch_norm=False) != dense(**loaded, train_batch_norm=True)


def test_saying_a_default_changes_nothing():
    explicit = {"grid": {"scope": ["layer"], "part": "all"}, "training": {"batch_size": 8}}
    assert names(**explicit) == names()


@pytest.mark.parametrize("change", [
    {"finetune": {"steps": 5}}, {"pruning": {"round_to": 4}}, {"grid": {"scope": "global"}}, {"seeds": [1]},
])  # fmt: skip
def test_what_matters_gives_another_name(change):
    assert not set(names(**change)) & set(names()) - {dense_run(Recipe(), 0).name, names()[1]}


@pytest.mark.parametrize("change", [
    {"evaluation": {"limit": 5}}, {"threads": 3}, {"pruning": {"criterion_pictures": 3, "chunk": 2}},
    {"pruning": {"gradual_share": 0.2, "gradual_power": 2, "gradual_frequency": 3}},
    {"grid": {"arbiter": ["union", "mean_rank"]}},
])  # fmt: skip
def test_what_does_not_matter_for_these_runs_gives_the_same_names(change):
    assert names(**change) == names()


def test_the_grid_is_the_product_of_its_axes():
    runs = grid(Recipe.model_validate({
        "seeds": [0, 1],
        "grid": {"criterion": ["l1", "taylor"], "arbiter": ["weighted_sum", "union"], "ratio": [0.2, 0.4, 0.6],
                 "retraining": ["finetune", "rewind", "scratch", "none"]},
    }))  # fmt: skip
    pruned = [run for run in runs if run.settings.kind == "pruned"]
    assert len(pruned) == 2 * 3 * 3 * 4  # seeds, l1 and taylor with two arbiters, ratios, retraining
    assert len(runs) - len(pruned) == 2 * 3  # a dense one and two controls for each seed
    assert len({run.name for run in runs}) == len(runs)
    by_name = {run.name: run for run in runs}
    for run in pruned:
        assert by_name[run.dense].settings.seed == run.settings.seed
        control = by_name.get(run.control)
        assert (control is None) == (run.settings.retraining in ("scratch", "none"))
        assert control is None or control.settings.retraining == run.settings.retraining


def test_repeats_are_of_the_first_seed_and_differ_in_the_repeat_alone():
    runs = grid(Recipe.model_validate({"seeds": [4, 5], "repeats": 3, "grid": {"criterion": "l1", "ratio": 0.5}}))
    found = [(run.settings.seed, run.settings.repeat) for run in runs if run.settings.kind == "pruned"]
    assert found == [(4, 0), (4, 1), (4, 2), (5, 0)]
    first, again = [run for run in runs if run.settings.kind == "pruned"][:2]
    assert first.settings.model_copy(update={"repeat": 1}) == again.settings
    assert first.control == again.control


def test_stages_follow_from_the_settings():
    def stages(**changes):
        return grid(Recipe.model_validate(changes))[-1].stages

    assert stages() == ("pruned", "recalibrated", "finetuned", "removed")
    assert stages(pruning={"recalibration_pictures": 0}) == ("pruned", "finetuned", "removed")
    assert stages(grid={"retraining": "none"}) == ("pruned", "recalibrated")
    assert stages(grid={"retraining": "scratch"}) == ("scratch",)


def test_what_a_stage_is_compared_with():
    run = grid(Recipe())[-1]
    assert run.reference("pruned") == run.reference("recalibrated") == run.dense
    assert run.reference("finetuned") == run.reference("removed") == run.control
    scratch = grid(Recipe.model_validate({"grid": {"retraining": "scratch"}}))[-1]
    assert scratch.reference("scratch") == scratch.dense


def test_settings_that_do_not_fit_together_are_refused(tmp_path):
    def read(content):
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(content))
        return read_recipe(path)

    with pytest.raises(UserError, match=r"finetune.steps.*training.steps"):
        read({"grid": {"retraining": "rewind"}, "finetune": {"steps": 2000}})
    with pytest.raises(UserError, match=r"grid.part and pruning.include"):
        read({"grid": {"part": "rpn"}, "pruning": {"include": ["x"]}})
    with pytest.raises(UserError, match=r"grid\.part\.0 = 'backbone': expected one of all, features, fpn, rpn"):
        read({"grid": {"part": "backbone"}})


def test_the_written_recipe_is_the_recipe(tmp_path):
    content = {"name": "x", "seeds": [1, 2], "grid": {"ratio": 0.3}, "model": {"fpn_width": 8}}
    problem = open_problem(Recipe.model_validate(content | {"results": str(tmp_path)}))
    folder = make_folder(problem)
    assert read_recipe(folder / "recipe.yaml") == problem.recipe


def test_a_fingerprint_is_that_of_the_content():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1, "b": 3})


def test_a_normaliser_matters_where_layers_compete():
    def named(**grid_):
        return [name for name in names(grid={"criterion": "l1", "ratio": 0.5, **grid_}) if name.startswith("l1")]

    assert named(normaliser=["raw", "relative"]) == named()
    raw, relative = named(scope="global", normaliser=["raw", "relative"])
    assert named(scope="global") == [raw] and relative != raw
