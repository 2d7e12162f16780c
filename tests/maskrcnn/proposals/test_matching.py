import tensorflow as tf

from maskrcnn.proposals.matching import IGNORED, NEGATIVE, POSITIVE, match, most_overlapped


def boxes(*rows):
    return tf.constant([rows], tf.float32)


def run(candidates, objects, valid=None, crowd=None, keep_best=True, positive=0.7, negative=0.3):
    count = objects.shape[1]
    labels, iou = match(
        candidates,
        objects,
        tf.constant([valid or [True] * count]),
        tf.constant([crowd or [False] * count]),
        positive,
        negative,
        keep_best,
    )
    matched = most_overlapped(iou, tf.range(candidates.shape[1])[None])
    return labels.numpy()[0].tolist(), matched.numpy()[0].tolist()


def test_thresholds():
    candidates = boxes((0, 0, 10, 10), (0, 0, 10, 5), (20, 20, 30, 30))
    labels, matched = run(candidates, boxes((0, 0, 10, 10)))
    assert labels == [POSITIVE, IGNORED, NEGATIVE]
    assert matched[0] == 0


def test_an_object_without_a_good_candidate_keeps_its_best_ones_ties_too():
    candidates = boxes((0, 0, 10, 4), (0, 6, 10, 10), (0, 0, 10, 3))
    assert run(candidates, boxes((0, 0, 10, 10)))[0] == [POSITIVE, POSITIVE, IGNORED]
    assert run(candidates, boxes((0, 0, 10, 10)), keep_best=False)[0] == [IGNORED, IGNORED, IGNORED]


def test_a_candidate_kept_for_one_object_stays_with_the_one_it_overlaps_most():
    # The only candidate is the best that object 1 has, yet it overlaps object 0 more.
    labels, matched = run(boxes((0, 0, 10, 10)), boxes((0, 0, 10, 9), (0, 8, 10, 18)))
    assert (labels, matched) == ([POSITIVE], [0])


def test_padding_is_no_object():
    labels, _ = run(boxes((0, 0, 0, 0), (0, 0, 5, 5)), boxes((0, 0, 0, 0)), valid=[False])
    assert labels == [NEGATIVE, NEGATIVE]


def test_a_candidate_on_a_crowd_is_no_negative():
    labels, _ = run(boxes((0, 0, 5, 5), (50, 50, 60, 60)), boxes((0, 0, 20, 20)), valid=[False], crowd=[True])
    assert labels == [IGNORED, NEGATIVE]


def test_candidates_of_all_pictures_at_once_and_only_those_asked_for():
    candidates = boxes((0, 0, 10, 10), (40, 40, 50, 50), (0, 0, 10, 9))
    objects = tf.concat([boxes((0, 0, 10, 9), (40, 40, 50, 50)), boxes((0, 0, 1, 1), (0, 0, 10, 10))], axis=0)
    valid = tf.constant([[True, True], [False, True]])
    flags = valid, tf.zeros_like(valid), 0.95, 0.3, True
    both = match(tf.repeat(candidates, 2, axis=0), objects, *flags)
    shared = match(candidates[0], objects, *flags)
    for one, other in zip(both, shared, strict=True):
        assert tf.reduce_all(one == other)
    assert shared[0].numpy().tolist() == [[IGNORED, POSITIVE, POSITIVE], [POSITIVE, NEGATIVE, IGNORED]]
    assert most_overlapped(shared[1], tf.constant([[2, 1], [1, 2]])).numpy().tolist() == [[0, 1], [1, 1]]


def test_a_candidate_that_is_no_number_is_of_no_object():
    assert run(boxes((float("nan"),) * 4), boxes((0, 0, 10, 10)))[0] == [IGNORED]
