"""Loss rise: what is measured is the masked model's loss, and every weight comes back."""

import keras
import numpy as np
import pytest

import pruning
from pruning.scores.loss_rise import silenced

L = keras.layers


def losses_of(model, traces=None):
    def task_losses(batch):
        if traces is not None:
            traces.append(1)
        found = model(batch, training=False)
        return {"even": keras.ops.mean(found[:, ::2] ** 2), "odd": keras.ops.mean(keras.ops.cos(found[:, 1::2]))}

    return task_losses


def weights_of(model):
    return [np.array(weight) for weight in model.weights]


def same_bits(one, other):
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


def test_it_is_the_rise_of_the_masked_model_s_loss(nets):
    model, traces = nets.lively(nets.plain()), []
    image = nets.inputs(model, count=5)
    batches = [image[:2], image[2:]]
    graph, before = pruning.ChannelGraph(model), weights_of(model)
    criterion = pruning.LossRise(losses_of(model, traces), batches)
    rises, samples = criterion.measure(graph)
    assert samples == 5 and same_bits(before, weights_of(model))
    assert len(traces) <= 2  # for two sizes of batches, however many channels there are
    dense = {task: float(loss) for task, loss in losses_of(model)(image).items()}
    for group in graph.prunable:
        for channel in range(group.size):
            removed = {one.name: (channel,) if one is group else () for one in graph.prunable}
            plan = pruning.Plan(
                "plain", graph.fingerprint, {one.name: one.size for one in graph.prunable}, removed, 0, 0
            )
            masked = pruning.mask(model, plan)
            for task, loss in losses_of(masked)(image).items():
                np.testing.assert_allclose(rises[task][group.name][channel], float(loss) - dense[task], atol=1e-6)
    assert min(values.min() for values in rises["odd"].values()) < 0  # a fall is kept
    scores = criterion.by_task(graph)["odd"]
    assert sum(np.abs(scores[name]).sum() for name in scores) == pytest.approx(1)
    assert np.sign(scores["conv1"]).tolist() == np.sign(rises["odd"]["conv1"]).tolist()


@pytest.mark.parametrize("builder", ["residual", "concat", "flatten_dense", "transpose_depthwise", "excite"])
def test_silenced_is_masked_and_put_back(nets, builder):
    model = nets.lively(getattr(nets, builder)())
    image = nets.inputs(model)
    graph, before = pruning.ChannelGraph(model), weights_of(model)
    for group in graph.prunable:
        plan = pruning.Plan(
            model.name, graph.fingerprint, {one.name: one.size for one in graph.prunable}, {group.name: (1,)}, 0, 0
        )
        with silenced(group, range(1, 2)):
            found = model(image)
        assert nets.difference(found, pruning.mask(model, plan)(image)) == 0
        assert nets.difference(found, model(image)) > 1e-6
    assert same_bits(before, weights_of(model))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_weights_come_back_after_an_error(nets, monkeypatch, error):
    model, calls = nets.lively(nets.plain()), []
    before, compiled = weights_of(model), pruning.scores.loss_rise.compiled

    def failing(task_losses):
        run = compiled(task_losses)

        def call(batch):
            calls.append(same_bits(before, weights_of(model)))
            if len(calls) == 4:
                raise error("stopped")
            return run(batch)

        return call

    monkeypatch.setattr(pruning.scores.loss_rise, "compiled", failing)
    with pytest.raises(error, match="stopped"):
        pruning.LossRise(losses_of(model), [nets.inputs(model)])(pruning.ChannelGraph(model))
    assert calls == [True, False, False, False] and same_bits(before, weights_of(model))


def test_chunks_share_their_rise(nets):
    model = nets.lively(nets.plain())
    graph, batches = pruning.ChannelGraph(model), [nets.inputs(model)]
    rises, _ = pruning.LossRise(losses_of(model), batches, chunk=3).measure(graph)
    dense = {task: float(loss) for task, loss in losses_of(model)(batches[0]).items()}
    with silenced(graph["conv1"], range(6, 8)):
        after = losses_of(model)(batches[0])
    for task in rises:
        first = rises[task]["conv1"]
        assert first[0] == first[1] == first[2] != first[3]
        np.testing.assert_allclose(first[6:], (float(after[task]) - dense[task]) / 2, atol=1e-7)


def branches():
    image = keras.Input((8, 8, 3), name="image")
    trunk = L.Conv2D(3, 1, activation="relu", name="trunk")(image)
    ends = []
    for name in ("one", "two"):
        x = L.Conv2D(4, 1, activation="relu", name=name)(trunk)
        ends.append(L.Conv2D(1, 1, name=f"{name}_end")(x))
    return keras.Model(image, ends, name="branches")


def test_what_a_task_does_not_reach_is_nan_and_what_is_dead_zero(nets):
    model = nets.lively(branches())

    def task_losses(batch):
        one, two = model(batch, training=False)
        return {"one": keras.ops.mean(one**2), "two": keras.ops.mean(two**2)}

    graph, batches = pruning.ChannelGraph(model), [nets.inputs(model)]
    criterion = pruning.LossRise(task_losses, batches, progress=False)
    found = criterion.by_task(graph)
    assert np.isnan(found["two"]["one"]).all() and np.isnan(found["one"]["two"]).all()
    assert np.isfinite(found["one"]["one"]).all() and np.isfinite(found["two"]["trunk"]).all()
    assert np.isfinite(np.concatenate(list(criterion(graph).values.values()))).all()
    end = model.get_layer("two_end")
    end.kernel.assign(np.zeros((1, 1, 4, 1)))
    dead = criterion.by_task(graph)
    assert (dead["one"]["two"] == 0).all() and (dead["two"]["two"] == 0).all()


def test_the_only_channel_of_a_group_can_be_measured(nets):
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, L.Conv2D(2, 1)(L.Conv2D(1, 1, name="only")(image)))
    rises, _ = pruning.LossRise(lambda x: keras.ops.mean(model(x) ** 2), [np.ones((2, 4, 4, 3), "float32")]).measure(
        pruning.ChannelGraph(model)
    )
    assert rises["loss"]["only"][0] < 0


def test_wrong_use_is_named(nets):
    model = nets.lively(nets.plain())
    with pytest.raises(ValueError, match="chunk is 0"):
        pruning.LossRise(losses_of(model), [], chunk=0)
    with pytest.raises(ValueError, match="no batches"):
        pruning.LossRise(losses_of(model), [])(pruning.ChannelGraph(model))
    infinite = lambda batch: {"odd": keras.ops.sum(model(batch)) / 0.0}  # noqa: E731
    with pytest.raises(ValueError, match="a loss is not finite: task 'odd'"):
        pruning.LossRise(infinite, [nets.inputs(model)])(pruning.ChannelGraph(model))
