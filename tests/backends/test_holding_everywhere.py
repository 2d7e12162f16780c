"""Masks held in `fit`, and the callback, on whatever backend runs: also where the compiled step has no state (JAX)."""

import keras
import numpy as np
import pytest

import pruning
import schedules

OPTIMIZERS = {
    "SGD": lambda: keras.optimizers.SGD(0.05, momentum=0.9, weight_decay=0.01),
    "Adam": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=2, global_clipnorm=1.0),
    "AdamW": lambda: keras.optimizers.AdamW(0.01, gradient_accumulation_steps=2),
}


def fitted(model, small, optimizer, count=8, callbacks=(), prepare=None, **settings):
    """The model after updates on batches of four, the same ones in the same order."""
    tasks = isinstance(model.output, dict)
    model.compile(optimizer, loss=dict.fromkeys(model.output, "mse") if tasks else "mse", **settings)
    if prepare is not None:
        prepare(model)
    x, y = small.pictures(4 * count), small.targets(4 * count)
    if tasks:
        y = {"left": y[:, :2], "right": y[:, 2:]}
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0, callbacks=list(callbacks))
    return model


def half(model):
    graph = pruning.ChannelGraph(model)
    return pruning.plan(graph, pruning.L1()(graph), 0.5)


def silent(model):
    return sum(int(gone.sum()) for gone in pruning.silent(pruning.ChannelGraph(model)).values())


@pytest.mark.parametrize(("name", "kind"), [("plain", "Adam"), ("residual", "SGD"), ("two_tasks", "AdamW")])
def test_a_held_network_trains_as_the_smaller_one(small, name, kind):
    net = small.nets[name]()
    plan = half(net)
    removed = fitted(pruning.remove(net, plan), small, OPTIMIZERS[kind](), 5)
    before = np.array(net.trainable_variables[0])
    held = fitted(net, small, pruning.masked(OPTIMIZERS[kind]()), 5, prepare=lambda model: pruning.hold(model, plan))
    assert silent(held) == sum(map(len, plan.removed.values()))
    assert np.abs(np.array(held.trainable_variables[0]) - before).max() > 1e-4
    again = pruning.remove(held, plan)
    assert small.difference(held, again) < 1e-5
    assert small.difference(removed, again) < 2e-3 * (1 + np.abs(small.outputs(removed, small.pictures())[0]).max())


def test_masks_that_change_between_batches_reach_the_compiled_step(small):
    """One epoch, three turns in it; nothing but the callback looks at the model meanwhile."""
    model = small.nets["plain"]()
    schedule = schedules.PolynomialDecay(0.2, 0.5, begin_step=1, end_step=5, power=1, frequency=2)
    pruner = pruning.PruningCallback(pruning.L1(), schedule)
    seen = []

    class Criterion(pruning.L1):
        """Notes the weights that are there when it is asked."""

        def __call__(self, graph):
            seen.append(np.array(model.get_layer("conv1").kernel))
            return super().__call__(graph)

    pruner.criterion = Criterion()
    start = np.array(model.get_layer("conv1").kernel)
    fitted(model, small, pruning.masked(keras.optimizers.SGD(0.05, momentum=0.9)), 9, [pruner])
    assert pruner.plan.asked == 0.5 and silent(model) == sum(map(len, pruner.plan.removed.values())) == 7
    assert len(seen) == 3
    # Each turn scored the weights of its own step, none those of another or of a variable that JAX had emptied.
    assert 1e-4 < np.abs(seen[0] - start).max() < 0.5
    assert np.abs(seen[1] - seen[0]).max() > 1e-4 and np.abs(seen[2] - seen[1]).max() > 1e-4
    zeros = [(np.asarray(value) == 0).sum() for value in seen]
    assert zeros[0] == 0 and zeros[0] < zeros[1] < zeros[2] < (np.array(model.get_layer("conv1").kernel) == 0).sum()
    # What the optimizer holds is what is silent.
    masks = model.optimizer.masks
    for layer in ("conv0", "conv1"):
        kernel, keep = np.array(model.get_layer(layer).kernel), np.asarray(masks[f"{layer}/kernel"])
        assert (kernel[~keep] == 0).all() and not keep.all()


def test_scores_from_gradients_within_fit(small):
    model = small.nets["two_tasks"]()
    criterion = pruning.Taylor(small.losses_of(model), [(small.pictures(3), small.targets(3))])
    schedule = schedules.PolynomialDecay(0.0, 0.5, begin_step=2, end_step=6, power=1, frequency=2)
    pruner = pruning.PruningCallback(criterion, schedule, "global", measure="macs")
    fitted(model, small, pruning.masked("adam"), 8, [pruner], loss_weights={"left": 1.0, "right": 0.5})
    assert pruner.plan.achieved >= 0.45 and silent(model) == sum(map(len, pruner.plan.removed.values()))
    assert small.difference(model, pruning.remove(model, pruner.plan)) < 1e-5


def test_several_updates_in_a_step(small):
    if keras.backend.backend() == "torch":
        pytest.skip("Keras has steps_per_execution on TensorFlow and JAX only")
    model = small.nets["plain"]()
    pruner = pruning.PruningCallback(pruning.L1(), schedules.OneShot(0.5, begin_step=4))
    fitted(model, small, pruning.masked("sgd"), 9, [pruner], steps_per_execution=3)
    assert silent(model) == 7


def test_masks_are_put_on_an_optimizer_that_has_trained(small):
    model = small.nets["plain"]()
    fitted(model, small, keras.optimizers.Adam(0.01), 3)
    plan = half(model)
    pruning.masked(model.optimizer)
    pruning.hold(model, plan)
    x, y = small.pictures(), small.targets()
    model.fit(x, y, batch_size=4, verbose=0)
    assert int(model.optimizer.iterations) == 5 and silent(model) == sum(map(len, plan.removed.values()))


def test_masks_are_saved_and_loaded(small, tmp_path):
    model = small.nets["plain"]()
    plan = half(model)
    fitted(model, small, pruning.masked("adam"), 2, prepare=lambda model: pruning.hold(model, plan))
    model.save(tmp_path / "masked.keras")
    loaded = keras.saving.load_model(tmp_path / "masked.keras")
    loaded.fit(small.pictures(), small.targets(), batch_size=4, verbose=0)
    assert silent(loaded) == silent(model) == sum(map(len, plan.removed.values()))


def test_loss_weights_that_change(small):
    model = small.nets["two_tasks"]()
    weights = pruning.loss_weights(left=1.0, right=1.0)
    phases = pruning.PhasedLosses(schedules.LossPhases.in_turn(("left", "right"), 2), weights)
    if keras.backend.backend() == "jax":
        with pytest.raises(NotImplementedError, match="loss weights that change in training need Keras on"):
            fitted(model, small, keras.optimizers.SGD(0.01), 4, [phases], loss_weights=weights)
    else:
        fitted(model, small, keras.optimizers.SGD(0.01), 4, [phases], loss_weights=weights)
