"""Weights of a model of this project that was trained on other classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from maskrcnn.network import freeze_batch_norm, leaf_layers
from maskrcnn.weights.report import WeightReport
from maskrcnn.weights.torchvision import OF_CLASSES


def load_keras(model: Any, source: Any, classes: Literal["load", "skip"] = "load") -> WeightReport:
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
    if classes not in ("load", "skip"):
        raise ValueError(f"classes={classes!r}: expected 'load' or 'skip'")
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
    theirs, ours = _variables(source), _variables(model)
    left_out = {key for key in theirs if classes == "skip" and key.partition("/")[0] in OF_CLASSES}
    common = [key for key in theirs if key in ours and key not in left_out]
    if not common:
        raise ValueError(f"none of the {len(theirs)} weights has a place in this model: is its backbone another one?")
    for key in common:
        if theirs[key].shape != ours[key].shape:
            raise ValueError(
                f"{key}: shape {tuple(theirs[key].shape)} does not fit {tuple(ours[key].shape)}: give the config the "
                "widths and the backbone of the other model; a pruned one is loaded whole, by maskrcnn.load"
            )
    for key in common:
        ours[key].assign(np.asarray(theirs[key]))
    if model.config.train_batch_norm is None:
        freeze_batch_norm(model.network, {key.partition("/")[0] for key in common if key.endswith("/moving_mean")})
    return WeightReport(
        tuple(common),
        tuple(key for key in theirs if key not in ours and key not in left_out),
        tuple(key for key in ours if key not in common and key not in left_out),
        tuple(sorted(left_out)),
    )


def _variables(model: Any) -> dict[str, Any]:
    return {f"{layer.name}/{v.name}": v for layer in leaf_layers(model.network) for v in layer.variables}
