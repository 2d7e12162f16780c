import dataclasses

import pytest
import yaml

from building import rates
from command import UserError, find_data, from_yaml, read_settings
from maskrcnn import MaskRCNNConfig
from settings import Recipe
from sweep import Sweep


def write(folder, content):
    path = folder / "recipe.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_an_unknown_key_names_the_nearest(tmp_path):
    path = write(tmp_path, {"training": {"learningrate": 0.1}})
    with pytest.raises(UserError, match=r"recipe.yaml.*training\.learningrate.*did you mean 'learning_rate'"):
        from_yaml(Recipe, path)


def test_an_unknown_model_field_names_the_nearest(tmp_path):
    with pytest.raises(UserError, match=r"model\.fpn_widht.*did you mean 'fpn_width'"):
        from_yaml(Recipe, write(tmp_path, {"model": {"fpn_widht": 3}}))


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
        from_yaml(Recipe, write(tmp_path, content))


def test_a_missing_recipe_names_a_near_one(tmp_path):
    write(tmp_path, {})
    with pytest.raises(UserError, match="Did you mean .*recipe.yaml"):
        from_yaml(Recipe, tmp_path / "recipes.yaml")


def test_flags_win_over_the_file(tmp_path):
    path = write(tmp_path, {"training": {"steps": 5, "batch_size": 3}})
    arguments = [str(path), "--training.steps", "7", "--grid.ratio", "0.1", "0.2", "--model.fpn-width", "8"]
    recipe = read_settings(Recipe, "", arguments)
    assert (recipe.training.steps, recipe.training.batch_size) == (7, 3)
    assert recipe.grid.ratio == (0.1, 0.2)
    assert recipe.model.fpn_width == 8


def test_yaml_round_trip(tmp_path, tiny):
    recipe = tiny(seeds=[3])
    assert from_yaml(Sweep, write(tmp_path, recipe.model_dump(mode="json"))) == recipe


def test_a_base_is_taken_over_and_changed(tmp_path):
    write(tmp_path, {"name": "base", "training": {"steps": 5, "batch_size": 3}, "grid": {"ratio": [0.1, 0.2]}})
    (tmp_path / "more.yaml").write_text("base: recipe.yaml\nname: more\ntraining: {steps: 7}\ngrid: {ratio: 0.3}\n")
    recipe = from_yaml(Recipe, tmp_path / "more.yaml")
    assert (recipe.name, recipe.training.steps, recipe.training.batch_size, recipe.grid.ratio) == ("more", 7, 3, (0.3,))
    (tmp_path / "round.yaml").write_text("base: round.yaml\n")
    with pytest.raises(UserError, match="leads back to itself"):
        from_yaml(Recipe, tmp_path / "round.yaml")


def test_a_switch_needs_no_value(tmp_path):
    path = write(tmp_path, {})
    assert read_settings(Sweep, "", [str(path), "--dry-run"]).dry_run
    assert read_settings(Sweep, "", [str(path), "--dry-run", "--workers", "2"]).dry_run
    assert not read_settings(Sweep, "", [str(path), "--dry-run", "False"]).dry_run


def test_a_flag_that_cannot_be_is_one_message(capsys):
    with pytest.raises(SystemExit) as stop:
        read_settings(Recipe, "", ["--training.steps", "0"])
    assert stop.value.code == 2
    assert "greater than or equal to 1" in capsys.readouterr().err


def test_help_says_what_settings_mean(capsys):
    with pytest.raises(SystemExit) as stop:
        read_settings(Recipe, "Does things.", ["--help"])
    assert stop.value.code == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Does things." in shown
    assert "fractions of the budget to remove" in shown  # from a docstring
    assert "samples a bin, along each axis" in shown  # from a comment in MaskRCNNConfig


def test_the_models_settings_are_the_configs_fields():
    fields = {field.name for field in dataclasses.fields(MaskRCNNConfig)}
    assert set(Recipe().model.model_dump()) == fields - {"class_names"}


def test_every_recipe_is_valid(pytestconfig):
    recipes = sorted((pytestconfig.rootpath / "scripts" / "recipes").glob("*.yaml"))
    assert {path.stem for path in recipes} >= {
        "shapes", "shapes_hard", "shapes_hard_reference", "noise_pilot", "balloon", "coco", "coco_permissive",
        "own_data",
    }  # fmt: skip
    for path in recipes:
        recipe = from_yaml(Recipe, path)
        MaskRCNNConfig(class_names=("one",), **recipe.model.model_dump())
        assert recipe.name == path.stem


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
