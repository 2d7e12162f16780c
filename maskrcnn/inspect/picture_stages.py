"""Every stage of one picture's way through the model, as arrays."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from maskrcnn import boxes as box_ops
from maskrcnn.data.placement import place
from maskrcnn.detection.detections import Detections
from maskrcnn.detection.inference import as_float, collect
from maskrcnn.network.forward import Forward
from maskrcnn.network.preprocessing import fit
from maskrcnn.proposals.matching import match, most_overlapped
from maskrcnn.proposals.propose import objectness
from maskrcnn.regions import second_stage

if TYPE_CHECKING:
    from maskrcnn.data import Sample

FINEST_LEVEL = 2  # the pyramid begins with P2


@dataclasses.dataclass(frozen=True)
class Truth:
    """The objects that a picture is known to show, and what they make of each anchor.

    Attributes:
        boxes: (G, 4) float32 xyxy, px of the picture as given; labels: (G,) int32 from 1.
        masks: (G, H, W) bool; crowd: (G,) bool.
        anchor_labels: (A,) int32, 1 positive, 0 negative, -1 neutral, as training would call them.
        anchor_objects: (A,) int32, the object that each anchor overlaps most.
    """

    boxes: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    crowd: np.ndarray
    anchor_labels: np.ndarray
    anchor_objects: np.ndarray


@dataclasses.dataclass(frozen=True)
class Stages:
    """What a model makes of one picture, stage by stage. Boxes are float32 xyxy in px of the picture as given.

    Attributes:
        image: (H, W, 3) uint8 RGB; class_names: of the labels 1, 2, ...
        network_size, padded_size: (height, width) px of the picture that the network reads, without and with padding.
        grids: (rows, columns) of each level's map, P2 first.
        anchors: (A, 4); anchor_levels: (A,) int32 from 2; objectness: (A,) float32 in [0, 1].
        anchor_boxes: (A, 4), the anchors moved as the RPN asks, cut at the picture's edges.
        candidates: (K,) int32 rows of `anchors`, the best of each level, level by level.
        candidate_scores: (K,) float32 in [0, 1]; 0 where the moved box is too thin to go on.
        proposals: (P, 4), best first; proposal_scores: (P,); proposal_anchors: (P,) int32 rows of `anchors`.
        class_probs: (P, C + 1) of the proposals, background first; refined: (P, C + 1, 4), where each class moves them.
        detections: what `MaskRCNN.detect` answers; detection_proposals: (D,) int32 rows of `proposals`.
        mask_probs: (D, 28, 28) float32 in [0, 1], the mask head's answers for the detections.
        score_threshold: detections score above it.
        truth: None where it is not known.
    """

    image: np.ndarray
    class_names: tuple[str, ...]
    network_size: tuple[int, int]
    padded_size: tuple[int, int]
    grids: tuple[tuple[int, int], ...]
    anchors: np.ndarray
    anchor_levels: np.ndarray
    objectness: np.ndarray
    anchor_boxes: np.ndarray
    candidates: np.ndarray
    candidate_scores: np.ndarray
    proposals: np.ndarray
    proposal_scores: np.ndarray
    proposal_anchors: np.ndarray
    class_probs: np.ndarray
    refined: np.ndarray
    detections: Detections
    detection_proposals: np.ndarray
    mask_probs: np.ndarray
    score_threshold: float
    truth: Truth | None = None


def trace(
    model: Any,
    image: np.ndarray,
    truth: Sample | None = None,
    score_threshold: float | None = None,
    max_detections: int | None = None,
) -> Stages:
    """Run a model on one picture, and keep what passes between its stages.

    It is the model's own path: the last stage equals `model.detect(image, score_threshold, max_detections)`.

    Args:
        model: a MaskRCNN.
        image: (H, W, 3) RGB, uint8 or float in [0, 1].
        truth: the picture's objects, in its pixels; None: not known.
        score_threshold, max_detections: see `MaskRCNN.detect`.

    Raises:
        ValueError: for a picture of another shape, type or range, or objects of another picture.
    """
    config, picture = model.config, as_float(image)
    height, width = picture.shape[:2]
    if truth is not None and truth.image.shape[:2] != (height, width):
        raise ValueError(
            f"{truth.name}: its objects are of a picture of {truth.image.shape[1]} x {truth.image.shape[0]} px, the "
            f"picture given has {width} x {height} px"
        )
    least = config.detection_min_score if score_threshold is None else score_threshold
    limit = config.detections_per_image if max_detections is None else int(max_detections)
    placement = place((height, width), config)
    size, padded = placement.size, fit(picture, placement.size, config)
    run = tf.function(  # as a graph and with shapes left open, as `detect` runs: equal to the last digit
        lambda images, sizes, least: _run(model, images, sizes, least, limit),
        input_signature=[tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((None, 2)), tf.TensorSpec(())],
        autograph=False,
    )
    sizes = tf.cast([size], tf.float32)
    found = {name: value.numpy() for name, value in run(padded[None], sizes, tf.cast(least, tf.float32)).items()}

    back = placement.back
    count, proposal_count = found["count"][0], found["proposal_count"][0]
    labels = found["labels"][0, :count]
    refined, probs = found["refined"][0, :proposal_count], found["class_probs"][0, :proposal_count]
    chosen = found["candidates"][0]
    proposed = _sources(
        found["proposals"][0, :proposal_count],
        found["proposal_scores"][0, :proposal_count],
        found["anchor_boxes"][0, chosen],
        found["candidate_scores"][0],
    )
    detected = _detection_sources(found["boxes"][0, :count], found["scores"][0, :count], labels, refined, probs)
    return Stages(
        image=np.round(picture * 255).astype(np.uint8),
        class_names=config.class_names,
        network_size=size,
        padded_size=(int(padded.shape[0]), int(padded.shape[1])),
        grids=tuple((int(rows), int(columns)) for rows, columns in found["grids"]),
        anchors=back(found["anchors"]),
        anchor_levels=found["anchor_levels"],
        objectness=found["objectness"][0],
        anchor_boxes=back(found["anchor_boxes"][0]),
        candidates=chosen,
        candidate_scores=found["candidate_scores"][0],
        proposals=back(found["proposals"][0, :proposal_count]),
        proposal_scores=found["proposal_scores"][0, :proposal_count],
        proposal_anchors=chosen[proposed],
        class_probs=probs,
        refined=back(refined),
        detections=collect(
            found | {"boxes": back(found["boxes"])}, 0, found["mask_probs"], (height, width), config
        ),
        detection_proposals=detected,
        mask_probs=found["mask_probs"],
        score_threshold=float(least),
        truth=None if truth is None else _matched(truth, found["anchors"], placement, config),
    )


def _run(model, images, sizes, least, limit: int) -> dict[str, tf.Tensor]:
    """The model on one picture, as `Inference.detections` runs it, with all that passes by."""
    config = model.config
    forward = Forward(model.network, config, images, sizes, folded=True)
    rows = [tf.shape(level)[1] for level in forward.rpn_logits]
    anchors = tf.concat(forward.anchors, axis=0)
    moved = box_ops.decode(tf.concat(forward.rpn_deltas, axis=1), anchors, config.rpn_delta_std)
    _, candidate_scores, chosen = forward.candidates()
    proposals = forward.proposals()
    probs, refined = second_stage.second_stage(forward, proposals)
    boxes, scores, labels, count = second_stage.detect_boxes(forward, probs, refined, least, limit)
    return {
        "grids": tf.stack(forward.grids),
        "anchors": anchors,
        "anchor_levels": tf.repeat(tf.range(len(rows)) + FINEST_LEVEL, rows),
        "objectness": tf.sigmoid(tf.concat(forward.rpn_logits, axis=1)),
        "anchor_boxes": box_ops.clip(moved, forward.proposal_extent),
        "candidates": chosen,
        "candidate_scores": objectness(tf.reduce_sum(candidate_scores, axis=-1)),
        "proposals": proposals[0],
        "proposal_scores": proposals[1],
        "proposal_count": proposals[2],
        "class_probs": probs,
        "refined": refined,
        "boxes": boxes,
        "scores": scores,
        "labels": labels,
        "count": count,
        "mask_probs": second_stage.detect_masks(forward, boxes, labels, count),
    }


def _sources(boxes, scores, from_boxes, from_scores) -> np.ndarray:
    """Row of each kept box among those that the suppression chose from: it copies boxes, and says not which."""
    places: dict[bytes, list[int]] = {}
    for row in np.flatnonzero(from_scores > 0).tolist():
        places.setdefault(from_boxes[row].tobytes(), []).append(row)
    found = []
    for box, score in zip(boxes, scores, strict=True):
        rows = places[box.tobytes()]  # several where boxes were cut to the same one
        best = min(rows, key=lambda row: abs(from_scores[row] - score))
        rows.remove(best)
        found.append(best)
    return np.array(found, np.int32)


def _detection_sources(boxes, scores, labels, refined, probs) -> np.ndarray:
    """Row of the proposal of each detection."""
    found = np.zeros(len(boxes), np.int32)
    for label in np.unique(labels):
        own = labels == label
        found[own] = _sources(boxes[own], scores[own], refined[:, label], probs[:, label])
    return found


def _matched(sample, anchors, placement, config) -> Truth:
    """The objects, and what training would call each anchor (in px of the picture that the network reads)."""
    crowd = np.asarray(sample.crowd, bool)
    boxes = np.asarray(sample.boxes, np.float32).reshape(-1, 4)
    if len(boxes):
        labels, iou = match(
            tf.constant(anchors),
            tf.constant(placement.into(boxes).astype(np.float32))[None],
            tf.constant(~crowd)[None],
            tf.constant(crowd)[None],
            config.rpn_positive_iou,
            config.rpn_negative_iou,
            keep_best=True,
        )
        labels, objects = labels[0].numpy(), most_overlapped(iou, tf.range(len(anchors))[None])[0].numpy()
    else:
        labels, objects = np.zeros((2, len(anchors)), np.int32)
    return Truth(boxes, np.asarray(sample.labels, np.int32), np.asarray(sample.masks, bool), crowd, labels, objects)
