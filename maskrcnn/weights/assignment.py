"""Foreign tensors into a model's variables: what all formats share once names are translated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np

from maskrcnn.network import freeze_batch_norm, leaf_layers
from maskrcnn.weights.report import WeightReport

# Layers whose shape depends on the number of classes.
OF_CLASSES = ("mrcnn_class_logits", "mrcnn_bbox", "mrcnn_mask")

Place = tuple[str, str]  # a layer's name and that of its weight
Classes = Literal["load", "skip"]


def check_classes(classes: Any) -> None:
    """Raises a ValueError for another word than "load" and "skip"."""
    if classes not in ("load", "skip"):
        raise ValueError(f"classes={classes!r}: expected 'load' or 'skip'")


def places_of(model: Any) -> dict[Place, Any]:
    """The variables of a model's network, by layer and weight."""
    return {(layer.name, v.name): v for layer in leaf_layers(model.network) for v in layer.variables}


def assign(
    model: Any,
    named: Iterable[tuple[str, Place | None]],
    classes: Classes,
    value_of: Callable[[str, Any], np.ndarray],
    expected: str,
) -> WeightReport:
    """Give a model the tensors that have a place in it. Batch norm whose statistics come along is frozen.

    Args:
        model: a MaskRCNN.
        named: each tensor's name, and its place; None: no such layer is known.
        classes: "skip" leaves out OF_CLASSES.
        value_of: the tensor of a name in the shape of its variable; a ValueError where it does not fit.
        expected: for the message where nothing matches: what names look like.

    Returns:
        A WeightReport.

    Raises:
        ValueError: a tensor does not fit, two have the same place, or none has one. The model is unchanged then.
    """
    check_classes(classes)
    places = places_of(model)
    left_out = OF_CLASSES if classes == "skip" else ()
    names: dict[Place, str] = {}
    unused, skipped, values = [], [], {}
    for name, place in named:
        if place is not None and place[0] in left_out:
            skipped.append(name)
        elif place is None or place not in places:
            unused.append(name)
        elif place in names:
            raise ValueError(f"{names[place]} and {name} both stand for {'/'.join(place)}")
        else:
            names[place], values[place] = name, value_of(name, places[place])
    if not values:
        found = sorted([*unused, *skipped])
        raise ValueError(
            f"none of the {len(found)} tensors has a place in this model; expected {expected}, found {found[:3]}"
        )
    for place, value in values.items():
        places[place].assign(value)
    if model.config.train_batch_norm is None:
        freeze_batch_norm(model.network, {layer for layer, weight in values if weight == "moving_mean"})
    missing = ("/".join(place) for place in places if place not in values and place[0] not in left_out)
    return WeightReport(tuple(names.values()), tuple(unused), tuple(missing), tuple(skipped))


def shape_hint(place_layer: str, loader: str) -> str:
    """What to do about a tensor of another shape."""
    if place_layer in OF_CLASSES:
        return f"check class_names, or leave out what depends on the classes: {loader}(..., classes='skip')"
    return "check the widths of the config"
