"""NumPy's matrix products beside TensorFlow's work."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache

from threadpoolctl import ThreadpoolController


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """NumPy's matrix products run in one thread meanwhile; also a decorator.

    After a product that it shares out, OpenBLAS keeps its threads waiting busily for a tenth of a second. Where masks
    are pasted between two calls of a graph, they take a core from TensorFlow: a third of the time of detecting in
    pictures of 1024 px one after another, on two cores. The number of threads is the process's; of several threads that
    are here at once, the first sets it and sets it back.
    """
    with _libraries().limit(limits=1):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """Those that NumPy multiplies with: finding them takes a millisecond."""
    return ThreadpoolController().select(user_api="blas")
