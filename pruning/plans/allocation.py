"""From scores to a Plan: where the budget goes."""

import math
import warnings
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import numpy as np

from pruning.costs.model_cost import without
from pruning.costs.savings import sized
from pruning.graph.channel_graph import ChannelGraph
from pruning.plans import reasons
from pruning.plans.budgets import Gone, Met, OutOfReach, bisect
from pruning.plans.plan_arguments import check, graph_of, scores_of
from pruning.plans.pools import Pool
from pruning.plans.pruning_plan import Plan
from pruning.plans.scopes import competing
from pruning.plans.targets import Target, targets
from pruning.removal.smaller_model import remove
from pruning.scores.criteria import Criterion, Scores

_TIMED_RESOLUTION = 1 / 64  # of the filters: some seven removals and timings
_ROUNDS = 10  # over several targets, whose layers read one another's channels


def plan(
    graph: Any,
    scores: Scores | Criterion | Callable[[ChannelGraph], Scores],
    sparsity: float | Mapping[str, float] = 0.5,
    scope: str = "layer",
    measure: str = "filters",
    round_to: int = 1,
    min_channels: int = 1,
    already: Mapping[str, np.ndarray] | None = None,
    max_sparsity: Mapping[str, float] | None = None,
    input_shapes: dict[str, tuple] | tuple | None = None,
    timer: Callable[[Any, Any], Any] | None = None,
    *,
    keep_at_least: float = 0.0,
) -> Plan:
    """Choose the channels that go: those of the lowest scores, ties by position.

    Savings in parameters and MACs are not additive (a channel costs what makes it times what reads it), so
    those budgets are met by bisection on the exact cost: the same fraction of filters goes in every pool of
    channels that compete, and that fraction is searched for. A budget of latency is met likewise, each step
    removing the channels and timing what is left.

    Args:
        graph: the model's groups, or the model itself, all of which may then be pruned.
        scores: of the same graph, or a criterion that makes them, such as `pruning.L1()`.
        sparsity: fraction of `measure` to remove, in [0, 1). Or a mapping: layer name, pattern with * and ?, or part
            -> fraction of its own: of what a part's layers cost, counted in the end; of what the layers cost that
            make or carry the channels of a layer or pattern, counted with all else whole. What no entry names stays
            whole, and a group that several name follows the entry that names the fewest.
        scope: where channels compete: "layer" or "uniform", the same fraction of every group; "part", within each
            part of the model; "isomorphic", among groups of equal structure (Fang et al., ECCV 2024); "global", all
            against all.
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
        keep_at_least: fraction of its channels that every group keeps, rounded up; 0.1 with scope "global" is the
            frame in which PruningBench compares methods.

    Returns:
        a Plan; `.achieved` is what rounding and floors left of `.asked`, and where the two differ by more than a
        channel `.reasons` says why. Where nothing of the model can be pruned, the plan is empty, with a warning that
        names what stands in the way. The plan is the one nearest to what is asked, the smaller of two equally near.

    Raises:
        TypeError: an object that does not belong in its place; says what to write.
        ValueError: an unknown scope, measure, layer or part, a value out of range, scores of another graph or with
            NaN; a budget of latency without a timer; a budget that cannot be met: says how far it can go, and why.
    """
    graph = graph_of(graph, scores, input_shapes)
    max_sparsity = dict(max_sparsity or {})
    keep_at_least = check(graph, scope, measure, round_to, min_channels, keep_at_least, max_sparsity)
    wanted = targets(graph, sparsity)
    scores = scores_of(graph, scores)
    groups, already = graph.prunable, already or {}
    how = {**scores.settings, "round_to": round_to, "min_channels": min_channels}
    how |= {"max_sparsity": max_sparsity} if max_sparsity else {}
    how |= {"keep_at_least": keep_at_least} if keep_at_least else {}
    floors = {group.name: max(min_channels, math.ceil(keep_at_least * group.size - 1e-9)) for group in groups}

    def pools_of(some: list) -> list[Pool]:
        return [Pool(pool, scores, round_to, floors, already, max_sparsity) for pool in competing(some, scope) if pool]

    pools = [(target, pools_of(target.groups)) for target in wanted]
    named = {group.name for target in wanted for group in target.groups}
    others = pools_of([group for group in groups if group.name not in named])
    rest = _cut(others, 0.0)

    def made(
        gone: Gone, achieved: float, why: list[str] | tuple = (), shares: Mapping[str, float] | None = None
    ) -> Plan:
        return Plan(
            model=graph.network.name,
            fingerprint=graph.fingerprint,
            sizes={group.name: group.size for group in groups},
            removed={group.name: tuple(np.flatnonzero(gone[group.name]).tolist()) for group in groups},
            asked=wanted[0].fraction if not isinstance(sparsity, Mapping) else {t.name: t.fraction for t in wanted},
            achieved=achieved,
            measure=measure,
            scope="layer" if scope == "uniform" else scope,
            criterion=scores.criterion,
            settings=how,
            reasons=tuple(why),
            shares=dict(shares or {}),
            locked={group.name: group.locked for group in graph.groups if group.locked is not None},
        )

    if not groups:
        nothing = reasons.of_nothing(graph)
        warnings.warn(f"the plan takes nothing: {nothing}", stacklevel=2)
        return made({}, 0.0, [nothing])
    if measure == "filters":
        cut_pools = chain(others, *(own for _, own in pools))
        every = {name: filters for pool in cut_pools for name, filters in pool.filters.items()}
        gone = rest | {name: cut for target, own in pools for name, cut in _cut(own, target.fraction).items()}
        why = [text for target, own in pools for text in reasons.of_filters(own, target.fraction, gone, how)]
        shares = {target.name: _share(every, gone, [g.name for g in target.groups]) for target in wanted if target.name}
        return made(gone, _share(every, gone, list(every)), why, shares)
    if measure == "latency":
        if isinstance(sparsity, Mapping):
            raise ValueError('measure="latency" is that of the whole model: give one sparsity, or another measure')
        if timer is None:
            raise ValueError(
                'measure="latency" needs timer=, such as lambda small, dense: pruning.latency(small, batch, '
                "against=dense)"
            )
        ((target, own),) = pools

        def faster(gone: Gone) -> float:
            if not any(channels.any() for channels in gone.values()):
                return 0.0
            return 1 - 1 / timer(remove(graph, made(gone, 0.0)), graph.model).speedup

        met = _met(graph, own, faster, target.fraction, measure, how, _TIMED_RESOLUTION)
        return made(met.gone, met.saved, reasons.of_cost(met, target.fraction, measure, how))
    counts = sized(graph, input_shapes)
    how["input_shapes"] = {name: list(shape) for name, shape in counts.input_shapes.items()}
    dense = without(counts, {})
    if measure == "macs" and dense.uncounted:
        how["uncounted"] = list(dense.uncounted)
        warnings.warn(
            f"the MACs are partial: sparsity={sparsity} is of those that can be counted, without those of "
            f"{', '.join(dense.uncounted)}",
            stacklevel=2,
        )
    found = _met_all(graph, pools, rest, counts, dense, measure, how)
    gone = rest | {name: cut for met in found.values() for name, cut in met.gone.items()}
    why = [text for t in wanted for text in reasons.of_cost(found[t.name], t.fraction, measure, how, t.name)]
    left = without(counts, gone)
    shares = {
        t.name: 1 - t.of(left, measure) / t.of(dense, measure) if t.part else found[t.name].saved
        for t in wanted
        if t.name
    }
    return made(gone, 1 - getattr(left, measure) / getattr(dense, measure), why, shares)


