"""One worker thread for the network, and a bounded queue before it.

The thread keeps TensorFlow off the event loop, which goes on answering; one at a time keeps memory bounded, and is
no slower, because a detection uses every core.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class QueueFull(Exception):
    """All places are taken.

    Attributes:
        retry_after: whole seconds after which a place is likely to be free.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the queue is full; try again in {retry_after} s")
        self.retry_after = retry_after


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


class WorkQueue:
    """Runs one job at a time, in the order in which they came.

    Args:
        places: that may be taken at a time, the running job's included.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self.taken = 0
        self._turn = asyncio.Lock()  # hands its turn on in the order of asking
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="detection")
        self._usual_seconds = 1.0  # of a job

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Holds a place, from before the request's body is read, so that bodies in memory are bounded too.

        Raises:
            QueueFull: there is none.
        """
        if self.taken >= self.places:
            raise QueueFull(max(1, math.ceil(self._usual_seconds)))
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    async def run(self, job: Callable[[float], Result], abandoned: Callable[[], Awaitable[bool]]) -> Result:
        """Runs a job in the worker thread when its turn comes.

        Args:
            job: called with the seconds that it waited.
            abandoned: asked when the turn comes: whether nobody waits for the answer any more.

        Returns:
            what the job returned.

        Raises:
            Abandoned: it was not run.
        """
        asked = time.perf_counter()
        async with self._turn:
            began = time.perf_counter()
            if await abandoned():
                raise Abandoned
            result = await asyncio.get_running_loop().run_in_executor(self._thread, job, began - asked)
            self._usual_seconds += 0.2 * (time.perf_counter() - began - self._usual_seconds)
        return result

    def close(self) -> None:
        """Waits for the running job, and takes no other."""
        self._thread.shutdown(wait=True, cancel_futures=True)
