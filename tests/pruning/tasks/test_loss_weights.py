"""Loss weights by phase and by need, in a compiled step that is traced once."""

import keras
import numpy as np
import pytest

import pruning
import schedules

HEADS = {"order": ("left", "order"), "total": ("right", "total")}


def head(model, task):
    return [np.array(w) for layer in HEADS[task] for w in model.get_layer(layer).trainable_weights]


def moved(before, after):
    return any(np.any(a != b) for a, b in zip(before, after, strict=True))


class Watch(keras.callbacks.Callback):
    """Which heads moved in each update, and how often the step was traced."""

    def __init__(self):
        super().__init__()
        self.moved = []

    def on_train_batch_begin(self, batch, logs=None):
        self._before = {task: head(self.model, task) for task in HEADS}

    def on_train_batch_end(self, batch, logs=None):
        self.moved.append({task for task in HEADS if moved(self._before[task], head(self.model, task))})


def test_a_task_trains_in_its_turn_only_and_nothing_is_traced_again(two):
    weights = pruning.loss_weights(order=1.0, total=0.5)
    model, (x, y) = two.compiled(weights), two.data(32)
    model.optimizer = None
    model.compile(keras.optimizers.SGD(0.01), loss=two.losses, loss_weights=weights)  # Adam's moments would move on
    traces, call = [], model.compute_loss
    model.compute_loss = lambda *a, **k: traces.append(1) or call(*a, **k)
    watch = Watch()
    phases = schedules.LossPhases.in_turn(("order", "total"), 2)
    callback = pruning.PhasedLosses(phases, weights)
    model.fit(x, y, batch_size=8, epochs=2, verbose=0, shuffle=False, callbacks=[callback, watch])
    assert watch.moved[:4] == [{"order"}, {"order"}, {"total"}, {"total"}]
    assert watch.moved[4:] == [{"order", "total"}] * 4
    assert len(traces) <= 2  # Keras's own one or two, for eight updates in three phases
    assert {task: float(weight) for task, weight in weights.items()} == {"order": 1.0, "total": 0.5}


def test_a_factor_multiplies_the_compiled_weight(two):
    """Phases over epochs give what a model compiled with those numbers gives."""
    weights, (x, y) = pruning.loss_weights(order=1.0, total=0.5), two.data(32)
    phased, plain = two.compiled(weights), two.compiled({"order": 1.0, "total": 1.5})
    phases = schedules.LossPhases([(0, {"total": 3.0})], unit="epoch")
    for model, callbacks in ((phased, [pruning.PhasedLosses(phases, weights)]), (plain, [])):
        model.fit(x, y, batch_size=8, epochs=2, verbose=0, shuffle=False, callbacks=callbacks)
    for one, other in zip(phased.weights, plain.weights, strict=True):
        np.testing.assert_allclose(np.array(one), np.array(other), atol=1e-6)


def test_weights_that_are_variables_are_saved_and_read(two, tmp_path):
    weights = pruning.loss_weights(order=1.0, total=0.5)
    model, (x, y) = two.compiled(weights), two.data(16)
    model.fit(x, y, verbose=0)
    assert len(model.weights) == len(two.model().weights)  # none of the model's own
    model.save(tmp_path / "two.keras")
    read = keras.models.load_model(tmp_path / "two.keras")
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    assert read.evaluate(x, y, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-5)


def test_weights_by_need(two):
    weights = pruning.loss_weights(order=1.0, total=1.0)
    model, (x, y) = two.compiled(weights, rate=0.03), two.data(64)
    callback = pruning.AdaptiveLosses(schedules.AdaptiveWeights(window=2), weights)
    history = model.fit(x, y, batch_size=16, epochs=4, verbose=0, callbacks=[callback])
    for task in ("order", "total"):
        assert [epoch[task] for epoch in callback.epochs] == pytest.approx(history.history[f"{task}_loss"])
    assert callback.factors == pytest.approx(schedules.AdaptiveWeights(window=2)(callback.epochs))
    assert sum(callback.factors.values()) == pytest.approx(2) and callback.factors["order"] != 1
    assert float(weights["order"]) == 1.0  # put back


@pytest.mark.parametrize("kind", ["none", "floats", "task"])
def test_mistakes_are_named(two, kind):
    weights, (x, y) = pruning.loss_weights(order=1.0, total=1.0), two.data(8)
    phases = schedules.LossPhases([(0, {"shape" if kind == "task" else "order": 1.0})])
    model = two.compiled(weights if kind == "task" else None)
    callback = pruning.PhasedLosses(phases, None if kind == "none" else weights)
    word = {"none": "loss_weights=w", "floats": "compiled with other", "task": "no loss of task 'shape'"}[kind]
    with pytest.raises(ValueError, match=word):
        model.fit(x, y, verbose=0, callbacks=[callback])
