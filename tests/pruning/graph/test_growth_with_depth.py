"""Graph, scores, prices, plan and removal grow with the layers: counted in Python's function calls, not in seconds."""

import cProfile

import keras
import pytest

import pruning
from pruning.costs.savings import savings

L = keras.layers


def residual(blocks):
    """Blocks that all write into one stream."""
    image = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, padding="same")(image)
    for _ in range(blocks):
        y = L.ReLU()(L.BatchNormalization()(L.Conv2D(6, 3, padding="same", use_bias=False)(x)))
        x = L.ReLU()(L.Add()([x, L.Conv2D(4, 1)(y)]))
    return keras.Model(image, L.Dense(2)(L.GlobalAveragePooling2D()(x)))


def dense(blocks):
    """Blocks of three layers, each of which reads all that came before it in its block."""
    image = keras.Input((8, 8, 3))
    x = L.Conv2D(4, 3, padding="same")(image)
    for _ in range(blocks):
        for _ in range(3):
            y = L.Conv2D(2, 3, padding="same")(L.ReLU()(L.BatchNormalization()(x)))
            x = L.Concatenate()([x, y])
        x = L.Conv2D(4, 1)(x)
    return keras.Model(image, L.Dense(2)(L.GlobalAveragePooling2D()(x)))


def functions(call):
    """What a call gives, and how many Python functions it calls."""
    profile = cProfile.Profile(builtins=False)
    found = profile.runcall(call)
    return found, sum(entry.callcount for entry in profile.getstats())


def counts(model):
    graph, of_graph = functions(lambda: pruning.ChannelGraph(model))
    scores, of_scores = functions(lambda: pruning.GroupL1()(graph))
    plan, of_plan = functions(lambda: pruning.plan(graph, scores, 0.3, scope="global", measure="macs"))
    _, of_prices = functions(lambda: savings(graph, "macs"))
    _, of_removal = functions(lambda: pruning.remove(model, plan))
    return {"graph": of_graph, "scores": of_scores, "prices": of_prices, "plan": of_plan, "removal": of_removal}


@pytest.mark.parametrize("build", [residual, dense])
def test_four_times_the_blocks_take_about_four_times_the_calls(build):
    short, long = build(3), build(12)
    layers = len(long.layers) / len(short.layers)
    few, many = counts(short), counts(long)
    # A plan halves its way to the budget: it counts the model a little more often where there are more channels.
    most = {step: layers * (1.5 if step == "plan" else 1.2) for step in few}
    assert {step: many[step] / few[step] < most[step] for step in few} == dict.fromkeys(few, True), (few, many)
