import numpy as np

from experiments.problems.detector_speed.peak_memory import most_bytes


def test_the_most_memory_is_told_after_it_was_given_back():
    before = most_bytes()
    held = np.ones(40_000_000)
    assert held[-1] == 1
    size = held.nbytes
    del held
    after = most_bytes()
    assert after >= before
    assert after >= size
    assert most_bytes() == after
