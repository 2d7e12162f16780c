import numpy as np
import pytest
import tensorflow as tf

from maskrcnn.proposals.nms import grouped_nms


def greedy(boxes, scores, threshold, limit):
    """Suppression written down from its definition: (index, group) of the kept, best first."""
    kept = []
    order = [(scores[i, g], i, g) for i in range(len(scores)) for g in range(scores.shape[1]) if scores[i, g] > 0]
    for _, i, g in sorted(order, key=lambda x: -x[0]):
        box = boxes[i, g]
        ok = True
        for j, other in kept:
            if other != g:
                continue
            rival = boxes[j, g]
            size = np.maximum(0, np.minimum(box[2:], rival[2:]) - np.maximum(box[:2], rival[:2]))
            union = np.prod(box[2:] - box[:2]) + np.prod(rival[2:] - rival[:2]) - size.prod()
            ok &= size.prod() / union <= threshold
        if ok:
            kept.append((i, g))
    return kept[:limit]


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("batch", [1, 2])
def test_against_the_definition(static, shared, batch):
    rng = np.random.default_rng(0)
    count, groups = 40, 3
    corner = rng.uniform(0, 60, (batch, count, 1 if shared else groups, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 40, corner.shape)], axis=-1).astype("float32")
    scores = rng.uniform(0.01, 1, (batch, count, groups)).astype("float32")
    scores[rng.uniform(size=scores.shape) < 0.3] = 0
    found, kept_scores, kept_groups, number = grouped_nms(
        tf.constant(boxes), tf.constant(scores), 0.4, 25, 0.0, static_shapes=static
    )
    for b in range(batch):
        every = np.broadcast_to(boxes[b], (count, groups, 4))
        wanted = greedy(every, scores[b], 0.4, 25)
        assert number[b] == len(wanted)
        n = len(wanted)
        np.testing.assert_array_equal(kept_groups[b][:n], [g for _, g in wanted])
        np.testing.assert_array_equal(found[b][:n], [every[i, g] for i, g in wanted])
        np.testing.assert_array_equal(kept_scores[b][:n], [scores[b, i, g] for i, g in wanted])
        assert not np.any(found[b][n:])


@pytest.mark.parametrize("static", [False, True])
def test_nothing_above_the_threshold(static):
    found = grouped_nms(tf.ones((1, 3, 1, 4)), tf.fill((1, 3, 1), 0.1), 0.5, 4, 0.2, static_shapes=static)
    assert found[0].shape == (1, 4, 4)
    assert int(found[3][0]) == 0


@pytest.mark.parametrize("static", [False, True])
def test_many_groups_of_a_large_picture_do_not_blur_each_other(static):
    """Two boxes overlap by a hair more, or less, than the threshold: each group decides as one alone would."""
    box = np.float32([1200.0, 900.0, 1208.0, 908.0])
    for width, kept in ((8 * 0.6 - 1e-3, 2), (8 * 0.6 + 1e-3, 1)):
        other = box + np.float32([0, 0, 0, 0])
        other[2] = box[0] + width
        boxes = tf.constant(np.stack([box, other])[None, :, None])
        scores = tf.concat([tf.fill((1, 1, 90), 0.9), tf.fill((1, 1, 90), 0.8)], axis=1)
        count = grouped_nms(boxes, scores, 0.6, 200, 0.0, static_shapes=static)[3]
        assert int(count[0]) == 90 * kept
