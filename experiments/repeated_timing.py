"""Seconds of something that takes longer the first time."""

import statistics
import time
from collections.abc import Callable


def first_and_usual(call: Callable[[], object], affordable: Callable[[float], int]) -> tuple[float, float]:
    """Seconds of the first call, and the median of those after it.

    Args:
        call: what is timed.
        affordable: seconds of a later call -> how many more of them may be timed.
    """
    seconds: list[float] = []
    while len(seconds) < 2 or len(seconds) < 2 + affordable(seconds[1]):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return seconds[0], statistics.median(seconds[1:])
