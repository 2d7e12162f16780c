"""What every layer is asked: is the removed model the masked one, and are its figures those of the plan."""

import numpy as np
import pytest

import pruning


@pytest.fixture
def holds(nets):
    """A check of one model: prune half of it at random, compare outputs, parameters and MACs; gives the graph."""

    def check(model, x=None, sparsity=0.5, expect=None, **options):
        graph = pruning.ChannelGraph(model, **options)
        if expect is not None:
            assert {group.name for group in graph.prunable} == set(expect)
        plan = pruning.plan(graph, pruning.Random(1)(graph), sparsity)
        assert any(plan.removed.values())
        x = np.random.default_rng(0).normal(size=(2, *model.inputs[0].shape[1:])).astype("float32") if x is None else x
        masked, small = pruning.mask(graph, plan), pruning.remove(graph, plan)
        assert nets.difference(small(x), masked(x)) < 1e-5
        left = pruning.cost(graph, plan=plan).effective
        assert small.count_params() == left.params < model.count_params()
        assert pruning.cost(graph.again(small)).macs == left.macs
        return graph

    return check
