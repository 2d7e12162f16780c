"""The channels that live: the one place where scores and prices ask what is masked already."""

import numpy as np

from pruning.graph.channel_graph import ChannelGraph
from pruning.masks.mask_state import silent


def living(graph: ChannelGraph) -> dict[str, np.ndarray]:
    """The channels that live: what is relative is relative to these, so that masked ones change no other's score.

    Returns:
        prunable group -> bool (size,), False where a channel is silent.
    """
    return {name: ~gone for name, gone in silent(graph).items()}
