"""Weights of a model of this project that was trained on other classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from maskrcnn.weights.assignment import Classes, assign, check_classes, places_of
from maskrcnn.weights.report import WeightReport


def load_keras(model: Any, source: Any, classes: Classes = "load") -> WeightReport:
    """Load the weights of another MaskRCNN, layer by layer, by name.

    Batch norm that is loaded is frozen, unless the config's `train_batch_norm` says otherwise.

    Args:
        model: a MaskRCNN with the widths and the backbone of the other.
        source: the other MaskRCNN, or the path of its .keras file.
        classes: "load": all layers, for a model with the same classes; "skip": the three layers that depend on the
            classes stay as they are.

    Returns:
        A WeightReport, of "layer/weight".

    Raises:
        ValueError: the file cannot be read or holds another kind of model, the classes are others, a weight has
            another shape, or none has a place. The model is unchanged then.
    """
    check_classes(classes)
    if isinstance(source, str | Path):
        from maskrcnn.model import load

        source = load(source)
    if not hasattr(source, "network") or not hasattr(source, "config"):
        raise ValueError(f"a {type(source).__name__} was given; expected a MaskRCNN, or the path of one")
    if classes == "load" and source.config.class_names != model.config.class_names:
        raise ValueError(
            f"the weights are of the classes {source.config.class_names}, the model has {model.config.class_names}: "
            "leave out what depends on the classes with classes='skip'"
        )
    theirs = {"/".join(place): (place, variable) for place, variable in places_of(source).items()}

    def value_of(name, variable):
        value = theirs[name][1]
        if value.shape != variable.shape:
            raise ValueError(
                f"{name}: shape {tuple(value.shape)} does not fit {tuple(variable.shape)}: give the config the widths "
                "and the backbone of the other model; a pruned one is loaded whole, by maskrcnn.load"
            )
        return np.asarray(value)

    named = [(name, place) for name, (place, _) in theirs.items()]
    return assign(model, named, classes, value_of, "the backbone of this one")
