"""Channels that compete with one another: which go for a given fraction of their filters."""

from collections.abc import Iterator, Mapping

import numpy as np

from pruning.graph.groups import Group
from pruning.scores.criteria import Scores


class Pool:
    """Some groups, their channels in the order in which they go: lowest score first, ties by position.

    Args:
        groups: at least one.
        scores: of the same graph.
        round_to: as for `pruning.plan`.
        floors: group -> how many channels it keeps at least.
        already: group -> bool (size,), channels that are gone; they go first.
        ceilings: part -> largest fraction of the part's filters in this pool that may go.

    Attributes:
        groups: as given.
        filters: group -> int (size,), how many filters go with each channel.

    Raises:
        ValueError: scores that are missing or NaN.
    """

    def __init__(
        self,
        groups: list[Group],
        scores: Scores,
        round_to: int,
        floors: Mapping[str, int],
        already: Mapping[str, np.ndarray],
        ceilings: Mapping[str, float],
    ) -> None:
        self.groups = groups
        self._round_to, self._floors = round_to, floors
        self._ceilings = ceilings
        self._already = [int(already[g.name].sum()) if g.name in already else 0 for g in groups]
        self.filters = {group.name: group.filters for group in groups}
        self._orders, ranks, costs, owners, places = [], [], [], [], []
        for number, group in enumerate(groups):
            values = _values(scores, group, already)
            order = np.argsort(values, kind="stable")
            self._orders.append(order)
            free = order[: max(group.size - floors[group.name], 0)]
            ranks.append(values[free])
            costs.append(self.filters[group.name][free])
            owners.append(np.full(len(free), number))
            places.append(free)
        rank, cost, owner = np.concatenate(ranks), np.concatenate(costs), np.concatenate(owners)
        order = np.lexsort((np.concatenate(places), owner, rank))
        order = order[self._allowed(cost[order], owner[order])]
        self._owner = owner[order]
        self._spent = np.concatenate([[0], np.cumsum(cost[order])])
        self._total = sum(int(filters.sum()) for filters in self.filters.values())

    def _allowed(self, cost: np.ndarray, owner: np.ndarray) -> np.ndarray:
        """Bool, in order: False from where a part has reached its ceiling."""
        allowed = np.ones(len(cost), dtype=bool)
        for part, ceiling in self._ceilings.items():
            mine = [number for number, group in enumerate(self.groups) if group.part == part]
            inside = np.isin(owner, mine)
            most = ceiling * sum(int(self.filters[self.groups[number].name].sum()) for number in mine)
            allowed[inside] = np.cumsum(cost[inside]) <= most + 1e-9
        return allowed

    def cut(self, fraction: float) -> dict[str, np.ndarray]:
        """Group name -> bool (size,), what goes: the count nearest to `fraction` of the pool's filters."""
        gone = {}
        for group, order, _, kept in self._counts(fraction):
            gone[group.name] = np.zeros(group.size, dtype=bool)
            gone[group.name][order[: group.size - kept]] = True
        return gone

    def limits(self, fraction: float) -> dict[str, tuple[str, int]]:
        """What keeps the groups from losing just `fraction` of the pool's filters.

        Returns:
            group name -> "floor", "ceiling", "already", "rounding" or "small" (no whole number of channels comes near
            enough), and 1 if less goes for it, -1 if more does; groups that nothing limits are not named.
        """
        wanted = fraction * self._total
        over = wanted - self._spent[-1]
        off = wanted - self._spent[np.argmin(np.abs(self._spent - wanted))]
        least = min(int(filters.min()) for filters in self.filters.values())
        found = {}
        for (group, _, taken, kept), before in zip(self._counts(fraction), self._already, strict=True):
            goes = group.size - kept
            if goes != max(taken, before):
                found[group.name] = ("rounding", 1 if goes < max(taken, before) else -1)
            elif before > taken:
                found[group.name] = ("already", -1)
            elif over > least / 2:
                found[group.name] = ("floor" if kept <= self._floors[group.name] else "ceiling", 1)
            elif abs(off) > 1e-9:
                found[group.name] = ("small", 1 if off > 0 else -1)
        return found

    def _counts(self, fraction: float) -> Iterator[tuple[Group, np.ndarray, int, int]]:
        """For every group: the group, its order, how many channels the fraction takes, how many are kept in the end."""
        count = int(np.argmin(np.abs(self._spent - fraction * self._total)))
        taken = np.bincount(self._owner[:count], minlength=len(self.groups))
        for group, order, before, most in zip(self.groups, self._orders, self._already, taken.tolist(), strict=True):
            kept = rounded(
                group.size - max(most, before),
                group.size - before,
                group.size,
                self._round_to,
                self._floors[group.name],
                up=group.part in self._ceilings,
            )
            yield group, order, most, kept


def _values(scores: Scores, group: Group, already: Mapping[str, np.ndarray]) -> np.ndarray:
    if group.name not in scores.values or len(scores[group.name]) != group.size:
        raise ValueError(f"the scores have no {group.size} values for group {group.name!r}: score this graph")
    values = np.array(scores[group.name], dtype=np.float64)
    if np.isnan(values).any():
        raise ValueError(
            f"{scores.criterion} says nothing (NaN) about a channel of {group.name!r}; exclude the group: "
            f"ChannelGraph(model, exclude={group.name!r})"
        )
    if group.name in already:
        values[already[group.name]] = -np.inf
    return values


def rounded(kept: int, most: int, size: int, round_to: int, floor: int, up: bool = False) -> int:
    """`kept` rounded to the nearest multiple of round_to, or to the whole group; at most `most`.

    Args:
        up: never to fewer than `kept`, where there is such a number.
    """
    below = kept // round_to * round_to
    allowed = [n for n in (below, below + round_to, size) if max(floor, 1) <= n <= most]
    if up:
        allowed = [n for n in allowed if n >= kept]
    return min(allowed, key=lambda n: (abs(n - kept), -n)) if allowed else kept
