import dataclasses

import pytest
import yaml

from experiments.commands import COMMANDS
from experiments.commands.sweep_command import Sweep
from experiments.commands.sweep_command import __doc__ as usage
from experiments.errors import UserError
from experiments.lookup import problem_class, recipe_type
from experiments.runs.training.optimizers import rates
from experiments.settings.flags import parsed, read_settings
from experiments.settings.places import find_data
from experiments.settings.recipe import Recipe
from experiments.settings.recipe_files import read_recipe, shipped_recipes
from maskrcnn import MaskRCNNConfig


def write(folder, content):
    path = folder / "recipe.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_an_unknown_key_names_the_nearest(tmp_path):
    path = write(tmp_path, {"training": {"learningrate": 0.1}})
    with pytest.raises(UserError, match=r"recipe.yaml.*training\.learningrate.*did you mean 'learning_rate'"):
        read_recipe(path)


def test_an_unknown_model_field_names_the_nearest(tmp_path):
    with pytest.raises(UserError, match=r"model\.fpn_widht.*did you mean 'fpn_width'"):
        read_recipe(write(tmp_path, {"model": {"fpn_widht": 3}}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"training": {"steps": 0}}, r"training\.steps = 0: .*greater than or equal to 1"),
        ({"grid": {"ratio": [0.5, 1.0]}}, r"grid\.ratio\.1 = 1\.0: .*less than 1"),
        ({"grid": {"criterion": "l3"}}, r"grid\.criterion\.0 = 'l3': .*'l1', 'l2', 'random'"),
        ("a: [", "is not YAML"),
        ("- a", "expected `key: value` lines, found list"),
    ],
)
def test_bad_values_are_named(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        read_recipe(write(tmp_path, content))


def test_a_missing_recipe_names_a_near_one(tmp_path):
    write(tmp_path, {})
    with pytest.raises(UserError, match="Did you mean .*recipe.yaml"):
        read_recipe(tmp_path / "recipes.yaml")


def test_flags_win_over_the_file(tmp_path):
    path = write(tmp_path, {"training": {"steps": 5, "batch_size": 3}})
    arguments = [str(path), "--training.steps", "7", "--grid.ratio", "0.1", "0.2", "--model.fpn-width", "8"]
    recipe = read_settings(Recipe, "", arguments)
    assert (recipe.training.steps, recipe.training.batch_size) == (7, 3)
    assert recipe.grid.ratio == (0.1, 0.2)
    assert recipe.model.fpn_width == 8


def test_yaml_round_trip(tmp_path, tiny):
    recipe = tiny(seeds=[3])
    assert read_recipe(write(tmp_path, recipe.model_dump(mode="json"))) == recipe


def test_a_base_is_taken_over_and_changed(tmp_path):
    write(tmp_path, {"name": "base", "training": {"steps": 5, "batch_size": 3}, "grid": {"ratio": [0.1, 0.2]}})
    (tmp_path / "more.yaml").write_text("base: recipe.yaml\nname: more\ntraining: {steps: 7}\ngrid: {ratio: 0.3}\n")
    recipe = read_recipe(tmp_path / "more.yaml")
    assert (recipe.name, recipe.training.steps, recipe.training.batch_size, recipe.grid.ratio) == ("more", 7, 3, (0.3,))
    (tmp_path / "round.yaml").write_text("base: round.yaml\n")
    with pytest.raises(UserError, match="leads back to itself"):
        read_recipe(tmp_path / "round.yaml")


def test_a_switch_needs_no_value(tmp_path):
    path = write(tmp_path, {})
    assert read_settings(Sweep, "", [str(path), "--dry-run"]).dry_run
    assert read_settings(Sweep, "", [str(path), "--dry-run", "--workers", "2"]).dry_run
    assert not read_settings(Sweep, "", [str(path), "--dry-run", "False"]).dry_run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--training.steps", "0"], r"training\.steps = 0: .*greater than or equal to 1"),
        (["--training.stesp", "3"], r"unknown key 'training\.stesp': did you mean 'steps'"),
        (["--grid.criterion", "l3"], r"grid\.criterion\.0 = 'l3': .*'l1', 'l2', 'random'"),
        (["--grid.ratio", "0.5", "1.0"], r"grid\.ratio\.1 = 1\.0: .*less than 1"),
        (["--training.optimizer", "adam"], r"training\.optimizer = 'adam': .*'sgd' or 'adamw'"),
        (["shapes", "more"], "'more': expected a flag"),
    ],
)
def test_flags_that_cannot_be_read_like_a_file(arguments, message):
    with pytest.raises(UserError, match=message):
        read_settings(Recipe, "", arguments)


def test_flags_are_values_as_in_a_file():
    arguments = ["--name", "2024", "--model.mask-head-widths", "8", "--model.backbone-weights", "None", "--seeds=3"]
    recipe = read_settings(Recipe, "", [*arguments, "--data.strict", "false", "--pruning.include", "*/conv1"])
    assert (recipe.name, recipe.model.mask_head_widths, recipe.seeds) == ("2024", (8,), (3,))
    assert (recipe.model.backbone_weights, recipe.data.strict, recipe.pruning.include) == (None, False, ("*/conv1",))
    assert parsed(["--dry-run", "--a.b", "-1", "x"]) == {"dry_run": True, "a": {"b": ["-1", "x"]}}


