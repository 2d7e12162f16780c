"""Pictures in, detections out: the graph, and NumPy on either side of it."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from maskrcnn.data.placement import place
from maskrcnn.detection.detections import Detections, Measured
from maskrcnn.network.forward import Forward
from maskrcnn.network.preprocessing import fit
from maskrcnn.regions import second_stage
from maskrcnn.regions.pasting import paste_masks


class Inference:
    """Detection with one model; keeps its compiled graphs.

    Args:
        model: a MaskRCNN.
        finish: what to make of the graph of detection, a concrete function, before it is called.
    """

    def __init__(self, model, finish=lambda graph: graph):
        self._parts = lambda: (model.network, model.config)
        self._finish = finish
        self._detect_graphs = {}
        self._measure_graph = self._fit_graph = None

    def detections(self, forward: Forward, min_score=None, max_detections=None) -> dict:
        """Detections of a batch as padded tensors: boxes, scores, labels, count, and masks (flat)."""
        config = forward.config
        probs, boxes = second_stage.second_stage(forward, forward.proposals())
        boxes, scores, labels, count = second_stage.detect_boxes(
            forward,
            probs,
            boxes,
            config.detection_min_score if min_score is None else min_score,
            config.detections_per_image if max_detections is None else max_detections,
        )
        masks = second_stage.detect_masks(forward, boxes, labels, count)
        return {"boxes": boxes, "scores": scores, "labels": labels, "count": count, "mask_probs": masks}

    def detect(self, image, score_threshold, max_detections, batch_size):
        if not isinstance(image, list | tuple):
            return self.detect([image], score_threshold, max_detections, 1)[0]
        _, config = self._parts()
        limit = config.detections_per_image if max_detections is None else int(max_detections)
        least = config.detection_min_score if score_threshold is None else score_threshold
        found: list[Detections | None] = [None] * len(image)
        for members in self._alike([as_float(one).shape[:2] for one in image], batch_size):
            pictures = [as_float(image[i]) for i in members]
            for i, one in zip(members, self._detect_alike(pictures, least, limit), strict=True):
                found[i] = one
        return found

    def _alike(self, sizes, batch_size: int) -> list[list[int]]:
        """Indices of pictures that are equally large once they are resized and padded, at most a batch together."""
        _, config = self._parts()
        groups: dict[tuple[int, ...], list[int]] = {}
        for index, size in enumerate(sizes):
            groups.setdefault(place(size, config).padded, []).append(index)
        step = max(1, batch_size)
        return [group[k : k + step] for group in groups.values() for k in range(0, len(group), step)]

    def _detect_alike(self, pictures, least: float, limit: int) -> list[Detections]:
        """The detections of pictures that are padded to one size, from one call of the graph."""
        _, config = self._parts()
        places = [place(picture.shape[:2], config) for picture in pictures]
        fitted = [self._fitted(picture, one) for picture, one in zip(pictures, places, strict=True)]
        found = self.detect_graph(limit)(
            fitted[0] if len(fitted) == 1 else np.concatenate(fitted),
            np.array([one.size for one in places], "float32"),
            np.float32(least),
        )
        found = {name: value.numpy() for name, value in found.items()}
        masks = np.split(found["mask_probs"], np.cumsum(found["count"])[:-1])
        answers = []
        for i, placement in enumerate(places):
            own = found | {"boxes": placement.back(found["boxes"])}
            answers.append(collect(own, i, masks[i], placement.old, config))
        return answers

    def detect_graph(self, limit: int):
        """The graph that finds at most so many objects a picture, traced when it is first asked for."""
        if limit not in self._detect_graphs:
            traced = _traced(
                lambda images, sizes, least: self._detect(images, sizes, least, limit),
                tf.TensorSpec((None, None, None, 3)),
                tf.TensorSpec((None, 2)),
                tf.TensorSpec(()),
            )
            self._detect_graphs[limit] = self._finish(traced)
        return self._detect_graphs[limit]

    def _fitted(self, picture, placement):
        """A picture (H, W, 3) as the network reads it, (1, H', W', 3) float32, from one call of a graph."""
        if self._fit_graph is None:
            self._fit_graph = _traced(
                lambda picture, size: fit(picture, size, self._parts()[1])[None],
                tf.TensorSpec((None, None, 3)),
                tf.TensorSpec((2,), tf.int32),
            )
        return self._fit_graph(picture, np.array(placement.size, "int32"))

    def _detect(self, images, sizes, min_score, max_detections):
        return self.detections(Forward(*self._parts(), images, sizes, folded=True), min_score, max_detections)

    def measure(self, images, boxes, mask_boxes):
        """Proposals, detections, and the answers about given boxes, from one pass of the backbone.

        Args:
            images: B pictures as in `detect`.
            boxes: B arrays (K_i, 4) float xyxy in each picture's pixels, for the box head.
            mask_boxes: B arrays (M_i, 4), for the mask head.

        Returns:
            A list of B Measured.
        """
        _, config = self._parts()
        pictures = [as_float(image) for image in images]
        places = [place(picture.shape[:2], config) for picture in pictures]
        fitted = [self._fitted(p, one)[0].numpy() for p, one in zip(pictures, places, strict=True)]
        batch = np.zeros((len(images), *np.max([f.shape[:2] for f in fitted], axis=0), 3), "float32")
        for canvas, padded in zip(batch, fitted, strict=True):
            canvas[: padded.shape[0], : padded.shape[1]] = padded
        if self._measure_graph is None:
            self._measure_graph = _traced(
                self._measure,
                tf.TensorSpec((None, None, None, 3)),
                tf.TensorSpec((None, 2)),
                tf.TensorSpec((None, None, 4)),
                tf.TensorSpec((None, 4)),
                tf.TensorSpec((None,), tf.int32),
            )
        masks_of = [len(m) for m in mask_boxes]
        found = self._measure_graph(
            batch,
            np.array([one.size for one in places], "float32"),
            _pad_boxes([one.into(b) for b, one in zip(boxes, places, strict=True)]),
            np.concatenate([one.into(m) for m, one in zip(mask_boxes, places, strict=True)]).astype("float32"),
            np.repeat(np.arange(len(images)), masks_of).astype("int32"),
        )
        found = {name: value.numpy() for name, value in found.items()}
        result = []
        detected = np.split(found["mask_probs"], np.cumsum(found["count"])[:-1])
        probed = np.split(found["probe_masks"], np.cumsum(masks_of)[:-1])
        for i, placement in enumerate(places):
            proposals, agnostic, given = found["proposal_count"][i], found["agnostic_count"][i], len(boxes[i])
            one = found | {"boxes": placement.back(found["boxes"])}
            result.append(
                Measured(
                    placement.back(found["proposals"][i, :proposals]),
                    found["proposal_scores"][i, :proposals],
                    collect(one, i, detected[i], placement.old, config),
                    placement.back(found["agnostic_boxes"][i, :agnostic]),
                    found["agnostic_scores"][i, :agnostic],
                    found["class_probs"][i, :given],
                    placement.back(found["refined_boxes"][i, :given]),
                    probed[i],
                )
            )
        return result

    def _measure(self, images, sizes, boxes, mask_boxes, mask_picture):
        network, config = self._parts()
        forward = Forward(network, config, images, sizes, folded=True)
        proposals = forward.proposals()
        probs, refined = second_stage.second_stage(forward, proposals)
        limits = (config.detection_min_score, config.detections_per_image)
        found, scores, labels, count = second_stage.detect_boxes(forward, probs, refined, *limits)
        agnostic, agnostic_scores, agnostic_count = second_stage.detect_class_agnostic(forward, probs, refined, *limits)
        logits, deltas = forward.classify(boxes)
        return {
            "proposals": proposals[0],
            "proposal_scores": proposals[1],
            "proposal_count": proposals[2],
            "boxes": found,
            "scores": scores,
            "labels": labels,
            "count": count,
            "mask_probs": second_stage.detect_masks(forward, found, labels, count),
            "agnostic_boxes": agnostic,
            "agnostic_scores": agnostic_scores,
            "agnostic_count": agnostic_count,
            "class_probs": tf.nn.softmax(logits),
            "refined_boxes": second_stage.refine(forward, boxes, deltas),
            "probe_masks": tf.sigmoid(forward.segment(mask_boxes, mask_picture)[..., 1:]),
        }


def _traced(function, *specs):
    """The graph of a function, traced once, for tensors of these `tf.TensorSpec`s.

    TensorFlow counts how often the same code is traced, and warns of what it takes for mistakes: here the code is one
    and the models are several. What is traced beforehand it does not count, and calls it more quickly.

    As in Keras's graphs of training, Python is not read for conditions and loops that a graph could have: there are
    none, and reading took up to half of the time to a first answer.
    """
    return tf.function(function, input_signature=specs, autograph=False).get_concrete_function()


def as_float(image) -> np.ndarray:
    """A picture (H, W, 3) as float32 in [0, 1].

    Raises:
        ValueError: for another shape, type or range.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3 or not image.size:
        raise ValueError(f"a picture has the shape (H, W, 3), RGB; found {image.shape}")
    if image.dtype == np.uint8:
        return image.astype("float32") / 255
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"a picture is uint8, or float in [0, 1]; found {image.dtype}")
    if not np.isfinite(image).all() or image.min() < 0 or image.max() > 1:
        raise ValueError(f"a float picture lies in [0, 1]; found {image.min():g} to {image.max():g}")
    return image.astype("float32")


