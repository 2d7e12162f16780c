"""Distillation of a Mask R-CNN: terms about the very samples that train it, nought for a network like the teacher."""

import keras
import numpy as np
import pytest

import pruning
from experiments.errors import UserError
from experiments.lookup import open_problem
from experiments.problems.maskrcnn.maskrcnn_problem import MaskRCNNProblem

NAMES = ("proposal", "proposal_boxes", "class", "bbox", "mask", "pyramid")


@pytest.fixture(scope="module")
def problem(tiny):
    made = tiny(
        data={"train_count": 4}, model={"train_batch_norm": False}, training={"batch_size": 2},
        finetune={"distill_layers": ["pyramid"]},
    )  # fmt: skip
    found = open_problem(made)
    assert isinstance(found, MaskRCNNProblem)
    return found


def terms(distillation, student, batch):
    """The total, and each term, of one batch; nothing is updated."""
    for mean in distillation.means.values():
        mean.reset_state()
    total = distillation.terms(student, batch, student(batch, training=True))
    return total, {name: float(distillation.means[f"distill_{name}"].result()) for name in NAMES}


def test_the_terms_are_nought_for_the_teachers_own_weights_and_not_after_a_cut(problem):
    student, teacher = problem.model(0), problem.model(0)
    teacher.network.set_weights(student.network.get_weights())
    distillation = problem.distillation(student, teacher, problem.recipe.finetune)
    batch = next(iter(problem.batches("train", 0)))
    _, found = terms(distillation, student, batch)
    assert max(found.values()) < 1e-5

    graph = pruning.ChannelGraph(student)
    pruning.apply_masks(student, pruning.plan(graph, pruning.L1()(graph), 0.5), graph)
    total, found = terms(distillation, student, batch)
    assert all(np.isfinite(value) and value > 1e-5 for value in found.values()), found
    weights = dict.fromkeys(NAMES, 1.0) | {"pyramid": problem.recipe.finetune.distill_layers_weight}
    assert float(total) == pytest.approx(sum(weights[name] * value for name, value in found.items()), rel=1e-4)


@pytest.mark.slow
def test_a_masked_network_comes_to_answer_as_the_teacher_does(problem):
    student, teacher = problem.model(0), problem.model(0)
    teacher.network.set_weights(student.network.get_weights())
    student.compile(pruning.masked(keras.optimizers.SGD(1e-3, global_clipnorm=1.0)))
    graph = pruning.ChannelGraph(student)
    plan = pruning.plan(graph, pruning.L1()(graph), 0.5)
    pruning.hold(student, plan, graph)
    before = teacher.network.get_weights()
    for weight in student.loss_weights.values():
        weight.assign(0.0)  # only the teacher moves the student
    distillation = problem.distillation(student, teacher, problem.recipe.finetune)
    log = pruning.DistillationLog(distillation)
    start = [np.array(weight) for weight in student.trainable_weights]
    with distillation.added_to(student):
        batches = problem.batches("train", 0).take(1).repeat()
        history = student.fit(batches, steps_per_epoch=1, epochs=12, verbose=0, callbacks=[log]).history
    totals = [sum(history[f"distill_{name}"][epoch] for name in NAMES) for epoch in (0, 11)]
    assert totals[1] < 0.9 * totals[0]
    for one, other in zip(teacher.network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    pairs = zip(student.trainable_weights, start, strict=True)
    moved = [weight.path for weight, old in pairs if (np.array(weight) != old).any()]
    for part in ("stem_conv", "rpn_", "box_", "mask_", "fpn_"):  # every part learns from the teacher
        assert any(part in path for path in moved), (part, moved)
    silent = pruning.silent(graph)
    assert all((silent[name] >= plan.gone(name)).all() for name in silent)


def test_other_layers_than_the_pyramid_are_refused(problem):
    settings = problem.recipe.finetune.model_copy(update={"distill_layers": ("res4",)})
    with pytest.raises(UserError, match=r"'res4': .* pyramid"):
        problem.distillation(None, None, settings)
