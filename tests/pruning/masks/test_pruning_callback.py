"""PruningCallback: turns of the schedule, growth, holding, logs, resume."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import pruning
import schedules


def data(count=16):
    generator = np.random.default_rng(0)
    return generator.normal(size=(count, 8, 8, 3)).astype("float32"), generator.normal(
        size=(count, 4)
    ).astype("float32")


def compiled(nets, optimizer=None, **settings):
    model = nets.shake(nets.plain())
    model.compile(
        pruning.masked(optimizer or keras.optimizers.SGD(0.05, momentum=0.9)), loss="mse", **settings
    )
    return model


class Watch(keras.callbacks.Callback):
    """Silent channels after each step."""

    def __init__(self):
        super().__init__()
        self.gone = []

    def on_train_batch_end(self, batch, logs=None):
        self.gone.append(pruning.silent(pruning.ChannelGraph(self.model)))

    def counts(self):
        return [int(sum(g.sum() for g in gone.values())) for gone in self.gone]


def test_gradual_pruning_only_grows_and_is_logged(nets):
    model = compiled(nets)
    schedule = schedules.PolynomialDecay(0.0, 0.5, begin_step=2, end_step=7, power=1, frequency=2)
    callback, watch = pruning.PruningCallback(pruning.L1(), schedule), Watch()
    history = model.fit(*data(), batch_size=4, epochs=3, verbose=0, callbacks=[callback, watch])
    asked = [0, 0, 0, 0, 0.2, 0.2, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5]
    assert watch.counts() == [round(6 * s) + round(8 * s) for s in asked]
    for earlier, later in zip(watch.gone, watch.gone[1:], strict=False):
        assert all(np.all(later[name][gone]) for name, gone in earlier.items())
    assert history.history["sparsity"] == [0.0, 0.5, 0.5]
    assert history.history["sparsity_asked"] == [0.0, 0.5, 0.5]
    assert callback.plan.achieved == 0.5


def test_a_schedule_may_answer_in_tensors(nets):
    """As those of tensorflow-model-optimization do."""
    ours, logs = schedules.PolynomialDecay(0.0, 0.5, begin_step=2, end_step=7, power=1, frequency=2), []
    for schedule in (ours, lambda step: tuple(map(tf.constant, ours(step)))):
        callback = pruning.PruningCallback(pruning.L1(), schedule)
        history = compiled(nets).fit(*data(), batch_size=4, epochs=2, verbose=0, callbacks=[callback])
        logs.append((history.history["sparsity"], history.history["sparsity_asked"], callback.plan))
    assert logs[0] == logs[1] and type(callback.plan.asked) is float


def test_one_shot_at_zero_comes_before_the_first_step(nets):
    model, watch = compiled(nets), Watch()
    callback = pruning.PruningCallback(pruning.Random(1), schedules.OneShot(0.5, 0), scope="global")
    model.fit(*data(), batch_size=4, epochs=2, verbose=0, callbacks=[callback, watch])
    assert watch.counts() == [7] * 8
    assert all(np.array_equal(watch.gone[0][name], watch.gone[-1][name]) for name in watch.gone[0])


def test_turns_inside_one_execution_are_not_lost(nets):
    model = compiled(nets, steps_per_execution=4)
    schedule = schedules.PolynomialDecay(0.0, 0.5, begin_step=1, end_step=6, frequency=1)
    model.fit(*data(48), batch_size=4, verbose=0, callbacks=[pruning.PruningCallback(pruning.L1(), schedule)])
    gone = pruning.silent(pruning.ChannelGraph(model))
    assert [int(gone[name].sum()) for name in ("conv0", "conv1")] == [3, 4]


def test_an_end_step_at_the_end_of_training_is_taken(nets):
    model = compiled(nets)
    schedule = schedules.PolynomialDecay(0.0, 0.5, begin_step=0, end_step=4, frequency=4)
    model.fit(*data(), batch_size=4, verbose=0, callbacks=[pruning.PruningCallback(pruning.L1(), schedule)])
    assert sum(int(g.sum()) for g in pruning.silent(pruning.ChannelGraph(model)).values()) == 7


def test_a_loaded_model_goes_on_where_it_was(nets, tmp_path):
    schedule = schedules.PolynomialDecay(0.0, 0.5, begin_step=0, end_step=6, frequency=2)

    def callback():
        return pruning.PruningCallback(pruning.L1(), schedule)

    straight = compiled(nets)
    straight.fit(*data(), batch_size=4, epochs=2, verbose=0, shuffle=False, callbacks=[callback()])
    model = compiled(nets)
    model.fit(*data(), batch_size=4, epochs=1, verbose=0, shuffle=False, callbacks=[callback()])
    model.save(tmp_path / "m.keras")
    model = keras.models.load_model(tmp_path / "m.keras")
    model.fit(*data(), batch_size=4, epochs=1, verbose=0, shuffle=False, callbacks=[callback()])
    for one, other in zip(straight.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_pruned_model_with_a_new_optimizer_is_held(nets):
    model = nets.shake(nets.plain())
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    masked = pruning.mask(model, plan)
    masked.compile(pruning.masked(keras.optimizers.Adam(0.01)), loss="mse")
    callback = pruning.PruningCallback(pruning.L1(), schedules.OneShot(0.5, 100))
    history = masked.fit(*data(), batch_size=4, epochs=2, verbose=0, callbacks=[callback])
    assert all(
        np.array_equal(g, plan.gone(n)) for n, g in pruning.silent(pruning.ChannelGraph(masked)).items()
    )
    assert history.history["sparsity"] == [0.5, 0.5]


def test_a_turn_that_was_missed_is_made_up_for(nets):
    model = compiled(nets)
    model.fit(*data(), batch_size=4, verbose=0)
    callback = pruning.PruningCallback(pruning.L1(), schedules.OneShot(0.5, 0))
    with pytest.warns(UserWarning, match=r"4 updates before this training.*7 channels go before the first step"):
        model.fit(*data(), batch_size=4, verbose=0, callbacks=[callback])
    assert callback.plan.achieved == 0.5


@pytest.mark.parametrize(("steps", "end"), [(3, 5), (3, 8), (4, 6), (5, 7), (5, 8), (7, 8)])
def test_no_turn_is_lost_whatever_the_executions(nets, steps, end):
    """8 updates in executions of some steps; the last turns lie inside an execution, an epoch or at the end."""
    model = compiled(nets, steps_per_execution=steps, run_eagerly=False)
    schedule = schedules.PolynomialDecay(0.0, 0.5, begin_step=1, end_step=end, frequency=50)
    callback = pruning.PruningCallback(pruning.Random(0), schedule)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(*data(32), batch_size=4, verbose=0, callbacks=[callback])
    assert callback.plan.asked == 0.5 and callback.plan.achieved == 0.5


def test_turns_passed_in_training_without_the_callback_are_made_up_for(nets):
    model = compiled(nets)
    schedule = schedules.PolynomialDecay(0.0, 0.5, begin_step=0, end_step=6, frequency=2)
    with pytest.warns(UserWarning, match=r"ended at step 4 of the pruning schedule, before its end step 6"):
        model.fit(*data(), batch_size=4, verbose=0, callbacks=[pruning.PruningCallback(pruning.L1(), schedule)])
    model.fit(*data(), batch_size=4, verbose=0)  # passes the end step
    callback = pruning.PruningCallback(pruning.L1(), schedule)
    with pytest.warns(UserWarning, match="8 updates before this training.*count_from='fit'"):
        model.fit(*data(), batch_size=4, verbose=0, callbacks=[callback])
    assert callback.plan.achieved == 0.5


def test_steps_are_counted_from_this_training_on_request(nets):
    model, watch = compiled(nets), Watch()
    model.fit(*data(), batch_size=4, epochs=2, verbose=0)
    schedule = schedules.PolynomialDecay(0.0, 0.5, begin_step=0, end_step=4, power=1, frequency=2)
    callback = pruning.PruningCallback(pruning.L1(), schedule, count_from="fit")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(*data(), batch_size=4, epochs=2, verbose=0, callbacks=[callback, watch])
    assert watch.counts() == [0, 0, 3, 3, 7, 7, 7, 7]  # 0.25 of 6 is 1, the smaller of two equally near; of 8 it is 2
    with pytest.raises(ValueError, match="count_from is 'begin'"):
        pruning.PruningCallback(pruning.L1(), schedule, count_from="begin")


def test_a_network_that_begins_at_zero_is_pruned_all_the_same(nets):
    model = nets.plain()
    for layer in ("conv0", "conv1", "logits"):
        model.get_layer(layer).kernel.assign(np.zeros(model.get_layer(layer).kernel.shape))
    model.compile(pruning.masked("sgd"), loss="mse")
    callback = pruning.PruningCallback(pruning.Random(0), schedules.OneShot(0.5, 2))
    history = model.fit(*data(), batch_size=4, verbose=0, callbacks=[callback]).history
    assert callback.plan.asked == 0.5 and history["sparsity"] == [0.5]


def test_it_costs_next_to_nothing_where_no_mask_changes(nets):
    """Nothing but the step is read between turns: no variable is copied, no plan made."""
    model = compiled(nets)
    callback = pruning.PruningCallback(pruning.L1(), schedules.OneShot(0.5, 0))
    model.fit(*data(), batch_size=4, verbose=0, callbacks=[callback])
    callback.criterion = None
    read, array = [], keras.Variable.__array__
    try:
        keras.Variable.__array__ = lambda self, *args: read.append(self.path) or array(self, *args)
        for batch in range(4, 40):
            callback.on_train_batch_begin(batch)
            callback.on_train_batch_end(batch)
    finally:
        keras.Variable.__array__ = array
    assert set(read) <= {model.optimizer.iterations.path}


def test_it_works_on_an_object_with_a_network(nets):
    model = nets.Detector({})
    model.compile(pruning.masked(keras.optimizers.SGD(0.01, momentum=0.9)), jit_compile=False)
    x = {
        "image": np.random.default_rng(0).normal(size=(8, 16, 16, 3)).astype("float32"),
        "rois": np.zeros((8, 5, 4), "float32"),
    }
    batches = tf.data.Dataset.from_tensor_slices((x,)).batch(4)
    before = {v.path: np.asarray(v).copy() for v in model.network.trainable_variables}
    callback = pruning.PruningCallback(pruning.L1(), schedules.OneShot(0.5), include=["features", "rpn"])
    model.fit(batches, epochs=2, verbose=0, callbacks=[callback])
    graph = pruning.ChannelGraph(model)
    gone = pruning.silent(graph)
    assert gone["features/c2"].sum() == 3 and gone["rpn/rpn_conv"].sum() == 4
    assert not gone["box_head/fc1"].any()
    assert all(np.array_equal(g, callback.plan.gone(n)) for n, g in gone.items() if n in callback.plan.sizes)
    kernel = np.asarray(model.network.get_layer("features").get_layer("c2").kernel)
    alive = ~gone["features/c2"]
    assert np.all(kernel[..., alive] != before["c2/kernel"][..., alive])


def test_errors_come_early(nets):
    with pytest.raises(ValueError, match="only rises"):
        pruning.PruningCallback(pruning.L1(), schedules.CyclicalSparsity(0, 0.5, 0, 10))
    with pytest.raises(TypeError, match=r"such as pruning.L1\(\)"):
        pruning.PruningCallback(pruning.L1, schedules.OneShot(0.5))
    for wrong in (schedules.OneShot, keras.optimizers.schedules.PolynomialDecay(0.1, 100), 0.5):
        with pytest.raises(TypeError, match="the schedules of Keras are for learning rates"):
            pruning.PruningCallback(pruning.L1(), wrong)
    model = nets.plain()
    model.compile("sgd", loss="mse")
    with pytest.raises(ValueError, match="pruning.masked"):
        model.fit(
            *data(), verbose=0, callbacks=[pruning.PruningCallback(pruning.L1(), schedules.OneShot(0.5))]
        )
    with pytest.raises(ValueError, match="include and exclude"):
        pruning.PruningCallback(
            pruning.L1(), schedules.OneShot(0.5), include="a", graph=pruning.ChannelGraph(nets.plain())
        )
