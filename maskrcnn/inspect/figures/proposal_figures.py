"""Stage 2: proposals before and after refinement and suppression, and what the second stage makes of them."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from maskrcnn.box_overlap import pairwise_iou
from maskrcnn.inspect.figures import canvas
from maskrcnn.inspect.picture_stages import Stages

DOTTED = (0, (1, 1.6))
MOST_WRITTEN = 12  # labels: more hide one another
FOREGROUND = 0.5  # a proposal is called an object if the background is less probable than this


@canvas.styled
def refined_candidates(stages: Stages, most: int = 25) -> Figure:
    """The best candidates: the anchor, dotted, and the box that the RPN makes of it, solid."""
    figure, axis = canvas.on_picture(stages.image)
    rows = _best(stages, most)
    colours = [canvas.LEVELS[level - 2] for level in stages.anchor_levels[rows]]
    canvas.boxes(axis, stages.anchors[rows], colours, style=DOTTED, width=1.0)
    canvas.boxes(axis, stages.anchor_boxes[rows], colours, width=1.4)
    levels = sorted(set(stages.anchor_levels[rows].tolist()))
    handles = [canvas.entry("anchor", color=canvas.GREY, linestyle=DOTTED), canvas.entry("moved", color=canvas.GREY)]
    canvas.legend(figure, handles + [canvas.entry(f"of P{n}", color=canvas.LEVELS[n - 2]) for n in levels], 3)
    return figure


@canvas.styled
def suppressed(stages: Stages, most: int = 100, after: bool = True) -> Figure:
    """The best candidates before the suppression, or after it: what it kept, and faintly what went.

    Args:
        stages: of one picture.
        most: candidates that are drawn.
        after: false draws all of them alike.
    """
    figure, axis = canvas.on_picture(stages.image)
    rows = _best(stages, most)
    kept = np.isin(rows, stages.proposal_anchors)
    if stages.truth is not None:
        canvas.truth_boxes(axis, stages.truth.boxes)
    if after:
        canvas.boxes(axis, stages.anchor_boxes[rows[~kept]], canvas.REFUSED, width=0.7, alpha=0.55)
        canvas.boxes(axis, stages.anchor_boxes[rows[kept]], canvas.CHOSEN, width=1.5)
        handles = [
            canvas.entry(f"{kept.sum()} kept", color=canvas.CHOSEN),
            canvas.entry(f"{(~kept).sum()} suppressed", color=canvas.REFUSED),
        ]
    else:
        canvas.boxes(axis, stages.anchor_boxes[rows], canvas.CHOSEN, width=0.9, alpha=0.7)
        handles = [canvas.entry(f"the {len(rows)} best candidates", color=canvas.CHOSEN)]
    if stages.truth is not None:
        handles.append(canvas.truth_entry())
    canvas.legend(figure, handles, 3)
    return figure


@canvas.styled
def proposal_scores(stages: Stages) -> Figure:
    """The proposals' scores by rank and, where the objects are known, how much of them the best so many find."""
    figure, axis = canvas.chart(height=3.4)
    ranks = np.arange(1, len(stages.proposals) + 1)
    axis.plot(ranks, stages.proposal_scores, color=canvas.GREY, label="score")
    if (recall := recall_by_rank(stages)) is not None:
        found, overlap = recall
        axis.plot(ranks, found, color=canvas.CHOSEN, label="share of objects found (IoU 0.5)")
        axis.plot(ranks, overlap, color=canvas.CHOSEN, linestyle=DOTTED, label="mean best IoU of the objects")
    axis.set(xscale="log", xlabel="so many best proposals", ylim=(-0.03, 1.03), ylabel="score, share, IoU")
    canvas.legend(figure, axis.get_legend_handles_labels()[0], 1)
    return figure


def recall_by_rank(stages: Stages) -> tuple[np.ndarray, np.ndarray] | None:
    """Of the n best proposals, for every n: share of objects found at IoU 0.5, and the mean of each object's best IoU.

    Returns:
        two arrays (P,) float64; None where no objects are known. Crowds are no objects.
    """
    if stages.truth is None or stages.truth.crowd.all() or not len(stages.proposals):
        return None
    best = np.maximum.accumulate(pairwise_iou(stages.proposals, stages.truth.boxes[~stages.truth.crowd]), axis=0)
    return (best >= 0.5).mean(axis=1), best.mean(axis=1)


@canvas.styled
def classified(stages: Stages, most: int = 40) -> Figure:
    """Proposals that the second stage calls an object: as proposed, dotted, and as it moves them, solid."""
    figure, axis = canvas.on_picture(stages.image)
    rows = np.flatnonzero(stages.class_probs[:, 0] < FOREGROUND)
    rows = rows[np.argsort(stages.class_probs[rows, 0], kind="stable")][:most]
    labels = stages.class_probs[rows, 1:].argmax(axis=1) + 1 if len(rows) else rows
    colours = [canvas.class_colour(int(label), stages.class_names, 0) for label in labels]
    canvas.boxes(axis, stages.proposals[rows], colours, style=DOTTED, width=1.1)
    canvas.boxes(axis, stages.refined[rows, labels], colours, width=1.3)
    canvas.legend(figure, _dotted_to_solid("proposal", "moved") + _classes(stages, labels), 3)
    return figure


@canvas.styled
def refined_detections(stages: Stages) -> Figure:
    """The detections: the proposal that each comes from, dotted, and the final box, solid."""
    figure, axis = canvas.on_picture(stages.image)
    found = stages.detections
    colours = [canvas.class_colour(int(c), stages.class_names, n) for n, c in enumerate(found.labels)]
    if stages.truth is not None:
        canvas.truth_boxes(axis, stages.truth.boxes)
    canvas.boxes(axis, stages.proposals[stages.detection_proposals], colours, style=DOTTED, width=1.2)
    canvas.boxes(axis, found.boxes, colours, width=1.6)
    handles = _dotted_to_solid("proposal", "detection") + ([canvas.truth_entry()] if stages.truth is not None else [])
    if len(found) <= MOST_WRITTEN:
        for box, name, score, colour in list(zip(found.boxes, found.names, found.scores, colours, strict=True))[::-1]:
            canvas.written(axis, box, f"{name} {score:.2f}", colour)
    else:
        handles += _classes(stages, found.labels)
    canvas.legend(figure, handles, 3)
    return figure


def _best(stages: Stages, most: int) -> np.ndarray:
    """Rows of the anchors of the best candidates that may go on."""
    order = np.argsort(-stages.candidate_scores, kind="stable")[:most]
    return stages.candidates[order[stages.candidate_scores[order] > 0]]


def _dotted_to_solid(before: str, after: str) -> list:
    return [
        canvas.entry(before, color=canvas.GREY, linestyle=DOTTED),
        canvas.entry(after, color=canvas.GREY),
    ]


def _classes(stages: Stages, labels) -> list:
    """The legend's entries of the classes that occur."""
    every = sorted(set(np.asarray(labels).tolist()))
    return [
        canvas.entry(stages.class_names[label - 1], color=canvas.class_colour(label, stages.class_names), linewidth=4)
        for label in every
    ]
