"""Distillation: what the terms are, that they reach the student and never the teacher, and for which models."""

import keras
import numpy as np
import pytest

import pruning

L = keras.layers


def small(seed=0, width=6, activations=("softmax", "sigmoid")):
    keras.utils.set_random_seed(seed)
    image = keras.Input((6, 6, 2), name="image")
    x = L.Conv2D(width, 3, activation="relu", name="conv")(image)
    x = L.GlobalAveragePooling2D(name="pool")(x)
    outputs = {
        "kind": L.Dense(3, activation=activations[0], name="kind")(x),
        "even": L.Dense(1, activation=activations[1], name="even")(x),
    }
    return keras.Model(image, outputs)


def compiled(model, weight=1.0):
    losses = {"kind": "sparse_categorical_crossentropy", "even": "binary_crossentropy"}
    model.compile(pruning.masked(keras.optimizers.SGD(0.5)), loss=losses, loss_weights=dict.fromkeys(losses, weight))
    return model


def data():
    random = np.random.default_rng(0)
    return random.normal(size=(32, 6, 6, 2)).astype("float32"), {
        "kind": random.integers(0, 3, 32), "even": random.integers(0, 2, 32).astype("float32"),
    }  # fmt: skip


PAIRS = (
    pruning.DistilledPair("kind", pruning.soft_targets(2.0)),
    pruning.DistilledPair("even", pruning.binary_soft_targets(1.0)),
    pruning.DistilledPair("conv", pruning.relative_difference),
)


def test_the_losses_are_what_their_formulas_say():
    random = np.random.default_rng(1)
    teacher, student = random.normal(size=(2, 5, 4)).astype("float32")

    def softmax(x):
        return np.exp(x) / np.exp(x).sum(-1, keepdims=True)

    t, s = softmax(teacher / 3), softmax(student / 3)
    expected = 9 * (t * np.log(t / s)).sum(-1).mean()
    assert float(pruning.soft_targets(3.0, from_logits=True)(teacher, student)) == pytest.approx(expected, rel=1e-4)
    # Probabilities hold all that logits do, but a constant.
    given = pruning.soft_targets(3.0)(softmax(teacher), softmax(student))
    assert float(given) == pytest.approx(expected, rel=1e-3)

    t, s = 1 / (1 + np.exp(-teacher / 2)), 1 / (1 + np.exp(-student / 2))
    expected = 4 * (t * np.log(t / s) + (1 - t) * np.log((1 - t) / (1 - s))).mean()
    assert float(pruning.binary_soft_targets(2.0, True)(teacher, student)) == pytest.approx(expected, rel=1e-4)
    assert float(pruning.relative_difference(teacher, np.full_like(teacher, teacher.mean()))) == pytest.approx(1.0)
    maps = random.normal(size=(2, 3, 3, 4)).astype("float32")
    assert float(pruning.attention_transfer(maps, 7 * maps)) == pytest.approx(0.0, abs=1e-9)
    assert float(pruning.attention_transfer(maps, np.concatenate([maps, 0 * maps], -1))) < 1e-9
    for loss in (pruning.soft_targets(), pruning.binary_soft_targets(), pruning.relative_difference):
        assert float(loss(softmax(teacher), softmax(teacher))) == pytest.approx(0.0, abs=1e-6)


