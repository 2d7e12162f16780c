"""From scores to a Plan: where the budget goes."""

from collections.abc import Mapping

import numpy as np

from pruning.criteria import Scores
from pruning.graph import ChannelGraph
from pruning.groups import Group
from pruning.plans import Plan

SCOPES = ("layer", "part", "global")
MEASURES = ("filters",)


def plan(
    graph: ChannelGraph,
    scores: Scores,
    sparsity: float = 0.5,
    scope: str = "layer",
    measure: str = "filters",
    round_to: int = 1,
    min_channels: int = 1,
    already: Mapping[str, np.ndarray] | None = None,
) -> Plan:
    """Choose the channels that go: those of the lowest scores, ties by position.

    Args:
        graph: the model's groups.
        scores: of the same graph.
        sparsity: fraction of `measure`, over the prunable groups, to remove; in [0, 1).
        scope: where channels compete: "layer", the same fraction of every group; "part", within each part of
            the model; "global", all against all.
        measure: "filters". A channel of a residual stream costs the filters of all the layers that write it.
        round_to: kept channels of a group are rounded to the nearest multiple of this, or to the whole group
            where that is nearer; a group too small for it is not rounded.
        min_channels: every group keeps at least this many.
        already: group -> bool (size,), channels that are gone and stay so; they count towards `sparsity`.

    Returns:
        a Plan; `.achieved` is what rounding and floors left of `.asked`. The number removed is the one
        nearest to what is asked, the smaller of two equally near.

    Raises:
        ValueError: an unknown scope or measure, a value out of range, scores of another graph or with NaN.
    """
    if not 0.0 <= sparsity < 1.0:
        raise ValueError(f"sparsity is {sparsity!r}; expected a fraction in [0, 1)")
    if scope not in SCOPES:
        raise ValueError(f"scope is {scope!r}; expected one of {', '.join(SCOPES)}")
    if measure not in MEASURES:
        raise ValueError(f"measure is {measure!r}; accepted: {', '.join(MEASURES)}")
    if round_to < 1 or min_channels < 1:
        raise ValueError(f"round_to is {round_to} and min_channels {min_channels}; expected 1 or more")
    if scores.fingerprint != graph.fingerprint:
        raise ValueError("the scores were made for another model's graph: score this one, criterion(graph)")
    groups = graph.prunable
    if not groups:
        raise ValueError(f"nothing in model {graph.network.name!r} can be pruned: print(graph) says why")

    gone: dict[str, np.ndarray] = {}
    for pool in _pools(groups, scope):
        gone.update(_cut(pool, scores, sparsity, round_to, min_channels, already or {}))
    total = sum(int(group.filters.sum()) for group in groups)
    cut = sum(int(group.filters[gone[group.name]].sum()) for group in groups)
    return Plan(
        model=graph.network.name,
        fingerprint=graph.fingerprint,
        sizes={group.name: group.size for group in groups},
        removed={group.name: tuple(np.flatnonzero(gone[group.name]).tolist()) for group in groups},
        asked=float(sparsity),
        achieved=cut / total,
        measure=measure,
        scope=scope,
        criterion=scores.criterion,
        settings={**scores.settings, "round_to": round_to, "min_channels": min_channels},
    )


def _pools(groups: list[Group], scope: str) -> list[list[Group]]:
    if scope == "layer":
        return [[group] for group in groups]
    if scope == "global":
        return [groups]
    parts: dict[str, list[Group]] = {}
    for group in groups:
        parts.setdefault(group.part, []).append(group)
    return list(parts.values())


def _cut(
    pool: list[Group],
    scores: Scores,
    sparsity: float,
    round_to: int,
    floor: int,
    already: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Group name -> bool (size,), the channels of a pool that go."""
    ranks, costs, owners, places = [], [], [], []
    orders = {}
    for number, group in enumerate(pool):
        values = _values(scores, group, already)
        orders[group.name] = order = np.argsort(values, kind="stable")
        free = order[: max(group.size - floor, 0)]
        ranks.append(values[free])
        costs.append(group.filters[free])
        owners.append(np.full(len(free), number))
        places.append(free)
    rank, cost, owner = np.concatenate(ranks), np.concatenate(costs), np.concatenate(owners)
    order = np.lexsort((np.concatenate(places), owner, rank))
    target = sparsity * sum(int(group.filters.sum()) for group in pool)
    spent = np.concatenate([[0], np.cumsum(cost[order])])
    count = int(np.argmin(np.abs(spent - target)))
    taken = np.bincount(owner[order[:count]], minlength=len(pool))

    gone = {}
    for number, group in enumerate(pool):
        before = int(already[group.name].sum()) if group.name in already else 0
        kept = _rounded(
            group.size - max(int(taken[number]), before), group.size - before, group.size, round_to, floor
        )
        gone[group.name] = np.zeros(group.size, dtype=bool)
        gone[group.name][orders[group.name][: group.size - kept]] = True
    return gone


def _values(scores: Scores, group: Group, already: Mapping[str, np.ndarray]) -> np.ndarray:
    if group.name not in scores.values or len(scores[group.name]) != group.size:
        raise ValueError(f"the scores have no {group.size} values for group {group.name!r}: score this graph")
    values = np.array(scores[group.name], dtype=np.float64)
    if np.isnan(values).any():
        raise ValueError(
            f"{scores.criterion} says nothing (NaN) about a channel of {group.name!r}; exclude the group"
        )
    if group.name in already:
        values[already[group.name]] = -np.inf
    return values


def _rounded(kept: int, most: int, size: int, round_to: int, floor: int) -> int:
    """`kept` rounded to the nearest multiple of round_to, or to the whole group; at most `most`."""
    below = kept // round_to * round_to
    allowed = [n for n in (below, below + round_to, size) if max(floor, 1) <= n <= most]
    return min(allowed, key=lambda n: (abs(n - kept), -n)) if allowed else kept
