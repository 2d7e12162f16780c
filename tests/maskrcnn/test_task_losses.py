"""Each task's loss on probe boxes: whose it is, what it is a function of, and literal values."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import maskrcnn
from maskrcnn import boxes as box_ops
from maskrcnn import losses as loss_ops
from maskrcnn.box_overlap import aligned_iou, pairwise_iou
from maskrcnn.network import leaf_layers
from maskrcnn.network.forward import Forward
from maskrcnn.probe_boxes import probe_boxes
from maskrcnn.probe_rules import BACKGROUNDS, JITTERS
from maskrcnn.training.sampled_answers import training_answers

TASKS = ("proposal", "bbox", "class", "mask")


@pytest.fixture
def batch(tiny, pictures):
    """Four pictures of 4, 3, 2 and 1 objects."""
    return next(iter(maskrcnn.data.batches(pictures, tiny().config, 4, training=False)))


def numbers(losses):
    return np.array([float(losses[task]) for task in TASKS])


def one(batch, index):
    return {key: value[index : index + 1] for key, value in batch.items()}


def emptied(batch):
    return batch | {key: tf.zeros_like(batch[key]) for key in ("boxes", "labels", "masks")}


def test_masks_may_come_whole(tiny, batch):
    """As users' own batches have them: the same losses to the bit, here and in training."""
    whole = {key: value for key, value in batch.items() if key != "mask_windows"}
    whole["masks"] = tf.constant(maskrcnn.data.whole_masks(batch))
    model = tiny()
    np.testing.assert_array_equal(numbers(model.task_losses(whole)), numbers(model.task_losses(batch)))
    answers = [model(one)["masks"] for one in (whole, batch)]
    assert answers[0]["targets"].numpy().any()
    for name in ("targets", "logits", "weights"):
        np.testing.assert_array_equal(answers[0][name], answers[1][name])


# Probe boxes


def test_boxes_are_what_they_are_called(batch):
    found = {key: value.numpy() for key, value in probe_boxes(batch).items()}
    objects = (batch["labels"].numpy() > 0).sum(axis=1)
    slots = batch["labels"].shape[1]
    assert objects.tolist() == [4, 3, 2, 1]
    assert found["boxes"].shape == (4, slots * (1 + JITTERS) + BACKGROUNDS, 4)
    for number, count in enumerate(objects):
        boxes, used = found["boxes"][number], found["is_used"][number]
        truth = batch["boxes"][number, :count].numpy()
        np.testing.assert_array_equal(boxes[:count], truth)
        assert used[:count].all() and not used[count:slots].any()
        jittered = np.flatnonzero(found["is_object"][number])[count:]
        assert 0.75 * JITTERS * count <= len(jittered) <= JITTERS * count
        ious = aligned_iou(boxes[jittered], truth[found["matched"][number, jittered]])
        assert 0.5 - 1e-4 <= ious.min() and ious.max() <= 0.9 + 1e-4
        assert (ious >= pairwise_iou(boxes[jittered], truth).max(axis=1) - 1e-3).all()
        labels = batch["labels"][number].numpy()[found["matched"][number]]
        np.testing.assert_array_equal(found["labels"][number], np.where(found["is_object"][number], labels, 0))
        ground = np.flatnonzero(used & ~found["is_object"][number])
        assert len(ground) >= BACKGROUNDS / 2 and ground.min() >= slots * (1 + JITTERS)
        assert pairwise_iou(boxes[ground], truth).max() < 0.3
        assert boxes[used].min() >= 0 and boxes[used].max() <= 64
        assert (boxes[used, 2:] - boxes[used, :2]).min() >= 1
    copies = found["boxes"][0, slots : slots + 4 * JITTERS]
    assert np.std(aligned_iou(copies, np.repeat(batch["boxes"][0, :4].numpy(), JITTERS, axis=0))) > 0.05  # not alike


def test_boxes_follow_from_the_picture_and_the_seed(batch):
    whole, again, other = (probe_boxes(batch, seed)["boxes"].numpy() for seed in (0, 0, 1))
    np.testing.assert_array_equal(whole, again)
    assert np.abs(whole - other).max() > 1
    turned = {key: value[::-1] for key, value in batch.items()}
    np.testing.assert_array_equal(probe_boxes(turned)["boxes"].numpy()[::-1], whole)
    jitters = whole[:, batch["boxes"].shape[1] :]
    assert np.abs(jitters[0] - jitters[1]).max() > 1


def test_background_keeps_out_of_crowds(batch):
    crowd = np.zeros(batch["crowd"].shape, bool)
    crowd[0, 0] = True
    boxes = batch["boxes"].numpy()
    boxes[0, 0] = (0, 0, 64, 32)
    found = {key: value[0].numpy() for key, value in probe_boxes(batch | {"crowd": crowd, "boxes": boxes}).items()}
    ground = found["boxes"][found["is_used"] & ~found["is_object"]]
    heights = np.minimum(ground[:, 3], 32) - ground[:, 1]
    assert len(ground) and (heights / (ground[:, 3] - ground[:, 1]) < 0.3).all()
    assert not found["is_used"][0] and not (found["matched"][found["is_object"]] == 0).any()


# Losses


def test_the_same_batch_gives_the_same_losses_and_its_pictures_their_mean(tiny, batch):
    model, two = tiny(), {key: value[1:3] for key, value in batch.items()}
    whole = numbers(model.task_losses(two))
    assert whole.shape == (4,) and (whole > 0).all()
    np.testing.assert_allclose(numbers(tf.function(model.task_losses)(two)), whole, rtol=1e-5)
    alone = [numbers(model.task_losses(one(two, index))) for index in range(2)]
    np.testing.assert_allclose(np.mean(alone, axis=0), whole, rtol=1e-5)
    assert (np.abs(numbers(model.task_losses(two, seed=5)) - whole)[:3] > 1e-5).all()


