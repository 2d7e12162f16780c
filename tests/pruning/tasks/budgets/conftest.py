"""A trained model of two tasks, to search on."""

import types

import keras
import pytest

import pruning


@pytest.fixture(scope="module")
def trained(two_again):
    """The model, its graph and scores, how its tasks are measured, and a short fine-tune that counts its calls."""
    model, (x, y) = two_again.compiled(rate=0.02), two_again.data(128)
    model.fit(x, y, batch_size=16, epochs=8, verbose=0)
    graph = pruning.ChannelGraph(model)
    tasks = pruning.TaskMeasures.of_outputs(model, *two_again.data(96, seed=2), floors={"order": {"accuracy": 0.5}})
    calls = []

    def finetune(model):
        calls.append(float(keras.ops.convert_to_numpy(model.optimizer.iterations)))
        model.fit(x, y, batch_size=32, epochs=1, verbose=0, shuffle=False)

    return types.SimpleNamespace(
        model=model, graph=graph, scores=pruning.L1()(graph), tasks=tasks, finetune=finetune, calls=calls, data=(x, y)
    )
