"""NumPy's products take one thread while they stand between calls of a graph, and all of them afterwards."""

import threading

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from maskrcnn.blas_threads import one_blas_thread
from maskrcnn.regions import pasting


def threads():
    return [library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info()]


@pytest.fixture(autouse=True)
def three():
    """Three threads to begin with, however many the machine and the tests' command give."""
    with ThreadpoolController().select(user_api="blas").limit(limits=3):
        assert set(threads()) == {3}
        yield
        assert set(threads()) == {3}


def test_one_inside_and_as_many_as_before_after_an_error():
    with pytest.raises(KeyError), one_blas_thread():
        with one_blas_thread():
            assert set(threads()) == {1}
        assert set(threads()) == {1}
        raise KeyError
    assert set(threads()) == {3}


def test_several_threads_at_once_leave_it_as_it_was():
    entered, may_go, seen = threading.Event(), threading.Event(), []

    @one_blas_thread()
    def other():
        entered.set()
        may_go.wait(10)

    worker = threading.Thread(target=other)
    with one_blas_thread():
        worker.start()
        assert entered.wait(10)
        seen.extend(threads())
    may_go.set()
    worker.join()
    assert set(seen) == {1} and set(threads()) == {3}


def test_masks_are_pasted_so(monkeypatch):
    found, lay = [], pasting._lay
    monkeypatch.setattr(pasting, "_lay", lambda *given: (found.extend(threads()), lay(*given)))
    probs = np.random.default_rng(0).uniform(size=(2, 28, 28)).astype("float32")
    boxes = np.float32([[10, 20, 700, 900], [0, 0, 1000, 500]])
    pasted = pasting.paste_masks(probs, boxes, 1024, 1024, 0.5)
    assert set(found) == {1}
    np.testing.assert_array_equal(pasted, pasting.paste_masks.__wrapped__(probs, boxes, 1024, 1024, 0.5))
