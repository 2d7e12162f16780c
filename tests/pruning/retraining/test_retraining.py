"""Rewound rates and weights, decay that grows, and distillation."""

import keras
import numpy as np
import pytest

import pruning


def small(seed=0, optimizer=None):
    """Two outputs of one hidden layer, compiled."""
    keras.utils.set_random_seed(seed)
    numbers = keras.Input((5,), name="numbers")
    hidden = keras.layers.Dense(8, activation="relu", name="hidden")(numbers)
    outputs = {
        "sort": keras.layers.Dense(3, activation="softmax", name="sort")(hidden),
        "size": keras.layers.Dense(1, name="size")(hidden),
    }
    model = keras.Model(numbers, outputs, name="small")
    optimizer = optimizer or keras.optimizers.Adam(0.01)
    model.compile(pruning.masked(optimizer), loss={"sort": "sparse_categorical_crossentropy", "size": "mse"})
    return model


def data(count=32):
    x = np.random.default_rng(1).normal(size=(count, 5)).astype("float32")
    return x, {"sort": x[:, :3].argmax(axis=1), "size": x.sum(axis=1)}


def test_rates_are_those_of_the_end_of_the_training():
    model, (x, y) = small(), data()
    seen = []

    class Rates(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(float(self.model.optimizer.learning_rate))

    model.fit(x, y, batch_size=16, verbose=0)  # the count of updates does not begin at 0
    rate = lambda step: 0.1 / (1 + step)  # noqa: E731
    callbacks = [pruning.RewoundRate(rate, trained=100, steps=4), Rates()]
    model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=callbacks)
    assert seen == pytest.approx([rate(96), rate(97), rate(98), *[rate(99)] * 5])
    with pytest.raises(ValueError, match="steps is 200"):
        pruning.RewoundRate(rate, 100, 200)
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10)), loss=dict.fromkeys(y, "mse"))
    with pytest.raises(ValueError, match="schedule of its own"):
        model.fit(x, y, verbose=0, callbacks=[pruning.RewoundRate(rate, 10, 5)])


def test_weights_are_rewound_and_what_is_pruned_stays_so():
    model, (x, y) = small(), data()
    early, copies = pruning.EarlyWeights(2), []

    class Copy(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            copies.append([np.array(v) for v in self.model.variables])

    model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[early, Copy()])
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    rate = float(model.optimizer.learning_rate)
    early.rewind(model, plan, graph)
    gone = plan.gone("hidden")
    kernel, then = np.array(model.get_layer("hidden").kernel), copies[1][0]
    np.testing.assert_array_equal(kernel[:, ~gone], then[:, ~gone])
    assert not kernel[:, gone].any() and int(model.optimizer.iterations) == 2
    assert float(model.optimizer.learning_rate) == rate
    model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    kernel = np.array(model.get_layer("hidden").kernel)
    assert not kernel[:, gone].any() and (kernel[:, ~gone] != then[:, ~gone]).any()


def test_weights_that_were_not_kept_are_missed():
    model, (x, y) = small(), data()
    with pytest.raises(ValueError, match="without having been at update 50"):
        model.fit(x, y, verbose=0, callbacks=[pruning.EarlyWeights(50)])
    graph = pruning.ChannelGraph(model)
    with pytest.raises(ValueError, match="none were kept"):
        pruning.EarlyWeights(0).rewind(model, pruning.plan(graph, pruning.L1()(graph), 0.5))
    with pytest.raises(ValueError, match="step is 1.5"):
        pruning.EarlyWeights(1.5)


def test_channels_that_are_to_go_fade_and_others_train_on():
    model, (x, y) = small(), data()
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    gone = plan.gone("hidden")
    before = np.array(model.get_layer("hidden").kernel)
    decay = pruning.GrowingDecay(plan, pruning.selective_decay(8, highest=1e6), graph)
    logs = model.fit(x, y, batch_size=8, epochs=4, verbose=0, callbacks=[decay]).history
    after = np.array(model.get_layer("hidden").kernel)
    assert np.abs(after[:, gone]).max() < 0.02 * np.abs(before[:, gone]).max()
    assert np.abs(after[:, ~gone]).max() > 0.5 * np.abs(before[:, ~gone]).max()
    assert 1 > logs["fading"][0] > 10 * logs["fading"][-1] and logs["decay"][-1] == pytest.approx(5e-4 * 1e6)
    masked = pruning.mask(model, plan)
    for task, answer in model(x).items():
        np.testing.assert_allclose(np.array(masked(x)[task]), np.array(answer), atol=0.05)