def test_help_fits_a_screen_and_the_rest_is_behind_another_word(capsys):
    for flag, least, most in (("--help", 15, 45), ("--help-all", 150, 540)):
        with pytest.raises(SystemExit) as stop:
            read_settings(Sweep, usage, [flag])
        assert stop.value.code == 0
        shown = capsys.readouterr().out
        assert least < len(shown.splitlines()) < most
    shown = " ".join(shown.replace("│", " ").split())
    assert "fractions of the budget to remove" in shown  # from a docstring
    assert "samples a bin, along each axis" in shown  # from a comment in MaskRCNNConfig
    assert {"sweep", "train", "evaluate", "detect", "table", "compare", "plot", "report"} <= set(COMMANDS)


# Whose data a recipe is about


@pytest.mark.parametrize("changes", [
    ["--data.train", "cars/train", "--data.test", "cars/val"],
    ["--data.kind", "coco", "--data.train", "cars.json", "--data.test", "val.json"],
])  # fmt: skip
def test_what_a_recipe_says_of_its_own_data_is_not_said_of_others(tmp_path, changes):
    path = write(tmp_path, {
        "name": "balloons", "credit": "somebody, CC BY",
        "data": {"kind": "via", "train": "b/train", "test": "b/val", "tune": "b/tune", "class_name": "balloon"},
    })  # fmt: skip
    recipe = read_settings(Recipe, "", [str(path), *changes, "--name", "mine"])
    assert (recipe.data.class_name, recipe.data.tune, recipe.credit) == (None, None, None)
    assert (recipe.data.train, recipe.data.test) == (changes[-3], changes[-1])
    assert recipe.data.kind == ("coco" if "coco" in changes else "via")
    again = read_settings(Recipe, "", [str(path), *changes, "--name", "mine", "--data.class-name", "car"])
    assert again.data.class_name == "car"
    with pytest.raises(UserError, match="give them a name of their own, --name mine"):
        read_settings(Recipe, "", [str(path), *changes])


def test_a_recipe_over_another_with_other_data_takes_nothing_of_its_data(tmp_path):
    write(tmp_path, {"data": {"kind": "via", "train": "b/train", "test": "b/val", "class_name": "balloon"}})
    (tmp_path / "cars.yaml").write_text("base: recipe.yaml\nname: cars\ndata: {train: cars/train, test: cars/val}\n")
    recipe = read_recipe(tmp_path / "cars.yaml")
    assert recipe.data.class_name is None and recipe.data.kind == "via"
    (tmp_path / "same.yaml").write_text("base: recipe.yaml\nname: same\ndata: {strict: false}\n")
    assert read_recipe(tmp_path / "same.yaml").data.class_name == "balloon"


def test_a_placeholder_is_named_with_its_key(tmp_path):
    path = write(tmp_path, {"data": {"kind": "labelme", "train": "<folder of pictures>"}})
    with pytest.raises(UserError, match=r"data\.train is still the placeholder '<folder of pictures>'"):
        read_recipe(path)
    with pytest.raises(UserError, match=r"data\.train is still the placeholder"):
        read_recipe("own_data")


def test_the_models_settings_are_the_configs_fields():
    fields = {field.name for field in dataclasses.fields(MaskRCNNConfig)}
    ours = {"numerics", "start", "start_classes"}
    assert set(recipe_type(problem_class("maskrcnn"))().model.model_dump()) == fields - {"class_names"} | ours


def test_every_recipe_is_found_by_its_name():
    recipes = shipped_recipes()
    assert {path.stem for path in recipes} >= {
        "digits", "facades", "shapes", "shapes_hard", "shapes_hard_reference", "noise_pilot", "balloon", "coco",
        "coco_permissive", "own_data",
    }  # fmt: skip
    for path in recipes:
        # The pictures of three are the user's; studies of two add their question to "digits" and "shapes_hard".
        if path.stem not in ("own_data", "retrain", "matterport", "digits_tasks", "shapes_hard_budget"):
            assert read_recipe(path.stem).name == path.stem
    with pytest.raises(UserError, match="digitz: no such recipe. Did you mean digits"):
        read_recipe("digitz")


def test_data_are_found_where_the_variable_points(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    with pytest.raises(UserError, match="'photos' does not exist"):
        find_data("photos")
    monkeypatch.setenv("TASKPRUNE_DATA", str(tmp_path))
    assert find_data("photos") == tmp_path / "photos"


def test_learning_rates():
    rate = rates(peak=1.0, steps=110, warmup_steps=10, final=0.1)
    assert rate(0) == pytest.approx(0.1)
    assert rate(5) == pytest.approx(0.55)
    assert rate(10) == pytest.approx(1.0)
    assert rate(60) == pytest.approx(0.55)
    assert rate(110) == pytest.approx(0.1)