def _cut(pools: list[Pool], fraction: float) -> Gone:
    return {name: gone for pool in pools for name, gone in pool.cut(fraction).items()}


def _share(filters: Mapping[str, np.ndarray], gone: Gone, names: list[str]) -> float:
    return sum(int(filters[name][gone[name]].sum()) for name in names) / sum(int(filters[name].sum()) for name in names)


def _met(
    graph: ChannelGraph, pools: list[Pool], saved: Callable[[Gone], float], asked: float, what: str, how: Mapping,
    resolution: float = 1e-9,
) -> Met:  # fmt: skip
    """`bisect` over some pools, whose error also says what stands in the way."""
    try:
        return bisect(lambda fraction: _cut(pools, fraction), saved, asked, what, resolution)
    except OutOfReach as error:
        raise OutOfReach(f"{error}: {reasons.of_reach(graph, how)}") from None


def _met_all(
    graph: ChannelGraph, pools: list[tuple[Target, list[Pool]]], rest: Gone, counts: ChannelGraph, dense: Any,
    measure: str, how: Mapping,
) -> dict[str, Met]:  # fmt: skip
    """Name of each target -> its cut. What others lose makes a part's layers cheaper: parts are met in turn, until none
    changes."""
    found: dict[str, Met] = {}
    for _ in range(_ROUNDS if any(target.part for target, _ in pools) else 1):
        before = {name: met.gone for name, met in found.items()}
        for target, own in pools:
            if not target.of(dense, measure):
                raise ValueError(f"sparsity names {target.name!r}, whose layers cost no {measure}")
            others = rest
            if target.part:
                taken = [met.gone for name, met in found.items() if name != target.name]
                others = {name: cut for gone in (rest, *taken) for name, cut in gone.items()}

            def saved(gone: Gone, target: Target = target, others: Gone = others) -> float:
                return 1 - target.of(without(counts, others | gone), measure) / target.of(dense, measure)

            what = f"{measure} of {target.name!r}" if target.name else measure
            found[target.name] = _met(graph, own, saved, target.fraction, what, how)
        if all(name in before and _equal(met.gone, before[name]) for name, met in found.items()):
            break
    return found


def _equal(one: Gone, other: Gone) -> bool:
    return all(np.array_equal(gone, other[name]) for name, gone in one.items())
