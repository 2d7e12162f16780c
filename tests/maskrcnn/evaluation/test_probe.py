from dataclasses import replace

import numpy as np
from pytest import approx

from maskrcnn.box_overlap import aligned_iou, pairwise_iou
from maskrcnn.evaluation import ProbeSet, image_probes, probe_set
from maskrcnn.evaluation.probe import BACKGROUND, GROUND_TRUTH, JITTERED, unrefined_iou


def same(one, other):
    return all(
        np.array_equal(getattr(one, n), getattr(other, n)) for n in ("boxes", "labels", "owner", "kind")
    )


def test_boxes_keep_their_promises(made):
    for index, sample in enumerate(made.dataset(12)):
        probes = image_probes(sample, 3, index)
        real = ~sample.crowd
        assert np.array_equal(probes.mask_boxes, sample.boxes[real])
        jittered = probes.kind == JITTERED
        assert jittered.sum() == 4 * real.sum()
        owner = probes.owner[jittered]
        assert np.array_equal(np.bincount(owner, minlength=len(real)), 4 * real)
        ious = pairwise_iou(probes.boxes[jittered], sample.boxes) if len(real) else np.zeros((0, 0))
        own = ious[np.arange(len(owner)), owner]
        assert ((own >= 0.5) & (own <= 0.9)).all()
        assert (own >= ious[:, real].max(axis=1, initial=0)).all()
        assert np.array_equal(probes.labels[jittered], sample.labels[owner])
        background = probes.kind == BACKGROUND
        assert background.sum() == 8 and (probes.labels[background] == 0).all()
        if len(real):
            assert pairwise_iou(probes.boxes[background], sample.boxes).max() < 0.3
        assert (probes.boxes >= 0).all() and (probes.boxes <= [128, 96, 128, 96]).all()
        assert (probes.boxes[:, 2:] > probes.boxes[:, :2]).all()


def test_jitter_covers_the_whole_range_of_iou(made):
    dataset = made.dataset(40)
    ious = np.concatenate([unrefined_iou(s, p) for s, p in zip(dataset, probe_set(dataset), strict=True)])
    shares = np.histogram(ious, [0.5, 0.6, 0.7, 0.8, 0.9])[0] / len(ious)
    assert shares == approx([0.25] * 4, abs=0.05)


def test_seed_and_index_alone_decide(made):
    dataset = made.dataset(6)
    first, again, other = probe_set(dataset, 1), probe_set(dataset, 1, limit=4), probe_set(dataset, 2)
    assert len(again) == 4 and all(same(a, b) for a, b in zip(first, again, strict=False))
    assert not same(first[0], other[0])
    sample = dataset[0]
    assert not same(image_probes(sample, 1, 0), image_probes(sample, 1, 1))
    assert same(first[2], image_probes(dataset[2], 1, 2))


def test_background_keeps_out_of_crowds_and_off_distractors(made):
    sample = made.sample(0, ("box",), objects=1)
    crowd = np.array([[0, 0, 128, 60]], np.float32)
    crowded = replace(
        sample, boxes=crowd, crowd=np.array([True]), distractors=np.array([[30, 66, 60, 92]], np.float32)
    )
    probes = image_probes(crowded, 0, 0, backgrounds=40)
    assert (probes.kind == BACKGROUND).all() and len(probes.boxes) == 40
    inside = np.clip(np.minimum(probes.boxes[:, 3], 60) - probes.boxes[:, 1], 0, None)
    assert (inside / (probes.boxes[:, 3] - probes.boxes[:, 1]) < 0.3).all()
    assert pairwise_iou(probes.boxes, crowded.distractors).max() < 0.3
    free = image_probes(replace(crowded, distractors=np.zeros((0, 4), np.float32)), 0, 0, backgrounds=400)
    assert pairwise_iou(free.boxes, crowded.distractors).max() >= 0.3  # the distractor did keep them away


def test_no_room_gives_fewer_boxes_not_a_hang(made):
    sample = made.sample(0, ("box",), objects=1)
    full = replace(sample, boxes=np.array([[0, 0, 128, 96]], np.float32), crowd=np.array([True]))
    assert len(image_probes(full, 0, 0).boxes) == 0
    twins = replace(
        sample,
        boxes=np.repeat(sample.boxes, 2, axis=0), labels=np.array([1, 2], np.int32),
        masks=np.repeat(sample.masks, 2, axis=0), crowd=np.zeros(2, bool), areas=np.repeat(sample.areas, 2),
    )  # fmt: skip
    assert (image_probes(twins, 0, 0).kind == JITTERED).sum() == 8
    tiny = replace(sample, boxes=np.array([[127, 95, 128, 96]], np.float32))
    probes = image_probes(tiny, 0, 0)
    ious = aligned_iou(probes.boxes[probes.kind == JITTERED], tiny.boxes[0])
    assert len(ious) >= 1 and (ious >= 0.5).all() and (ious <= 0.9).all()


def test_counts_are_arguments(made):
    probes = image_probes(made.sample(0, ("box",)), 0, 0, jitters=7, backgrounds=2)
    assert np.bincount(probes.kind).tolist() == [3, 21, 2]
    assert (probes.kind == GROUND_TRUTH)[:3].all()


def test_a_stored_set_comes_back(made, tmp_path):
    probes = probe_set(made.dataset(6), seed=9)
    probes.save(tmp_path / "probes.npz")
    again = ProbeSet.load(tmp_path / "probes.npz")
    assert again.seed == 9 and len(again) == 6
    for one, other in zip(probes, again, strict=True):
        assert same(one, other) and one.boxes.dtype == other.boxes.dtype == np.float32


def test_a_jittered_copy_is_nearest_to_its_own_object(made):
    sample = made.sample(0, ("box", "disc"), objects=2)
    overlapping = replace(sample, boxes=np.array([[20, 10, 80, 70], [32, 10, 92, 70]], np.float32))
    for index in range(20):
        probes = image_probes(overlapping, 0, index)
        jittered = probes.kind == JITTERED
        ious = pairwise_iou(probes.boxes[jittered], overlapping.boxes)
        own = ious[np.arange(8), probes.owner[jittered]]
        assert len(ious) == 8 and (own == ious.max(axis=1)).all()