def test_one_step_of_decay_is_the_papers_to_first_order():
    model, (x, y) = small(optimizer=keras.optimizers.SGD(0.0)), data(8)
    model.optimizer.learning_rate = 1e-3
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    plain = small(optimizer=keras.optimizers.SGD(1e-3))
    for one, callbacks in ((model, [pruning.GrowingDecay(plan, lambda step: 0.1)]), (plain, [])):
        one.fit(x, y, batch_size=8, verbose=0, callbacks=callbacks)
    ours, theirs = np.array(model.get_layer("hidden").kernel), np.array(plain.get_layer("hidden").kernel)
    factor = np.where(plan.gone("hidden"), 1 - 1e-3 * 0.1, 1.0)
    np.testing.assert_allclose(ours, theirs * factor, rtol=1e-6)


def test_coefficients():
    swd = pruning.selective_decay(100, 0.1, 1e4, 1e-3)
    assert [swd(step) for step in (0, 50, 100, 500)] == pytest.approx([1e-4, 1e-3 * 0.1 * 1e5**0.5, 10, 10])
    greg = pruning.growing_regularisation(0.1, every=2, ceiling=0.35)
    assert [greg(step) for step in (0, 1, 2, 5, 6, 100)] == pytest.approx([0.1, 0.1, 0.2, 0.3, 0.35, 0.35])
    for make in (lambda: pruning.selective_decay(0), lambda: pruning.growing_regularisation(every=0)):
        with pytest.raises(ValueError, match="expected"):
            make()


def test_a_student_learns_its_teachers_answers():
    """Without a loss of its own: what is left is the teacher's answers."""
    teacher, student, (x, y) = small(0), small(1), data(64)
    distilled = pruning.Distilled(student, teacher, weight={"sort": 1.0, "size": 1.0})
    losses = {"sort": "sparse_categorical_crossentropy", "size": "mse"}
    distilled.compile(keras.optimizers.Adam(0.02), loss=losses, loss_weights=dict.fromkeys(y, 0.0))
    theirs = {task: np.array(answer) for task, answer in teacher(x).items()}
    far = {task: np.abs(theirs[task] - np.array(answer)).mean() for task, answer in student(x).items()}
    distilled.fit(x, y, batch_size=16, epochs=15, verbose=0)
    for task, answer in student(x).items():
        assert np.abs(theirs[task] - np.array(answer)).mean() < 0.5 * far[task]
        np.testing.assert_array_equal(np.array(teacher(x)[task]), theirs[task])
    assert len(distilled.trainable_variables) == len(student.trainable_variables)


def test_the_divergence_is_that_of_softened_logits():
    teacher, student, (x, y) = small(0), small(1), data(8)
    distilled = pruning.Distilled(student, teacher, {"sort": 1.0}, temperature=3.0)
    distilled.compile("sgd", loss=dict.fromkeys(y, "mse"), loss_weights=dict.fromkeys(y, 0.0))
    targets = {task: keras.ops.convert_to_tensor(np.zeros((8, 3 if task == "sort" else 1), "float32")) for task in y}
    found = float(distilled.compute_loss(keras.ops.convert_to_tensor(x), targets, student(x), training=True))
    p, q = (np.exp(np.log(np.array(model(x)["sort"], dtype=float)) / 3) for model in (teacher, student))
    p, q = p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)
    assert found == pytest.approx(9 * (p * np.log(p / q)).sum(axis=1).mean(), rel=1e-3)
    assert float(distilled.compute_loss(keras.ops.convert_to_tensor(x), targets, student(x), training=False)) == 0


def test_a_student_is_pruned_while_it_is_taught():
    teacher, student, (x, y) = small(0), small(0), data()
    distilled = pruning.Distilled(student, teacher, 0.5, features={"hidden": "hidden"})
    distilled.compile(pruning.masked("adam"), loss={"sort": "sparse_categorical_crossentropy", "size": "mse"})
    graph = pruning.ChannelGraph(distilled)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    pruning.hold(distilled, plan, graph)
    distilled.fit(x, y, batch_size=16, epochs=2, verbose=0)
    assert not np.array(student.get_layer("hidden").kernel)[:, plan.gone("hidden")].any()
    removed = pruning.remove(keras.Model(student.input, student.output, name="small"), plan)
    for task, answer in student(x).items():
        np.testing.assert_allclose(np.array(removed(x)[task]), np.array(answer), atol=1e-5)


@pytest.mark.parametrize("options", [{"weight": {"mask": 1.0}}, {"kinds": {"size": "logits"}}, {"temperature": 0.0}])
def test_what_does_not_fit_is_refused(options):
    with pytest.raises(ValueError, match="do not fit"):
        pruning.Distilled(small(), small(), **options)
