"""Criteria from data on Mask R-CNN: who reaches what, and from losses to a smaller model."""

import types

import keras
import numpy as np
import pytest

import maskrcnn
import pruning

SIZE = 64
TASKS = ("proposal", "bbox", "class", "mask")
REACHED = {"features": set(TASKS), "rpn": {"proposal"}, "box_head": {"bbox", "class"}, "mask_head": {"mask"}}


@pytest.fixture(scope="module")
def case():
    """A tiny Mask R-CNN, its graph, two batches of two pictures, and what Taylor says of it."""
    keras.utils.set_random_seed(3)
    config = maskrcnn.MaskRCNNConfig(
        class_names=("square", "circle", "triangle"), backbone="resnet10", backbone_alpha=0.125, fpn_width=8,
        rpn_width=8, box_head_widths=(16,), mask_head_widths=(8,), mask_deconv_width=8, min_size=SIZE, max_size=SIZE,
        anchor_sizes=(8, 16, 32, 64, 128), roi_canonical_size=32.0, rpn_samples=32, post_nms_test=30,
    )  # fmt: skip
    model = maskrcnn.MaskRCNN(config)
    data = maskrcnn.data.shapes(4, SIZE, seed=1)
    batches = list(maskrcnn.data.batches(data, config, 2, training=False))
    graph = pruning.ChannelGraph(model)
    taylor = pruning.Taylor(model.task_losses, batches)
    return types.SimpleNamespace(
        model=model, data=data, batches=batches, graph=graph, by_task=taylor.by_task(graph),
        shapes=model.input_shapes((SIZE, SIZE), rois=20, detections=5),
    )  # fmt: skip


def voting(by_task, group):
    return {task for task, scores in by_task.items() if not np.isnan(scores[group.name]).any()}


def test_each_task_votes_on_its_own_head_and_on_the_features(case):
    assert tuple(case.by_task) == TASKS
    assert {group.part for group in case.graph.prunable} == set(REACHED)
    for group in case.graph.prunable:
        assert voting(case.by_task, group) == REACHED[group.part], group.name
        for task in REACHED[group.part]:
            assert case.by_task[task][group.name].max() > 0
    for scores in case.by_task.values():
        assert sum(np.nansum(scores[name]) for name in scores) == pytest.approx(1)


@pytest.mark.parametrize("arbiter", [pruning.WeightedSum(), pruning.Union(), pruning.MeanRank()])
def test_from_losses_to_a_smaller_model(case, arbiter, tmp_path):
    scores = arbiter(case.by_task)
    assert all(np.isfinite(scores[group.name]).all() for group in case.graph.prunable)
    plan = pruning.plan(case.graph, scores, 0.5, scope="global", measure="macs", input_shapes=case.shapes)
    assert plan.achieved == pytest.approx(0.5, abs=0.03)
    assert plan.settings["samples"] == 4 and plan.settings["arbiter"] == type(arbiter).__name__
    plan.save(tmp_path / "plan.json")
    small = pruning.remove(case.model, pruning.Plan.load(tmp_path / "plan.json"))
    left = pruning.cost(small, case.shapes).macs / pruning.cost(case.model, case.shapes).macs
    assert left == pytest.approx(1 - plan.achieved)
    masked = pruning.mask(case.model, plan)
    for task, loss in small.task_losses(case.batches[0]).items():
        np.testing.assert_allclose(float(loss), float(masked.task_losses(case.batches[0])[task]), rtol=1e-4)


def test_a_group_that_no_task_of_interest_reaches_is_named_and_can_be_kept(case):
    only = {task: case.by_task[task] for task in ("bbox", "class", "mask")}
    with pytest.raises(ValueError, match="no task votes on channels of 'rpn/rpn_conv'.*exclude"):
        pruning.Union()(only)


def test_fisher_wants_to_know_what_macs_are_counted_for(case):
    with pytest.raises(ValueError, match="size of input 'image' is not fixed"):
        pruning.Fisher(case.model.task_losses, case.batches)(case.graph)


@pytest.mark.slow
def test_loss_rise_finds_the_same_reach(case):
    found = pruning.LossRise(case.model.task_losses, case.batches, chunk=8, progress=False).by_task(case.graph)
    for group in case.graph.prunable:
        assert voting(found, group) == REACHED[group.part], group.name
