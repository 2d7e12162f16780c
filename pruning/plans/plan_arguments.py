"""What `pruning.plan` is given: a graph or a model, scores or a criterion, and values in range."""

from collections.abc import Mapping
from typing import Any

from pruning.graph.channel_graph import ChannelGraph
from pruning.plans import reasons
from pruning.plans.scopes import SCOPES
from pruning.scores.criteria import Scores
from pruning.wrong_objects import is_ours, named, needs_count, needs_criterion, needs_fraction

MEASURES = ("filters", "params", "macs", "bytes", "latency")
_EXAMPLE = "pruning.plan(model, pruning.L1(), sparsity=0.5)"


def graph_of(graph: Any, scores: Any, input_shapes: Any) -> ChannelGraph:
    """The graph, of a model where that is given.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(graph, ChannelGraph):
        return graph
    if is_ours(graph, "Scores", "Criterion", "Plan"):
        swapped = " (are the two the wrong way round?)" if not is_ours(scores, "Scores", "Criterion") else ""
        raise TypeError(f"{named(graph)} stands where the graph or the model belongs{swapped}: write {_EXAMPLE}")
    return ChannelGraph(graph, input_shapes)


def scores_of(graph: ChannelGraph, scores: Any) -> Scores:
    """The scores, made by a criterion where that is given.

    Raises:
        TypeError: it is neither, or the criterion gives something else.
        ValueError: scores of another graph.
    """
    if isinstance(scores, Mapping):
        if scores and all(isinstance(one, Scores) for one in scores.values()):
            raise TypeError(
                f"scores of {len(scores)} tasks stand where one criterion's belong: an arbiter joins them, such as "
                "pruning.Mean()(by_task)"
            )
        odd = [name for name in scores if name not in {group.name for group in graph.prunable}]
        other = f" ({odd[0]!r} is no group of this graph)" if odd else ""
        raise TypeError(
            f"{named(scores)} stands where scores belong{other}: write pruning.Scores({{group: array}}, 'a name', "
            "graph.fingerprint), with an array for every group of graph.prunable"
        )
    if not isinstance(scores, Scores):
        needs_criterion(scores, _EXAMPLE)
        name, scores = named(scores), scores(graph)
        if not isinstance(scores, Scores):
            raise TypeError(f"{name} gave {named(scores)} for a graph; expected pruning.Scores")
    if scores.fingerprint != graph.fingerprint:
        raise ValueError("the scores were made for another model's graph: score this one, criterion(graph)")
    return scores


def check(
    graph: ChannelGraph,
    scope: str,
    measure: str,
    round_to: int,
    min_channels: int,
    keep_at_least: float,
    max_sparsity: Mapping[str, float],
) -> float:
    """Raise ValueError for a value that does not fit; returns `keep_at_least` as a float."""
    if scope not in SCOPES:
        raise ValueError(f"scope is {scope!r}; expected one of {', '.join(SCOPES)}")
    if measure not in MEASURES:
        rest = "; multiply-adds are called macs" if str(measure).lower() in ("flops", "flop", "mac") else ""
        raise ValueError(f"measure is {measure!r}; accepted: {', '.join(MEASURES)}{rest}")
    needs_count(round_to, "round_to")
    needs_count(min_channels, "min_channels")
    keep_at_least = needs_fraction(keep_at_least, "keep_at_least", below=2)
    if not graph.prunable and (measure != "filters" or max_sparsity):
        raise ValueError(reasons.of_nothing(graph))
    parts = dict.fromkeys(group.part for group in graph.prunable)
    for part, ceiling in max_sparsity.items():
        if part not in parts:
            raise ValueError(
                f"max_sparsity={{{part!r}: {ceiling!r}}}; expected fractions in [0, 1] of the parts {', '.join(parts)}"
            )
        needs_fraction(ceiling, f"max_sparsity[{part!r}]", below=2)
    return keep_at_least