def detect_all(model, pictures, batch_size: int, verbose) -> list[Detections]:
    """The detections of a Dataset's pictures, or of a list of them, some batches in memory at a time."""
    count, chunk = len(pictures), 4 * batch_size  # of several, those that are equally large can be put together
    bar = keras.utils.Progbar(count, verbose=1 if verbose == "auto" else verbose)
    found = []
    for start in range(0, count, chunk):
        some = [pictures[i] for i in range(start, min(start + chunk, count))]
        found += model.detect([getattr(one, "image", one) for one in some], batch_size=batch_size)
        bar.update(len(found))
    return found


def _pad_boxes(boxes) -> np.ndarray:
    """Ragged boxes to (B, longest, 4) float32; the empty slots hold a box of one pixel."""
    padded = np.tile(np.array([0, 0, 1, 1], "float32"), (len(boxes), max(1, max(map(len, boxes))), 1))
    for canvas, these in zip(padded, boxes, strict=True):
        canvas[: len(these)] = these
    return padded


def collect(found, index, mask_probs, size, config) -> Detections:
    """The detections of picture `index` of a batch; `size` is its (height, width).

    Args:
        found: boxes (B, D, 4) in px of the picture as given, scores, labels (B, D) and count (B,), NumPy.
        mask_probs: (count of this picture, 28, 28).
        config: the model's, of which `class_names` and `mask_to_box` are read.
    """
    count = found["count"][index]
    # Scaling back may pass the edge by the last digit.
    boxes = np.minimum(found["boxes"][index, :count].astype("float32"), np.array(size, np.float32)[[1, 0, 1, 0]])
    return Detections(
        boxes,
        found["labels"][index, :count],
        found["scores"][index, :count],
        paste_masks(mask_probs, boxes, size[0], size[1], 0.5, config.mask_to_box),
        config.class_names,
    )
