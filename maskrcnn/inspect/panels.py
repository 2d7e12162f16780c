"""The figures of every stage, in the order in which the stages run, each with what to look for in it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from maskrcnn.inspect.activation_maps import Activation
from maskrcnn.inspect.differences import objects_found
from maskrcnn.inspect.figures import (
    activation_figures,
    anchor_figures,
    canvas,
    object_figures,
    proposal_figures,
    weight_figures,
)
from maskrcnn.inspect.picture_stages import Stages
from maskrcnn.inspect.stage_texts import TITLES, UNKNOWN, found_in_words, nothing_found, part_name
from maskrcnn.inspect.weight_shares import LayerWeights


@dataclasses.dataclass(frozen=True)
class Panel:
    """One figure of one model.

    Attributes:
        stage: 1 to 7.
        name: of its file; title: above it.
        caption: what one sees and what to look for, whatever the model.
        note: figures of this model, in a sentence.
        draw: makes the figure, or a picture (H, W, 3) uint8; None where there is nothing to draw, and `note` says why.
        wide: whether it takes a row of its own.
    """

    stage: int
    name: str
    title: str
    caption: str
    note: str
    draw: Callable[[], Figure | np.ndarray] | None
    wide: bool = False


def stage_panels(stages: Stages) -> list[Panel]:
    """The figures of stages 1, 2, 3 and 7 of a picture."""
    return [*_anchor_panels(stages), *_proposal_panels(stages), *_mask_panels(stages), *_result_panels(stages)]


def _anchor_panels(stages: Stages) -> list[Panel]:
    truth, figures = stages.truth, anchor_figures
    kinds = {} if truth is None else {value: int((truth.anchor_labels == value).sum()) for value in (1, 0, -1)}
    height, width = stages.network_size
    return [
        Panel(
            1, "pyramid", "Anchors on the pyramid",
            "The anchors of one cell in the middle, at each level of the pyramid. Look whether some level's boxes have "
            "about the size of the objects.",
            f"{len(stages.anchors):,} anchors; the network reads the picture at {width} x {height} px.",
            lambda: figures.pyramid(stages),
        ),
        Panel(
            1, "sorted", "Sorted and filtered",
            "Objectness of each level's anchors, best first. Those left of the dot go on. A good RPN is sure of a few "
            "and falls steeply; a flat line means that it cannot tell.",
            f"{len(stages.candidates):,} go on, {int((stages.objectness > 0.5).sum()):,} have an objectness above 0.5.",
            lambda: figures.sorted_scores(stages),
        ),
        Panel(
            1, "best_anchors", "The best anchors",
            "The fifty anchors of highest objectness, where they lie before anything is moved. They should crowd "
            "around objects.",
            f"The best has {float(stages.objectness.max()):.3f}.",
            lambda: figures.best_anchors(stages),
        ),
        Panel(
            1, "matched", "Against the truth",
            "What training would call each anchor: positive on an object, negative far from any, neutral in between. "
            "An object without a positive anchor of much overlap is hard to learn.",
            UNKNOWN if truth is None else f"{kinds[1]:,} positive, {kinds[0]:,} negative, {kinds[-1]:,} neutral.",
            None if truth is None else lambda: figures.matched(stages),
        ),
        Panel(
            1, "refined_positives", "Their refinement",
            "Positive anchors, dotted, and where the RPN moves them, solid. Solid boxes should lie nearer to the white "
            "ones than dotted ones do.",
            UNKNOWN if truth is None else f"{kinds[1]:,} positive anchors.",
            None if truth is None else lambda: figures.refined_positives(stages),
        ),
    ]  # fmt: skip


def _proposal_panels(stages: Stages) -> list[Panel]:
    figures, recall = proposal_figures, proposal_figures.recall_by_rank(stages)
    sure = int((stages.class_probs[:, 0] < figures.FOREGROUND).sum())
    found = UNKNOWN if recall is None else f"All proposals find {recall[0][-1]:.0%} of the objects at IoU 0.5."
    return [
        Panel(
            2, "refined_candidates", "Before and after refinement",
            "The 25 best candidates: the anchor, dotted, and the box made of it, solid, in the colour of its level.",
            f"{len(stages.candidates):,} candidates in all.",
            lambda: figures.refined_candidates(stages),
        ),
        Panel(
            2, "before_nms", "Before suppression",
            "The hundred best candidates. Many lie on the same thing.",
            f"{len(stages.candidates):,} candidates in all.",
            lambda: figures.suppressed(stages, after=False),
        ),
        Panel(
            2, "after_nms", "After suppression",
            "The same hundred: what was kept, and faintly what went because a better box of its level covers it. Every "
            "object should keep a box of its own.",
            f"{len(stages.proposals):,} proposals stay in all.",
            lambda: figures.suppressed(stages),
        ),
        Panel(
            2, "proposal_scores", "Proposals by score",
            "The proposals' scores by rank and, where the objects are known, how many of them the best so many find. "
            "The green line should reach the top long before the grey one falls.",
            found,
            lambda: figures.proposal_scores(stages),
        ),
        Panel(
            2, "classified", "The second stage: called an object",
            "Proposals that the second stage calls an object (background below 0.5): as proposed, dotted, and as moved "
            "for their class, solid. Boxes of one object should agree on its class.",
            f"{sure} of {len(stages.proposals)} proposals.",
            lambda: figures.classified(stages),
        ),
        Panel(
            2, "refined_detections", "The second stage: final boxes",
            "After suppression class by class: the proposal of each detection, dotted, and the final box, solid.",
            found_in_words(stages),
            lambda: figures.refined_detections(stages),
        ),
    ]  # fmt: skip


def _mask_panels(stages: Stages) -> list[Panel]:
    side = stages.mask_probs.shape[1] if len(stages.mask_probs) else 28
    shown = min(object_figures.MOST_MASKS, len(stages.detections))
    note = f"The {shown} best of {len(stages.detections)} detections." if shown else nothing_found(stages)
    return [
        Panel(
            3, "small_masks", f"Masks at {side} x {side}",
            "The mask head's own answers: white is certainly the object, black certainly not. Grey rims are where it "
            "hesitates; a flat grey means that it does not know the shape.",
            note,
            (lambda: object_figures.small_masks(stages)) if shown else None,
        ),
        Panel(
            3, "pasted_masks", "Pasted",
            "The same masks on the picture, in the colour of their class; true outlines, where known, are white.",
            note,
            (lambda: object_figures.pasted_masks(stages)) if shown else None,
        ),
    ]  # fmt: skip


def _result_panels(stages: Stages) -> list[Panel]:
    truth, figures = stages.truth, object_figures
    note, right = found_in_words(stages), UNKNOWN
    if truth is not None:
        right = f"{objects_found(stages)} of {int((~truth.crowd).sum())} objects found (right class, IoU 0.5)."
    return [
        Panel(
            7, "result", "Detections",
            "Boxes, masks, classes and scores, in the colours of all figures of this page.",
            note,
            lambda: figures.composed(stages),
        ),
        Panel(
            7, "overlaps", "Every detection against every object",
            "IoU of their boxes; ✗ marks a good box of the wrong class. Each column should have one dark cell: two are "
            "a duplicate, none is a missed object.",
            right,
            None if truth is None or not len(stages.detections) else lambda: figures.overlaps(stages),
        ),
        Panel(
            7, "splash", "Colour splash",
            "The picture in grey, but for the detected objects: colour outside an object, or grey inside it, is a "
            "mask's fault.",
            f"{len(stages.detections)} masks.",
            lambda: figures.colour_splash(stages.image, stages.detections.masks),
        ),
    ]  # fmt: skip


def drawn_panels(panels: Sequence[Panel], dpi: int = 110) -> dict[str, np.ndarray]:
    """Panels as pictures, for TensorBoard: "<stage> <title of the stage>/<title>" -> (H, W, 3) uint8."""
    found = {}
    for panel in panels:
        if panel.draw is not None:
            drawn = panel.draw()
            picture = canvas.sized(drawn) if isinstance(drawn, np.ndarray) else canvas.pixels(drawn, dpi)
            found[f"{panel.stage} {TITLES[panel.stage]}/{panel.title}"] = picture
    return found


def truth_panel(stages: Stages) -> Panel | None:
    """The picture with its true objects; None where they are not known."""
    truth = stages.truth
    if truth is None:
        return None
    return Panel(
        7, "truth", "The truth", "The objects that the picture is known to show.", f"{len(truth.labels)} objects.",
        lambda: object_figures.true_picture(stages.image, truth, stages.class_names),
    )  # fmt: skip


def activation_panels(found: Sequence[Activation], beside: Sequence[Activation] = ()) -> list[Panel]:
    """A figure a layer; with those of another model `beside`, of the same channels."""
    others = {one.layer: one for one in beside}
    draw = activation_figures.channel_grid
    return [
        Panel(
            4, f"activation_{one.layer}", one.layer, _activation_caption(one), f"{activation_figures.counts(one)}.",
            functools.partial(draw, one, beside=others.get(one.layer)),
        )
        for one in found
    ]  # fmt: skip


def _activation_caption(one: Activation) -> str:
    part = part_name(one.part)
    if not one.maps:
        return f"Of the {part}."
    maps = one.maps[0]
    if maps.ndim == 2:
        return f"Of the {part}, {len(maps)} regions: a row a region, a column a channel."
    if one.of_regions:
        return f"Of the {part}, {maps.shape[1]} x {maps.shape[2]} cells; the best detection's is shown."
    levels = f", called on {len(one.maps)} levels, the finest is shown" if len(one.maps) > 1 else ""
    return f"Of the {part}, {maps.shape[1]} x {maps.shape[2]} cells{levels}."


def weight_panels(
    layers: Sequence[LayerWeights], others: Sequence[LayerWeights] = (), names: tuple[str, str] = ("", "")
) -> list[Panel]:
    """A figure a part of the network; of two models, both in one figure."""
    found = []
    for part in dict.fromkeys(one.part for one in layers):
        own, theirs = ([one for one in side if one.part == part] for side in (layers, others))
        counts = [_channels(side) for side in ((own, theirs) if others else (own,))]
        note = "; ".join(f"{name}: {text}" if others else text for name, text in zip(names, counts, strict=False)) + "."
        caption = "A panel a layer. A spike at one value, or bars far from all others, are worth a question."
        if others:
            caption = f"A panel a layer: the line is {names[0]}, the area {names[1]}."
        title = part_name(part)[:1].upper() + part_name(part)[1:]
        draw = functools.partial(weight_figures.histograms, own, theirs, names)
        found.append(Panel(5, f"weights_{part}", title, caption, note, draw, wide=True))
    return found


def _channels(layers: Sequence[LayerWeights]) -> str:
    """How many channels some layers have, and what of them is pruned."""
    count, pruned = sum(len(one.zero) for one in layers), sum(int(one.pruned.sum()) for one in layers)
    word = "all 0" if all(one.silenced is None for one in layers) else "pruned"
    return f"{count:,} channels, " + (f"{pruned:,} of them {word}" if pruned else f"none of them {word}")
