"""What criteria from data share: silenced channels change no score, little is held, half precision is noticed."""

import warnings

import keras
import numpy as np
import pytest

import pruning
from pruning.costs import savings as savings_module
from pruning.costs.savings import savings
from pruning.masks.living_channels import living
from pruning.scores.gradients import Gates

L = keras.layers
ARBITERS = [
    pruning.Sum(),
    pruning.Mean({"left": 2, "right": 1}),
    pruning.WeightedSum(),
    pruning.Union(),
    pruning.MeanRank(),
]


def forked():
    """A trunk that both tasks read, and a head of each."""
    image = keras.Input((6, 6, 2), name="image")
    x = L.Conv2D(7, 3, padding="same", activation="relu", name="trunk0")(image)
    x = L.Conv2D(6, 3, padding="same", use_bias=False, name="trunk1")(x)
    x = L.ReLU()(L.BatchNormalization(name="norm")(x))
    ends = {}
    for name, width in (("left", 5), ("right", 9)):
        y = L.Conv2D(width, 1, activation="relu", name=f"{name}_head")(x)
        ends[name] = L.Dense(1, name=name)(L.GlobalAveragePooling2D()(y))
    return keras.Model(image, ends, name="forked")


def losses_of(model, traces=None, scale=1.0):
    def task_losses(batch):
        if traces is not None:
            traces.append(1)
        found = model(batch, training=False)
        return {task: scale * keras.ops.mean(keras.ops.tanh(found[task]) ** 2) for task in ("left", "right")}

    return task_losses


def pictures(count=6, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 6, 6, 2)).astype("float32")


CRITERIA = [
    lambda losses, batches: pruning.Taylor(losses, batches),
    lambda losses, batches: pruning.Taylor(losses, batches, per="params"),
    lambda losses, batches: pruning.Fisher(losses, batches),
    lambda losses, batches: pruning.LossRise(losses, batches, chunk=2, progress=False),
]


@pytest.mark.parametrize("make", CRITERIA, ids=["taylor", "taylor per params", "fisher", "loss_rise in chunks"])
def test_a_masked_model_and_its_removed_twin_rank_alike(nets, make):
    """Under every arbiter: a task's ranks, sums and prices look at the living channels alone."""
    model = nets.lively(forked())
    graph, batches = pruning.ChannelGraph(model), [pictures(4), pictures(2, 1)]
    first = pruning.plan(graph, pruning.Random(1), {"trunk*": 0.3, "left_head": 0.6, "right_head": 0.5})
    small = pruning.remove(model, first)
    pruning.apply_masks(model, first, graph)
    alive = living(graph)
    masked = make(losses_of(model), batches).by_task(graph)
    removed = make(losses_of(small), batches).by_task(pruning.ChannelGraph(small))
    for arbiter in ARBITERS:
        one, other = arbiter(masked), arbiter(removed)
        mine = np.concatenate([one[name][alive[name]] for name in one])
        theirs = np.concatenate([other[name] for name in other])
        np.testing.assert_allclose(mine, theirs, rtol=2e-3, atol=1e-6, err_msg=str(arbiter))
        assert max(one[name][~alive[name]].max(initial=-np.inf) for name in one) <= theirs.min()


@pytest.mark.parametrize("measure", ["macs", "params", "bytes"])
def test_prices_of_a_masked_model_are_those_of_its_twin(nets, measure):
    model = nets.lively(forked())
    graph = pruning.ChannelGraph(model)
    first = pruning.plan(graph, pruning.Random(1), 0.4, scope="global")
    twin = savings(pruning.ChannelGraph(pruning.remove(model, first)), measure)
    pruning.apply_masks(model, first, graph)
    found = savings(graph, measure)
    for name, alive in living(graph).items():
        np.testing.assert_array_equal(found[name][alive], twin[name])
        assert (found[name] > 0).all()


def test_a_model_is_read_once_for_all_turns(nets, monkeypatch):
    graph, reads = pruning.ChannelGraph(nets.lively(forked())), []
    counted = savings_module.counted
    monkeypatch.setattr(savings_module, "counted", lambda *given: reads.append(given) or counted(*given))
    fisher = pruning.Fisher(losses_of(graph.model), [pictures(2)])
    for ratio in (0.2, 0.4):
        pruning.plan(graph, fisher, ratio, measure="macs")
    savings(graph, "params")
    graph.report()
    assert len(reads) == 1
    pruning.plan(graph, fisher, 0.2, measure="macs", input_shapes={"image": (3, 6, 6, 2)})
    assert len(reads) == 2


