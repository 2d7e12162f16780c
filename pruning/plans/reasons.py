"""Why a plan takes more or less than was asked: sentences for `Plan.reasons` and for budgets that cannot be met."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.plans.budgets import Met
from pruning.plans.pools import Pool

_SHOWN = 3  # groups that a sentence names


def of_filters(
    pools: Sequence[Pool], fraction: float, gone: Mapping[str, np.ndarray], how: Mapping[str, Any]
) -> list[str]:
    """Why what goes is not `fraction` of the filters.

    Args:
        pools: those that were cut at the fraction.
        fraction: asked of each of them.
        gone: what goes.
        how: the plan's settings: round_to, min_channels, keep_at_least, max_sparsity.

    Returns:
        sentences; none where they differ by a channel or less.
    """
    filters = {name: each for pool in pools for name, each in pool.filters.items()}
    total = sum(int(each.sum()) for each in filters.values())
    missing = fraction * total - sum(int(filters[name][gone[name]].sum()) for name in filters)
    if abs(missing) <= min(int(each.min()) for each in filters.values()) * (1 + 1e-9):
        return []
    by_kind: dict[str, list[str]] = {}
    for pool in pools:
        for name, (kind, sign) in pool.limits(fraction).items():
            if sign * missing > 0:
                by_kind.setdefault(kind, []).append(name)
    return [_sentence(kind, names, fraction, how) for kind, names in by_kind.items()]


def of_cost(met: Met, asked: float, measure: str, how: Mapping[str, Any], name: str = "") -> list[str]:
    """Why what goes is not `asked` of a cost that was bisected; none where they differ by a channel or less.

    Args:
        name: of the layer, pattern or part whose cost it is; "" for the whole model.
    """
    measure = f"{measure} of {name!r}" if name else measure
    if met.other is None:
        if met.saved > asked + 1e-9:
            others = ", or go with channels of others that its layers read" if name else ""
            return [f"{met.saved:.2%} of the {measure} are gone already{others}; gone channels do not come back"]
        return []
    changes = met.changes()
    step = abs(met.other_saved - met.saved) / max(sum(changes.values()), 1)
    if abs(met.saved - asked) <= step * (1 + 1e-9):
        return []
    low, high = sorted((met.saved, met.other_saved))
    why = []
    if how["round_to"] > 1:
        why.append(f"widths change by round_to={how['round_to']}")
    if len(changes) > 1:
        why.append("they lose channels at the same fraction")
    return [
        f"no cut lies between {low:.2%} and {high:.2%} of the {measure}: {_groups(list(changes))} "
        f"{'changes' if len(changes) == 1 else 'change'} width there" + (f" ({', '.join(why)})" if why else "")
    ]


def of_nothing(graph: ChannelGraph) -> str:
    """Why nothing of a model can be pruned, by layer."""
    locked = [f"{group.name!r} ({group.locked})" for group in graph.groups if group.producers]
    more = f" and {len(locked) - _SHOWN} more" if len(locked) > _SHOWN else ""
    why = f": {', '.join(locked[:_SHOWN])}{more}" if locked else ""
    return f"nothing in model {graph.network.name!r} can be pruned{why}. graph.report() lists what stays whole and why"


def of_reach(graph: ChannelGraph, how: Mapping[str, Any]) -> str:
    """What keeps a budget from being met: locks and floors, in a sentence to follow "at most x can"."""
    found = []
    locked = [group for group in graph.groups if group.locked is not None and group.producers]
    if locked:
        one = locked[0]
        more = f" and {len(locked) - 1} more" if len(locked) > 1 else ""
        found.append(f"{one.name!r}{more} stay whole ({one.locked})")
    found.append(f"every group keeps its floor ({_floor(how)})")
    if how["round_to"] > 1:
        found.append(f"widths are rounded to multiples of round_to={how['round_to']}")
    if how.get("max_sparsity"):
        found.append(f"max_sparsity is {how['max_sparsity']}")
    return "; ".join(found) + ". graph.report() lists what may go and what not"


def _sentence(kind: str, names: list[str], fraction: float, how: Mapping[str, Any]) -> str:
    one = len(names) == 1
    if kind == "floor":
        return f"floors: {_groups(names)} {'is' if one else 'are'} at {_floor(how)}"
    if kind == "ceiling":
        return f"ceilings: {_groups(names)} {'is' if one else 'are'} at max_sparsity={how['max_sparsity']}"
    if kind == "rounding":
        return (
            f"rounding: {_groups(names)} {'keeps' if one else 'keep'} a multiple of round_to={how['round_to']}, or all"
        )
    if kind == "already":
        return f"gone already: {_groups(names)} {'has' if one else 'have'} lost more than {fraction:.2%} before"
    return f"tiny groups: {fraction:.2%} of {_groups(names)} is no whole number of channels"


def _floor(how: Mapping[str, Any]) -> str:
    share = f"keep_at_least={how['keep_at_least']:g}" if how.get("keep_at_least") else ""
    count = f"min_channels={how['min_channels']}" if how["min_channels"] > 1 or not share else ""
    return " and ".join(text for text in (share, count) if text)


def _groups(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
    return f"the group {shown}" if len(names) == 1 else f"{len(names)} groups ({shown})"
