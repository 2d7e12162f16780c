import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn.regions.sampling import balanced_sample, random_priority


def sample(labels, count, fraction=0.5):
    priority = tf.range(len(labels), dtype=tf.float32)[None]
    found = balanced_sample(tf.constant([labels]), priority, count, fraction)
    return [x.numpy()[0] for x in found]


def test_the_first_by_priority_positives_before_negatives():
    index, positive, sampled = sample([0, 1, -1, 1, 0, 0, 1], 4)
    np.testing.assert_array_equal(index, [1, 3, 0, 4])
    np.testing.assert_array_equal(positive, [True, True, False, False])
    assert sampled.all()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=30), st.integers(1, 12), st.sampled_from([0.25, 0.5]))
def test_counts(labels, count, fraction):
    index, positive, sampled = sample(labels, count, fraction)
    labels = np.array(labels)
    positives = min((labels == 1).sum(), int(count * fraction))
    negatives = min((labels == 0).sum(), count - positives)
    assert positive.sum() == positives
    assert sampled.sum() == positives + negatives
    assert (labels[index[positive]] == 1).all()
    assert (labels[index[sampled & ~positive]] == 0).all()
    assert len(set(index[sampled])) == sampled.sum()


def test_priorities_depend_on_seed_step_and_stream_alone():
    first = random_priority((2, 5), seed=1, step=7, stream=0)
    np.testing.assert_array_equal(first, random_priority((2, 5), seed=1, step=7, stream=0))
    for other in (dict(seed=2, step=7, stream=0), dict(seed=1, step=8, stream=0), dict(seed=1, step=7, stream=1)):
        assert not np.array_equal(first, random_priority((2, 5), **other))
