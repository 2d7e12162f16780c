import numpy as np
import pytest
from PIL import Image

import pruning
from experiments.errors import UserError
from experiments.lookup import open_problem
from experiments.problems.maskrcnn.detector_commands.maskrcnn_inspect import (
    Inspect,
    inspect_model,
    main,
    silenced_channels,
)
from experiments.settings.recipe_files import read_recipe


@pytest.fixture(scope="module")
def saved(tiny, tmp_path_factory):
    """A dense model, the same with channels masked, and the same without them."""
    folder = tmp_path_factory.mktemp("models")
    model = open_problem(tiny()).model(0)
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), sparsity=0.5)
    masked = pruning.mask(model, plan)
    models = {"dense": model, "masked": masked, "removed": pruning.remove(model, plan)}
    for name, one in models.items():
        one.save(folder / f"{name}.keras")
    return folder, models


def settings(tiny, **changes):
    """The tiny recipe's data with what `inspect` adds."""
    recipe = tiny()
    flags = {"data": {key: [str(value)] for key, value in recipe.data.model_dump(exclude_defaults=True).items()}}
    return read_recipe(None, [flags | {key: value for key, value in changes.items()}], Inspect)


def test_a_page_of_two_models_with_the_recipes_data(saved, tiny, tmp_path):
    folder, _ = saved
    wanted = settings(
        tiny, file=[str(folder / "dense.keras")], against=[str(folder / "masked.keras")], picture=["1"],
        output=[str(tmp_path / "page")], layers=["rpn_conv"], score_threshold=["0"], data_set=["false"],
    )  # fmt: skip
    text = inspect_model(wanted, has_data=True).read_text(encoding="utf-8")
    assert "dense and masked, looked into" in text and "shapes-easy/1" in text
    assert "pruned" in text and "objects are not known" not in text


def test_what_a_mask_silences_is_marked_and_nothing_of_a_removed_model(saved):
    _, models = saved
    assert silenced_channels(models["dense"]) is None and silenced_channels(models["removed"]) is None
    found = silenced_channels(models["masked"])
    for part, name in (("features", "res3_1_out"), ("rpn", "rpn_conv"), ("box_head", "box_fc1")):
        layer = models["masked"].network.get_layer(part).get_layer(name)
        assert found[name].shape == (layer.output.shape[-1],)
        assert found[name].sum() == len(found[name]) // 2
    kernel = np.asarray(models["masked"].network.get_layer("rpn").get_layer("rpn_conv").kernel)
    np.testing.assert_array_equal(found["rpn_conv"], ~kernel.any(axis=(0, 1, 2)))


def test_mistakes_are_one_sentence(saved, tiny, tmp_path):
    folder, models = saved
    picture = tmp_path / "x.png"
    Image.new("RGB", (70, 50)).save(picture)
    dense = [str(folder / "dense.keras")]

    def asked(has_data=False, **changes):
        given = {"file": dense, "picture": [str(picture)], "output": [str(tmp_path / "page")]} | changes
        return inspect_model(settings(tiny, **given), has_data)

    (tmp_path / "file").write_text("")
    for changes, message in (
        ({"file": ["nowhere.keras"]}, "nowhere.keras: no such model"),
        ({"picture": ["nowhere.png"]}, "nowhere.png: no such picture; with --recipe"),
        ({"picture": ["99"], "has_data": True}, "no picture of the data, which have the numbers 0 to 5"),
        ({"layers": ["rpn_con"]}, "no layer 'rpn_con'; did you mean rpn_conv"),
        ({"output": [str(tmp_path / "file" / "x")]}, "cannot be made"),
        ({"has_data": True, "data": {"level": ["hard"]}}, "name data of the model's classes"),
    ):
        with pytest.raises(UserError, match=message) as error:
            asked(**changes)
        assert "\n" not in str(error.value)


def test_the_command_wants_a_model_and_a_picture(tmp_path):
    for given in ([], ["a.keras"], ["a.keras", "b.png", "c.png"], ["--recipe", "shapes"]):
        with pytest.raises(UserError, match="expected a model and a picture"):
            main(given)
    with pytest.raises(UserError, match="no such recipe"):
        main(["a.keras", "b.png", "--recipe", "shapse"])


def test_help_says_what_the_flags_are(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--against OTHER" in capsys.readouterr().out
