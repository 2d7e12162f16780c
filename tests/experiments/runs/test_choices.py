"""Every name that a recipe may say stands for something, and for what it says."""

from typing import get_args

import keras
import numpy as np
import pytest

import pruning
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
