"""What the page says of the stages, whatever the picture; and what of one picture, in words."""

from __future__ import annotations

from collections.abc import Sequence

from maskrcnn.inspect.activation_maps import DEVIATIONS, LEAST_CELLS, Activation
from maskrcnn.inspect.picture_stages import Stages

UNKNOWN = "The picture's objects are not known, so nothing can be compared with them here."
TITLES = {
    1: "Anchors",
    2: "Proposals, and the second stage",
    3: "Masks",
    4: "Activations",
    5: "Weights",
    6: "The same figures while training",
    7: "The composed result",
}
LEADS = {
    1: "The region proposal network (RPN) looks at boxes that are fixed beforehand, the anchors, and says of each how "
    "much it looks like an object, and how it should be moved to lie on it.",
    2: "The best anchors of each level, moved, are candidates; suppression (NMS) leaves out near copies of better "
    "ones, and what stays are the proposals. The second stage gives each a class and moves it once more.",
    3: "The mask head answers on a small grid inside each final box; the answer is laid over the box and cut at 0.5.",
    4: "What layers answer on this picture, a small map a channel, each scaled to its own range. Channels that are "
    "zero everywhere say nothing here; noisy ones say nothing that their neighbours support.",
    5: "How many weights of each layer's kernel have which value, on a logarithmic scale. Weights that are 0 are left "
    "out.",
    7: "What the model answers, all stages together.",
}


def found_in_words(stages: Stages) -> str:
    """How much was found, in a sentence."""
    count = len(stages.detections)
    if not count:
        return nothing_found(stages)
    return f"{count} detection{'s' * (count > 1)} with a score above {stages.score_threshold:g}."


def nothing_found(stages: Stages) -> str:
    """That nothing was found, and how near the best came."""
    text = f"Nothing scores above {stages.score_threshold:g}."
    if not len(stages.class_probs):
        return text
    best = stages.class_probs[:, 1:].max(axis=0)
    return f"{text} The surest answer is {stages.class_names[int(best.argmax())]} with {float(best.max()):.2f}."


def part_name(part: str) -> str:
    """What a part of the network is called in a text."""
    names = {"features": "backbone and pyramid", "rpn": "RPN", "box_head": "box head", "mask_head": "mask head"}
    return names.get(part, part)


def marks_meaning(found: Sequence[Activation]) -> str:
    """What the frames of stage 4 mean, in sentences; those of pruned channels only where some are known."""
    known = any(one.silenced is not None for one in found)
    pruned = "A red frame: pruned, as the model's weights say. " if known else ""
    though = ", though not pruned" if known else ""
    return (
        f"{pruned}A blue frame: all zero on this picture{though}. An orange frame: noisy, by our own criterion: "
        "neighbouring cells are no more and no less alike than those of white noise would be (Moran's I within "
        f"{DEVIATIONS:g} of its standard deviations of 0); maps of fewer than {LEAST_CELLS} cells are not judged."
    )
