"""The network in three pieces, cut from its own graph: what a user edits there trains and detects as edited."""

from __future__ import annotations

import keras

from maskrcnn.network.folded_norms import run_folded
from maskrcnn.regions.roi_align import reading

FIRST, BOXES, MASKS = ("rpn_class_", "rpn_bbox_"), ("mrcnn_class_logits", "mrcnn_bbox"), ("mrcnn_mask",)
LEVELS = (2, 3, 4, 5, 6)


class Pieces:
    """Picture to RPN and maps; maps and regions to classes and boxes; maps and regions to masks.

    Between the first piece and the others passes whatever the heads read that depends on the picture alone: the
    pyramid, and what a user's own graph adds to it.

    Args:
        network: a Functional model with the inputs and outputs of `build_network`, by name.
        folded: for inference alone: batch norms are folded into convolutions, see `folded_norms`.

    Raises:
        ValueError: inputs or outputs are missing, or a piece needs what comes after it.
    """

    def __init__(self, network: keras.Model, folded: bool = False) -> None:
        inputs = {tensor.name: tensor for tensor in network.inputs}
        outputs = network.output
        wanted = [f"{kind}{level}" for kind in FIRST for level in LEVELS] + [*BOXES, *MASKS]
        missing = [name for name in ("image", "rois", "mask_rois") if name not in inputs]
        missing += [name for name in wanted if not isinstance(outputs, dict) or name not in outputs]
        if missing:
            raise ValueError(f"network {network.name!r} has no {', '.join(missing)}: see network.build_network")
        graph = _Graph(inputs)
        for name in wanted:
            kind = {"rois"} if name in BOXES else {"mask_rois"} if name in MASKS else set()
            if wrong := graph.sources(outputs[name]) - kind - {"image"}:
                raise ValueError(
                    f"network {network.name!r}: output {name} depends on input {', '.join(sorted(wrong))}, which is "
                    "not known when it is computed"
                )
        box_maps, mask_maps = (graph.before([outputs[name] for name in names]) for names in (BOXES, MASKS))
        # Keras runs calls of equal depth last output first; finest level first, sums of gradients are as they were.
        answers = [[outputs[f"{kind}{level}"] for kind in FIRST] for level in reversed(LEVELS)]
        self._first = _piece([inputs["image"]], [answers, box_maps, mask_maps], folded)
        self._boxes = _piece([box_maps, inputs["rois"]], [outputs[name] for name in BOXES], folded)
        self._masks = _piece([mask_maps, inputs["mask_rois"]], outputs[MASKS[0]], folded)

    def pyramid(self, images, training: bool):
        """RPN logits and deltas, a list of one map (B, h, w, .) a level each, and what the other pieces read."""
        answers, box_maps, mask_maps = self._first([images], training=training)
        logits, deltas = zip(*reversed(answers), strict=True)
        return logits, deltas, (box_maps, mask_maps)

    def boxes(self, maps, rois, training: bool, static_shapes: bool):
        """Class logits (B N, C + 1) and deltas (B N, 4 (C + 1)) of the regions (B, N, 4)."""
        with reading(static_shapes=static_shapes):
            return self._boxes([maps[0], rois], training=training)

    def masks(self, maps, rois, picture, training: bool, static_shapes: bool):
        """Mask logits (P, h, w, C + 1) of the regions (P, 4) of the pictures `picture` (P,)."""
        with reading(picture, static_shapes):
            return self._masks([maps[1], rois[None]], training=training)


class _Piece(keras.layers.Layer):
    """Runs a keras.Function in training or inference: the function itself would take that from whoever calls it."""

    def __init__(self, function, folded):
        super().__init__(autocast=False, dtype="float32", name="piece")
        self._function, self._folded = function, folded

    def call(self, inputs, training=False):
        return run_folded(self._function, inputs) if self._folded else self._function(inputs)


def _piece(inputs, outputs, folded: bool) -> _Piece:
    return _Piece(keras.Function(inputs, outputs), folded)


class _Graph:
    """What each tensor of a Functional model depends on.

    Keras has no public way from a tensor to those it is made of: `layer.input` is that of the layer's first call,
    which is another network's where a user built a new one of the old one's layers.
    """

    def __init__(self, inputs):
        self._sources = {id(tensor): {name} for name, tensor in inputs.items()}

    def sources(self, tensor) -> set[str]:
        """Names of the inputs that a tensor depends on."""
        if id(tensor) not in self._sources:
            self._sources[id(tensor)] = set().union(*map(self.sources, _parents(tensor)))
        return self._sources[id(tensor)]

    def before(self, tensors) -> list:
        """The last tensors on the way to these that depend on the picture alone."""
        found, seen, pending = [], set(), list(tensors)
        while pending:
            tensor = pending.pop(0)
            if id(tensor) in seen:
                continue
            seen.add(id(tensor))
            if self.sources(tensor) == {"image"}:
                found.append(tensor)
            else:
                pending += _parents(tensor)
        return found


def _parents(tensor) -> list:
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index].input_tensors