@pytest.mark.parametrize("criterion", [pruning.LossRise, pruning.Taylor])
def test_turns_are_not_traced_again(nets, criterion):
    model, traces = nets.lively(forked()), []
    graph = pruning.ChannelGraph(model)
    made = criterion(losses_of(model, traces), [pictures(2)], progress=False)
    before = made(graph)
    first = len(traces)
    model.get_layer("trunk0").kernel.assign(-np.asarray(model.get_layer("trunk0").kernel))
    after = made(graph)
    assert len(traces) == first and not np.allclose(before["trunk1"], after["trunk1"])


@pytest.mark.parametrize("criterion", [pruning.Taylor, pruning.Fisher])
def test_one_batch_is_held_at_a_time(nets, monkeypatch, criterion):
    model = nets.lively(forked())
    graph, batches = pruning.ChannelGraph(model), [pictures(3), pictures(1, 1), pictures(4, 2)]
    once = criterion(losses_of(model), [np.concatenate(batches)]).by_task(graph)
    longest, reduce = [], criterion.reduce
    monkeypatch.setattr(criterion, "reduce", lambda self, gates: longest.append(len(gates)) or reduce(self, gates))
    found = criterion(losses_of(model), iter(batches)).by_task(graph)
    assert set(longest) == {3, 1, 4} and found["left"].settings["samples"] == 8
    for task, scores in once.items():
        for name in scores:
            np.testing.assert_allclose(found[task][name], scores[name], rtol=1e-5, atol=1e-12)


def test_gates_come_batch_by_batch(nets):
    model = nets.lively(forked())
    gates = Gates(pruning.ChannelGraph(model), losses_of(model))
    one, two = gates.by_batch([pictures(3), pictures(2, 1)])
    assert one["left"]["trunk0"].shape == (3, 7) and two["right"]["trunk0"].shape == (2, 7)
    assert np.isnan(one["left"]["right_head"]).all()
    whole = gates([pictures(3), pictures(2, 1)])
    np.testing.assert_array_equal(
        whole["left"]["trunk1"], np.concatenate([one["left"]["trunk1"], two["left"]["trunk1"]])
    )


def half():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return forked()
    finally:
        keras.config.set_dtype_policy(policy)


def test_gradients_that_half_precision_makes_zero_are_noticed(nets):
    model = nets.lively(half())
    graph = pruning.ChannelGraph(model)
    with pytest.warns(
        UserWarning, match=r"computes in float16, and \d+ of 27 channels score exactly zero.*loss scaling"
    ):
        pruning.Taylor(losses_of(model, scale=1e-7), [pictures()])(graph)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pruning.Taylor(losses_of(model, scale=1024.0), [pictures()])(graph)
        pruning.Taylor(losses_of(full := nets.lively(forked()), scale=1e-7), [pictures()])(pruning.ChannelGraph(full))


def test_a_channel_that_is_never_reached_divides_nothing(nets):
    """Losses of zero everywhere give scores of zero, not NaN."""
    model = nets.lively(forked())
    graph = pruning.ChannelGraph(model)
    for make in CRITERIA:
        found = make(losses_of(model, scale=0.0), [pictures(2)])(graph)
        assert all((found[name] == 0).all() for name in found)


def test_a_model_where_a_graph_belongs_is_named(nets):
    model = forked()
    with pytest.raises(TypeError, match=r"write Taylor\(...\)\(pruning.ChannelGraph\(model\)\)"):
        pruning.Taylor(losses_of(model), [pictures()])(model)


def test_wrong_objects_are_named():
    for settings, word in (
        ({"batches": [1], "arbiter": pruning.Union}, r"the class Union: write an object, arbiter=pruning.Union\(\)"),
        ({"batches": [1], "arbiter": "union"}, "arbiter is 'union'"),
        ({"batches": {"image": 1}}, r"write \[batch\]"),
    ):
        with pytest.raises(TypeError, match=word):
            pruning.Taylor(print, **settings)