def test_a_student_without_any_other_loss_comes_to_answer_as_the_teacher_does():
    teacher, student = small(0), compiled(small(1), weight=0.0)
    x, y = data()
    before = teacher.get_weights()
    distillation = pruning.Distillation(teacher, PAIRS)
    with distillation.added_to(student):
        history = student.fit(
            x, y, batch_size=32, epochs=30, verbose=0, callbacks=[pruning.DistillationLog(distillation)]
        ).history
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    for name in ("kind", "even", "conv"):
        assert history[f"distill_{name}"][-1] < 0.6 * history[f"distill_{name}"][0]
    # What is minimised is the weighted sum of the terms that are shown.
    total = sum(history[f"distill_{pair.name}"][0] for pair in PAIRS)
    assert history["loss"][0] == pytest.approx(total, rel=1e-5)
    for one, other in zip(teacher.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_after_the_context_the_model_trains_as_before():
    x, y = data()
    models = [compiled(small(1)) for _ in range(2)]
    distillation = pruning.Distillation(small(0), PAIRS)
    plain = models[0].fit(x, y, batch_size=32, epochs=1, verbose=0).history["loss"]
    start = models[0].get_weights()
    function = models[0].train_function
    with distillation.added_to(models[0]):
        more = models[0].fit(x, y, batch_size=32, epochs=1, verbose=0).history["loss"]
        assert models[0].evaluate(x, y, verbose=0) is not None
    assert models[0].train_function is function
    assert "compute_loss" not in vars(models[0])
    assert "call" not in vars(models[0].get_layer("conv"))
    models[0].set_weights(start)
    again = models[0].fit(x, y, batch_size=32, epochs=1, verbose=0).history["loss"]
    assert more[0] > again[0] + 1e-3
    models[1].fit(x, y, batch_size=32, epochs=1, verbose=0)
    other = models[1].fit(x, y, batch_size=32, epochs=1, verbose=0).history["loss"]
    assert again == pytest.approx(other, rel=1e-5)
    assert plain != again


def test_masked_channels_stay_silent_and_a_second_training_needs_no_new_trace():
    x, y = data()
    teacher, student = small(0), compiled(small(0))
    graph = pruning.ChannelGraph(student)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    pruning.hold(student, plan, graph)
    distillation = pruning.Distillation(teacher, PAIRS)
    functions = []
    for _ in range(2):
        with distillation.added_to(student):
            student.fit(x, y, batch_size=16, epochs=1, verbose=0)
            functions.append(student.train_function)
    assert functions[0] is functions[1]
    assert not student.get_layer("conv").kernel.numpy()[..., plan.gone("conv")].any()
    small_one = pruning.remove(student, plan)
    pairs = (*PAIRS[:2], pruning.DistilledPair("conv", pruning.attention_transfer))
    with pruning.Distillation(teacher, pairs).added_to(compiled(small_one)):
        small_one.fit(x, y, batch_size=16, epochs=1, verbose=0)


def test_a_subclassed_model_gives_its_own_answers():
    class Wrapped(keras.Model):
        def __init__(self, network, **kwargs):
            super().__init__(**kwargs)
            self.network = network

        def call(self, inputs, training=False):
            return {"answer": self.network(inputs["image"], training=training)}

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):  # the old signature
            return keras.ops.mean(keras.ops.square(y_pred["answer"]["even"]))

    def answers(model, x, y_pred):
        found = y_pred if y_pred is not None and model is student else model(x, training=False)
        return found["answer"]

    teacher, student = Wrapped(small(0)), Wrapped(small(1))
    student.compile(pruning.masked("sgd"))
    x, _ = data()
    distillation = pruning.Distillation(teacher, PAIRS[:1], answers)
    log = pruning.DistillationLog(distillation)
    with distillation.added_to(student):
        history = student.fit({"image": x}, batch_size=16, epochs=8, verbose=0, callbacks=[log]).history
    assert history["distill_kind"][-1] < history["distill_kind"][0]


def test_what_cannot_be_is_refused():
    teacher, student = small(0), compiled(small(1))
    x, y = data()
    with pytest.raises(ValueError, match="each name once"):
        pruning.Distillation(teacher, (PAIRS[0], PAIRS[0]))
    with pytest.raises(ValueError, match="the teacher itself"), pruning.Distillation(student, PAIRS).added_to(student):
        pass
    unknown = pruning.Distillation(teacher, [pruning.DistilledPair("conv9", pruning.relative_difference)])
    with pytest.raises(ValueError, match=r"conv9.*its outputs are kind, even"), unknown.added_to(student):
        pass
    wide = pruning.Distillation(small(0, width=5), PAIRS)
    with pytest.raises(ValueError, match=r"'conv'.*different widths"), wide.added_to(student):
        student.fit(x, y, batch_size=16, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="above 0"):
        pruning.soft_targets(0.0)