def test_batch_norm_infers_and_the_step_does_not_matter(tiny, pictures, batch):
    model = tiny()
    before = [variable.numpy() for variable in model.variables]
    first = numbers(model.task_losses(batch))
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())
    model.compile(keras.optimizers.SGD(0.0))
    model.optimizer.iterations.assign(7)
    np.testing.assert_array_equal(numbers(model.task_losses(batch)), first)
    norm = next(x for x in leaf_layers(model.network) if isinstance(x, keras.layers.BatchNormalization))
    norm.moving_variance.assign(norm.moving_variance * 4.0)
    assert (numbers(model.task_losses(batch)) != first).all()


def test_which_part_each_task_reaches(tiny, batch):
    """Proposals carry no gradient: each head is reached by its own tasks alone, the features by all."""
    model = tiny()
    reached = {
        "features": set(TASKS), "rpn": {"proposal"}, "box_head": {"bbox", "class"}, "mask_head": {"mask"},
        "mrcnn_bbox": {"bbox"}, "mrcnn_class_logits": {"class"},
    }  # fmt: skip
    kernels = {
        part: [layer.kernel.value for layer in leaf_layers(model.network.get_layer(part)) if hasattr(layer, "kernel")]
        for part in ("features", "rpn", "box_head", "mask_head")
    }
    box_head = model.network.get_layer("box_head")
    kernels |= {name: [box_head.get_layer(name).kernel.value] for name in ("mrcnn_bbox", "mrcnn_class_logits")}
    with tf.GradientTape(persistent=True) as tape:
        losses = model.task_losses(batch)
    for task in TASKS:
        for part, tasks in reached.items():
            slopes = tape.gradient(losses[task], kernels[part])
            assert any(slope is not None and float(tf.norm(slope)) > 0 for slope in slopes) == (task in tasks)
            assert task in tasks or all(slope is None for slope in slopes)


def test_other_tasks_answers_do_not_move_a_loss(tiny, batch):
    model = tiny()
    first = numbers(model.task_losses(batch))
    for layers, moved in (
        (("rpn_class", "rpn_bbox"), "proposal"),
        (("mrcnn_bbox",), "bbox"),
        (("mrcnn_class_logits",), "class"),
        (("mrcnn_mask",), "mask"),
    ):
        for layer in leaf_layers(model.network):
            if layer.name in layers:
                layer.bias.assign_add(np.linspace(-2, 1, layer.bias.shape[0]))
        now = numbers(model.task_losses(batch))
        assert [task for task, a, b in zip(TASKS, first, now, strict=True) if a != b] == [moved]
        first = now


def test_pictures_without_objects_count_zero_for_bbox_and_mask(tiny, batch):
    model = tiny()
    empty = emptied(one(batch, 0))
    with tf.GradientTape() as tape:
        losses = model.task_losses(empty)
        total = tf.add_n(list(losses.values()))
    assert float(losses["bbox"]) == float(losses["mask"]) == 0
    assert float(losses["class"]) > 0 and float(losses["proposal"]) > 0
    slopes = tape.gradient(total, [w.value for w in model.network.trainable_weights])
    assert all(np.isfinite(np.asarray(slope)).all() for slope in slopes if slope is not None)
    both = {key: tf.concat([one(batch, 0)[key], empty[key]], axis=0) for key in batch}
    full = numbers(model.task_losses(one(batch, 0)))
    np.testing.assert_allclose(numbers(model.task_losses(both))[[1, 3]], full[[1, 3]] / 2, rtol=1e-5)
    crowded = one(batch, 0) | {"crowd": np.ones((1, batch["crowd"].shape[1]), bool)}
    assert numbers(model.task_losses(crowded))[[1, 3]].tolist() == [0, 0]


def test_literal_losses_of_a_network_that_says_nothing(tiny, batch):
    """All logits and deltas zero: entropy log(C + 1) and log 2; smooth L1 of the targets themselves."""
    model = tiny()
    for layer in leaf_layers(model.network):
        if layer.name in ("mrcnn_bbox", "mrcnn_class_logits", "mrcnn_mask"):
            for weight in layer.weights:
                weight.assign(tf.zeros_like(weight))
    losses = model.task_losses(batch)
    np.testing.assert_allclose(float(losses["class"]), np.log(4), rtol=1e-5)
    np.testing.assert_allclose(float(losses["mask"]), np.log(2), rtol=1e-5)
    found = {key: value.numpy() for key, value in probe_boxes(batch).items()}
    expected = []
    for number in range(4):
        mine = found["is_object"][number]
        truth = batch["boxes"][number].numpy()[found["matched"][number, mine]]
        targets = np.abs(box_ops.encode(truth, found["boxes"][number, mine], model.config.box_delta_std))
        beta = model.config.huber_delta
        expected.append(np.where(targets < beta, targets**2 / (2 * beta), targets - beta / 2).sum(axis=1).mean())
    np.testing.assert_allclose(float(losses["bbox"]), np.mean(expected), rtol=1e-4)


def test_proposal_is_the_training_loss_where_all_anchors_are_taken(tiny, batch):
    model = tiny(rpn_samples=20_000)
    for index in range(2):
        alone = one(batch, index)
        forward = Forward(model.network, model.config, alone["image"], alone["image_size"])
        training = loss_ops.all_losses(training_answers(forward, alone, 0), model.config.huber_delta)
        expected = float(training["rpn_class_loss"] + training["rpn_bbox_loss"])
        np.testing.assert_allclose(float(model.task_losses(alone)["proposal"]), expected, rtol=1e-5)
