"""From scores to a Plan: where the budget goes."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pruning.costs.model_cost import counted, without
from pruning.graph.channel_graph import ChannelGraph
from pruning.graph.groups import Group
from pruning.plans.budgets import Gone, bisect
from pruning.plans.pools import Pool
from pruning.plans.pruning_plan import Plan
from pruning.removal.smaller_model import remove
from pruning.scores.criteria import Scores

SCOPES = ("layer", "part", "global")
MEASURES = ("filters", "params", "macs", "bytes", "latency")
_TIMED_RESOLUTION = 1 / 64  # of the filters: some seven removals and timings


def plan(
    graph: ChannelGraph,
    scores: Scores,
    sparsity: float = 0.5,
    scope: str = "layer",
    measure: str = "filters",
    round_to: int = 1,
    min_channels: int = 1,
    already: Mapping[str, np.ndarray] | None = None,
    max_sparsity: Mapping[str, float] | None = None,
    input_shapes: dict[str, tuple] | tuple | None = None,
    timer: Callable[[Any, Any], Any] | None = None,
) -> Plan:
    """Choose the channels that go: those of the lowest scores, ties by position.

    Savings in parameters and MACs are not additive (a channel costs what makes it times what reads it), so
    those budgets are met by bisection on the exact cost: the same fraction of filters goes in every pool of
    channels that compete, and that fraction is searched for. A budget of latency is met likewise, each step
    removing the channels and timing what is left.

    Args:
        graph: the model's groups.
        scores: of the same graph.
        sparsity: fraction of `measure` to remove; in [0, 1).
        scope: where channels compete: "layer", the same fraction of every group; "part", within each part of
            the model; "global", all against all.
        measure: "filters", of the prunable groups (a channel of a residual stream costs the filters of all the
            layers that write it); "params", "macs" or "bytes", of the whole model as `pruning.cost` counts it;
            "latency", of the time that `timer` measures.
        round_to: kept channels of a group are rounded to the nearest multiple of this, or to the whole group
            where that is nearer; a group too small for it is not rounded.
        min_channels: every group keeps at least this many.
        already: group -> bool (size,), channels that are gone and stay so; they count towards `sparsity`.
        max_sparsity: part -> largest fraction of its filters that may go (with scope "layer", of those of each
            of its groups); what is gone already does not come back.
        input_shapes: what "macs" are counted for, as for `pruning.cost`; needed where the model leaves a size
            open, for example {"image": (1, 512, 512, 3), "rois": (1, 1000, 4), ...}.
        timer: for "latency": (smaller model, the graph's model) -> something with `.speedup`, such as
            `lambda small, dense: pruning.latency(small, batch, against=dense)`.

    Returns:
        a Plan; `.achieved` is what rounding and floors left of `.asked`. The plan is the one nearest to what is
        asked, the smaller of two equally near.

    Raises:
        ValueError: an unknown scope, measure or part, a value out of range, scores of another graph or with
            NaN; a budget of latency without a timer; a budget that cannot be met: says how far it can go.
    """
    max_sparsity = dict(max_sparsity or {})
    _check(graph, scores, sparsity, scope, measure, round_to, min_channels, max_sparsity)
    groups = graph.prunable
    settings = {**scores.settings, "round_to": round_to, "min_channels": min_channels}
    if max_sparsity:
        settings["max_sparsity"] = max_sparsity
    pools = [
        Pool(pool, scores, round_to, min_channels, already or {}, max_sparsity)
        for pool in _pools(groups, scope)
    ]

    def cut(fraction: float) -> Gone:
        return {name: gone for pool in pools for name, gone in pool.cut(fraction).items()}

    def made(gone: Gone, achieved: float) -> Plan:
        return Plan(
            model=graph.network.name,
            fingerprint=graph.fingerprint,
            sizes={group.name: group.size for group in groups},
            removed={group.name: tuple(np.flatnonzero(gone[group.name]).tolist()) for group in groups},
            asked=float(sparsity),
            achieved=achieved,
            measure=measure,
            scope=scope,
            criterion=scores.criterion,
            settings=settings,
        )

    if measure == "filters":
        gone = cut(sparsity)
        total = sum(int(group.filters.sum()) for group in groups)
        return made(gone, sum(int(group.filters[gone[group.name]].sum()) for group in groups) / total)
    if measure == "latency":
        if timer is None:
            raise ValueError(
                'measure="latency" needs timer=, such as lambda small, dense: pruning.latency(small, batch, '
                "against=dense)"
            )

        def faster(gone: Gone) -> float:
            if not any(channels.any() for channels in gone.values()):
                return 0.0
            return 1 - 1 / timer(remove(graph, made(gone, 0.0)), graph.model).speedup

        return made(*bisect(cut, faster, sparsity, measure, _TIMED_RESOLUTION))
    sized = counted(graph, input_shapes or graph.example_shapes)
    settings["input_shapes"] = {name: list(shape) for name, shape in sized.input_shapes.items()}
    whole = without(sized, {})
    if measure == "macs" and whole.uncounted:
        settings["uncounted"] = list(whole.uncounted)
        warnings.warn(
            f"the MACs are partial: sparsity={sparsity} is of those that can be counted, without those of "
            f"{', '.join(whole.uncounted)}",
            stacklevel=2,
        )
    dense = getattr(whole, measure)
    return made(*bisect(cut, lambda gone: 1 - getattr(without(sized, gone), measure) / dense, sparsity, measure))


def _check(
    graph: ChannelGraph,
    scores: Scores,
    sparsity: float,
    scope: str,
    measure: str,
    round_to: int,
    min_channels: int,
    max_sparsity: Mapping[str, float],
) -> None:
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
    if not graph.prunable:
        raise ValueError(f"nothing in model {graph.network.name!r} can be pruned: print(graph) says why")
    parts = dict.fromkeys(group.part for group in graph.prunable)
    for part, ceiling in max_sparsity.items():
        if part not in parts or not 0.0 <= ceiling <= 1.0:
            raise ValueError(
                f"max_sparsity={{{part!r}: {ceiling!r}}}; expected fractions in [0, 1] of the parts "
                f"{', '.join(parts)}"
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
