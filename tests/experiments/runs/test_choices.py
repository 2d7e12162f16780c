"""Every name that a recipe may say stands for something, and for what it says."""

from typing import get_args

import keras
import numpy as np
import pytest

import pruning
from experiments.errors import UserError
from experiments.lookup import open_problem
from experiments.runs.grid import BY_TASK
from experiments.runs.training import choices
from experiments.settings.recipe import ArbiterName, CriterionName


def test_every_name_has_its_object():
    assert set(get_args(CriterionName)) == {*choices.FROM_WEIGHTS, *choices.FROM_DATA}
    assert set(choices.FROM_DATA) == set(BY_TASK)
    assert set(get_args(ArbiterName)) == set(choices.ARBITERS)
    assert isinstance(choices.from_weights("l1", 0), pruning.L1)
    assert isinstance(choices.from_weights("group_l1", 0), pruning.GroupL1)


@pytest.mark.parametrize("name", sorted(choices.FROM_WEIGHTS))
def test_criteria_from_weights_score_by_name(name):
    image = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(6, 3, name="conv")(image))
    graph = pruning.ChannelGraph(keras.Model(image, keras.layers.Conv2D(2, 1)(x)))
    scores = choices.from_weights(name, 0)(graph)
    assert scores["conv"].shape == (6,) and np.isfinite(scores["conv"]).all()
    assert scores.criterion.lower() == name.replace("_", "")


def test_every_declared_part_can_be_pruned_by_its_name_and_others_by_their_layers():
    problem = open_problem("original_experiment")
    model = problem.model(0)
    everything = choices.prunable(problem, model)
    of = {part: choices.prunable(problem, model, part) for part in (*problem.parts, "features/res3.*")}
    for part, prefix in problem.parts.items():
        names = {group.name for group in of[part].prunable}
        assert names == {group.name for group in everything.prunable if group.name.startswith(prefix)} != set()
    assert all("res3" in group.name for group in of["features/res3.*"].prunable)
    with pytest.raises(UserError, match="part 'neck' cannot be pruned"):
        choices.prunable(problem, model, "neck")


def test_what_a_recipe_excludes_is_in_no_part():
    recipe = open_problem("original_experiment").recipe
    wanted = recipe.pruning.model_copy(update={"exclude": ("fpn_output.*",)})
    problem = open_problem(recipe.model_copy(update={"pruning": wanted}))
    names = [group.name for group in choices.prunable(problem, problem.model(0), "fpn").prunable]
    assert names == ["features/fpn_lateral5"]


def test_a_normaliser_is_applied_to_the_joined_scores():
    problem = open_problem("original_experiment")
    model = problem.model(0)
    graph, wanted = choices.prunable(problem, model), problem.recipe.pruning
    scorer = choices.Scorer(problem, model, 0, problem.input_shapes(model))
    raw, found = (scorer.scores("l1", None, graph, wanted, normaliser=name) for name in ("raw", "relative"))
    assert any(abs(raw[name].mean() - 1) > 0.1 for name in raw)
    assert [found[name].mean() for name in found] == pytest.approx([1.0] * len(found))
