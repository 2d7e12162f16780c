"""A small data set, and models that answer from its ground truth, whole or with a dead part."""

from types import SimpleNamespace

import numpy as np
import pytest

from maskrcnn.box_overlap import pairwise_iou
from maskrcnn.data import Dataset, Sample
from maskrcnn.data.cut_masks import CutMasks
from maskrcnn.evaluation.overlap import resample_masks

HEIGHT, WIDTH = 96, 128


def make_sample(index, names, objects=3, crowd=False, seed=5):
    """Rectangles, ellipses and crescents, one in each column of the picture; pixel (0, 0) holds the index."""
    rng = np.random.default_rng([seed, index])
    image = rng.integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    image[0, 0] = index // 256, index % 256, 0
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    masks, labels = [], []
    for n in range(objects):
        room = WIDTH / objects
        half = np.array([rng.uniform(8, 40), rng.uniform(0.2, 0.48) * room])
        centre = np.array([rng.uniform(half[0], HEIGHT - half[0]), (n + 0.5) * room])
        label = int(rng.integers(len(names))) + 1
        away = [(rows - centre[0]) / half[0], (columns - centre[1]) / half[1]]
        mask = np.maximum(*np.abs(away)) < 1 if label == 1 else np.hypot(*away) < 1
        if label == 3:
            mask &= ~(np.hypot(away[0] * 1.4, away[1] * 1.4 - 0.6) < 1)
        masks.append(mask)
        labels.append(label)
    masks = np.array(masks, bool).reshape(-1, HEIGHT, WIDTH)
    boxes = [[np.flatnonzero(m.any(a))[e] + (e < 0) for e in (0, -1) for a in (0, 1)] for m in masks]
    return Sample(
        image, np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int32), masks,
        np.arange(objects) < int(crowd), masks.sum((1, 2)).astype(np.float64), image_id=100 + 7 * index,
        name=f"made/{index}",
    )  # fmt: skip


def make_dataset(count=12, names=("box", "disc", "moon"), crowd_every=4, empty_every=5, objects=3):
    samples = [
        make_sample(i, names, 0 if empty_every and i % empty_every == 3 else objects,
                    bool(crowd_every) and i % crowd_every == 1)
        for i in range(count)
    ]  # fmt: skip
    return Dataset("made", names, count, samples.__getitem__)


class FakeModel:
    """Answers perfectly but for its dead parts ("rpn", "bbox", "class", "mask"); `noise` spoils the found."""

    def __init__(self, dataset, dead=(), noise=False, extra=0):
        self.dataset, self.dead, self.noise, self.extra = dataset, dead, noise, extra
        self.classes = len(dataset.class_names)

    def measure(self, images, boxes, mask_boxes):
        return [self._one(*row) for row in zip(images, boxes, mask_boxes, strict=True)]

    def _one(self, image, boxes, mask_boxes):
        index = int(image[0, 0, 0]) * 256 + int(image[0, 0, 1])
        sample, rng = self.dataset[index], np.random.default_rng(index)
        height, width = image.shape[:2]
        real = np.flatnonzero(~sample.crowd)
        own, labels = sample.boxes[real], sample.labels[real]
        scores = np.sort(rng.uniform(0.5, 1, len(real))).astype(np.float32)[::-1]

        proposals = own if "rpn" not in self.dead else np.array([[0, 0, 3, 3]] * 5, np.float32)
        best, label = np.zeros(len(boxes), int), np.zeros(len(boxes), int)
        if len(real):
            ious = pairwise_iou(boxes, own)
            best = ious.argmax(1)
            label = np.where(ious.max(1) >= 0.5, labels[best], 0)
        probs = np.eye(self.classes + 1, dtype=np.float32)[label]
        if "class" in self.dead:
            probs = np.full_like(probs, 1 / (self.classes + 1))
        moved = own[best] if len(real) and "bbox" not in self.dead else boxes
        refined = np.repeat(np.asarray(moved, np.float32)[:, None], self.classes + 1, axis=1)
        at = pairwise_iou(mask_boxes, own).argmax(1) if len(mask_boxes) else np.zeros(0, int)
        mask_probs = np.zeros((len(mask_boxes), 28, 28, self.classes), np.float32)
        small = resample_masks(CutMasks.of(sample.masks[real][at]), mask_boxes, 28)
        mask_probs[np.arange(len(at)), :, :, labels[at] - 1] = small
        if "mask" in self.dead:
            mask_probs[:] = 0

        found = SimpleNamespace(boxes=own, labels=labels, scores=scores, masks=sample.masks[real])
        if self.dead:
            found = self._spoilt(found, rng)
        if self.noise:
            found = self._noisy(found, rng, height, width)
        if "rpn" in self.dead:
            found = SimpleNamespace(
                boxes=own[:0], labels=labels[:0], scores=scores[:0], masks=sample.masks[:0]
            )
        return SimpleNamespace(
            proposals=proposals, proposal_scores=np.linspace(1, 0.1, len(proposals)), detections=found,
            agnostic_boxes=found.boxes, agnostic_scores=found.scores, class_probs=probs,
            refined_boxes=refined, mask_probs=mask_probs,
        )  # fmt: skip

    def _spoilt(self, found, rng):
        if "bbox" in self.dead:
            found.boxes = found.boxes + rng.uniform(-9, 9, found.boxes.shape).astype(np.float32)
        if "class" in self.dead:
            found.labels = rng.integers(1, self.classes + 1, len(found.labels))
        if "mask" in self.dead:
            found.masks = np.zeros_like(found.masks)
        return found

    def _noisy(self, found, rng, height, width):
        """Each object up to three times, moved, sometimes misnamed; some scores equal, some under 0.05."""
        again = (
            rng.integers(0, len(found.boxes), 3 * len(found.boxes)) if len(found.boxes) else np.zeros(0, int)
        )
        boxes = found.boxes[again] + rng.normal(0, 5, (len(again), 4))
        stray = rng.uniform(0, [width - 30, height - 30], (self.extra, 2))
        boxes = np.concatenate(
            [boxes, np.concatenate([stray, stray + rng.uniform(3, 30, (self.extra, 2))], 1)]
        )
        masks = np.zeros((len(boxes), height, width), bool)
        for mask, (x0, y0, x1, y1) in zip(masks, boxes.astype(int), strict=True):
            mask[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
        masks[: len(again)] &= found.masks[again] | (rng.random(len(again)) < 0.5)[:, None, None]
        labels = np.concatenate([found.labels[again], rng.integers(1, self.classes + 1, self.extra)])
        wrong = rng.random(len(labels)) < 0.3
        labels = np.where(wrong, rng.integers(1, self.classes + 1, len(labels)), labels)
        scores = np.round(rng.random(len(labels)), 2).astype(np.float32)
        return SimpleNamespace(boxes=boxes.astype(np.float32), labels=labels, scores=scores, masks=masks)


@pytest.fixture
def made():
    return SimpleNamespace(dataset=make_dataset, sample=make_sample, model=FakeModel)
