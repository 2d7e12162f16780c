"""Numbered channels that may be tied to one another or locked: a union-find."""

import numpy as np


class Channels:
    """Every channel a layer makes gets a number; tying two means that they live or die together."""

    def __init__(self) -> None:
        self._parent: list[int] = []
        self._locked: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._parent)

    def new(self, count: int) -> np.ndarray:
        """`count` fresh channels: their numbers, int array (count,)."""
        start = len(self._parent)
        self._parent.extend(range(start, start + count))
        return np.arange(start, start + count)

    def find(self, channel: int) -> int:
        """The lowest-numbered channel that `channel` is tied to."""
        parent = self._parent
        root = channel
        while parent[root] != root:
            root = parent[root]
        while parent[channel] != root:
            parent[channel], channel = root, parent[channel]
        return root

    def tie(self, first: np.ndarray, second: np.ndarray) -> None:
        """Tie two arrays of channels, one by one."""
        if len(first) != len(second):
            raise ValueError(f"cannot tie {len(first)} channels to {len(second)}")
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            one, other = self.find(one), self.find(other)
            if one != other:
                self._parent[max(one, other)] = min(one, other)

    def lock(self, channels: np.ndarray, reason: str) -> None:
        """These channels may not be pruned, and why."""
        self._locked.extend((channel, reason) for channel in np.unique(channels).tolist())

    def roots(self) -> np.ndarray:
        """For every channel, the lowest-numbered one it is tied to; int array (len(self),)."""
        return np.array([self.find(channel) for channel in range(len(self._parent))], dtype=int)

    def reasons(self) -> dict[int, list[str]]:
        """Root -> why it is locked, each reason once, in the order given."""
        found: dict[int, list[str]] = {}
        for channel, reason in self._locked:
            reasons = found.setdefault(self.find(channel), [])
            if reason not in reasons:
                reasons.append(reason)
        return found
