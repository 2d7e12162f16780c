"""What layers answer on one picture, and which of their channels say nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from maskrcnn.data.placement import place
from maskrcnn.detection.inference import as_float
from maskrcnn.network import leaf_layers
from maskrcnn.network.forward import Forward
from maskrcnn.network.preprocessing import fit
from maskrcnn.regions import second_stage

LEAST_CELLS = 256  # a smaller map is not judged: it has too few neighbours to tell structure from chance
DEVIATIONS = 3.0


@dataclasses.dataclass(frozen=True)
class Activation:
    """What one layer answers on one picture.

    Attributes:
        layer: its name; part: of the network, such as "features".
        maps: an array a call, in order: (1, h, w, C) of the picture, without padding; (N, h, w, C) or (N, C) of N
            regions. The RPN's layers are called once a level, the finest first.
        of_regions: whether the maps are of regions.
        zero: (C,) bool, channels that are 0 everywhere.
        noisy: (C,) bool, channels whose neighbouring cells are as alike as those of white noise: see `noisy`.
        silenced: (C,) bool, channels that are known to be pruned; None: nothing is known.
    """

    layer: str
    part: str
    maps: tuple[np.ndarray, ...]
    of_regions: bool
    zero: np.ndarray
    noisy: np.ndarray
    silenced: np.ndarray | None = None


def activations(
    model: Any,
    image: np.ndarray,
    layers: Sequence[str] | None = None,
    silenced: Mapping[str, np.ndarray] | None = None,
) -> list[Activation]:
    """Run a model on one picture and keep what some of its layers answer.

    Args:
        model: a MaskRCNN.
        image: (H, W, 3) RGB, uint8 or float in [0, 1].
        layers: their names; those of `telling_layers` if None.
        silenced: layer -> (C,) bool, channels that are known to be pruned.

    Returns:
        an Activation a layer, in the order asked. The mask head's layers have no maps where nothing is found.

    Raises:
        ValueError: there is no layer of a name, or its answer is no single array with channels.
    """
    known = {layer.name: layer for layer in leaf_layers(model.network)}
    names = telling_layers(model.network) if layers is None else list(layers)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
            raise ValueError(f"the network has no layer {name!r}; {hint}")
    config, picture = model.config, as_float(image)
    placement = place(picture.shape[:2], config)
    padded = fit(picture, placement.size, config)
    answers: dict[str, list] = {name: [] for name in names}
    with _recorded({name: known[name] for name in names}, answers):
        forward = Forward(model.network, config, padded[None], tf.cast([placement.size], tf.float32))
        of_picture = {name for name, found in answers.items() if found}
        probs, boxes = second_stage.second_stage(forward, forward.proposals())
        least, limit = config.detection_min_score, config.detections_per_image
        boxes, _, labels, count = second_stage.detect_boxes(forward, probs, boxes, least, limit)
        if int(count[0]):
            second_stage.detect_masks(forward, boxes, labels, count)
    parts = parts_of_layers(model.network)
    offset = np.array(placement.offset)
    share = np.stack([offset, offset + placement.size]) / padded.shape[:2]
    return [
        _activation(name, parts[name], found, name not in of_picture, share, (silenced or {}).get(name))
        for name, found in answers.items()
    ]


def telling_layers(network: Any) -> list[str]:
    """The last layer of the backbone at each size of its maps, and one or two of the pyramid and of each head."""
    parts = parts_of_layers(network)
    names = {layer.name for layer in leaf_layers(network)}
    backbone = [layer for layer in leaf_layers(network) if layer.name.startswith("fpn_lateral")]
    ends = [layer.input._keras_history.operation.name for layer in backbone]
    stem = [name for name in ("stem_relu", "conv1_relu", "Conv1_relu") if name in names]
    heads = ["fpn_output2", "rpn_conv", "box_fc1", "mask_conv1", "mask_deconv"]
    return [name for name in (*stem, *sorted(set(ends), key=list(parts).index), *heads) if name in names]


def parts_of_layers(network: Any) -> dict[str, str]:
    """Layer -> the nested model that it lies in, or the layer's own name, in the network's order."""
    found = {}
    for layer in network.layers:
        inside = leaf_layers(layer) if hasattr(layer, "layers") else [layer]
        found.update({one.name: layer.name for one in inside})
    return found


def noisy(maps: np.ndarray) -> np.ndarray:
    """Channels that look like noise: neighbouring cells are no more alike, and no less, than those of white noise.

    Our own criterion, on a standard measure: Moran's I of cells side by side and one above the other (Moran 1950,
    "Notes on continuous stochastic phenomena"), which is near 1 for a smooth map, 0 for white noise and below for a
    chequerboard. A channel is noisy if its I is within three standard deviations, of 1 / sqrt(pairs) each, of 0.

    Args:
        maps: (N, h, w, C).

    Returns:
        (C,) bool; False for channels without variation, and for all channels of fewer than 256 cells in total.
    """
    values = np.asarray(maps, np.float64)
    count, height, width, channels = values.shape
    pairs = count * (height * (width - 1) + (height - 1) * width)
    if count * height * width < LEAST_CELLS or not pairs:
        return np.zeros(channels, bool)
    values = values - values.mean(axis=(0, 1, 2))
    variance = np.square(values).mean(axis=(0, 1, 2))
    beside = (values[:, :, 1:] * values[:, :, :-1]).sum(axis=(0, 1, 2))
    below = (values[:, 1:] * values[:, :-1]).sum(axis=(0, 1, 2))
    alike = (beside + below) / pairs / np.where(variance > 0, variance, 1.0)
    return (variance > 0) & (np.abs(alike) < DEVIATIONS / np.sqrt(pairs))


@contextlib.contextmanager
def _recorded(layers: Mapping[str, Any], answers: dict[str, list]) -> Iterator[None]:
    """Note what layers answer meanwhile. Keras has no hooks: `call` is what every way into a layer comes to."""

    def noting(name: str, call: Any) -> Any:
        def noted(*args: Any, **kwargs: Any) -> Any:
            found = call(*args, **kwargs)
            answers[name].append(found)
            return found

        return noted

    for name, layer in layers.items():
        layer.call = noting(name, layer.call)
    try:
        yield
    finally:
        for layer in layers.values():
            del layer.call


def _activation(name, part, found, of_regions, share, silenced) -> Activation:
    maps = []
    for answer in found:
        array = np.asarray(answer, np.float32) if hasattr(answer, "shape") else np.zeros(())
        if array.ndim not in (2, 4):
            raise ValueError(f"layer {name!r} has no channels to show: it answers {getattr(answer, 'shape', answer)!r}")
        if not of_regions and array.ndim == 4:
            (top, left), (bottom, right) = np.round(share * array.shape[1:3]).astype(int).tolist()
            array = array[:, top : max(top + 1, bottom), left : max(left + 1, right)]
        maps.append(array)
    maps = [array for array in maps if len(array)]
    channels = maps[0].shape[-1] if maps else 0
    zero = np.ones(channels, bool)
    for array in maps:
        zero &= ~np.any(array.reshape(-1, channels), axis=0)
    grainy = noisy(maps[0]) if maps and maps[0].ndim == 4 else np.zeros(channels, bool)
    if silenced is not None and maps and len(silenced) != channels:
        raise ValueError(f"silenced[{name!r}] has {len(silenced)} channels, the layer {channels}")
    return Activation(name, part, tuple(maps), of_regions, zero, grainy, silenced if maps else None)
