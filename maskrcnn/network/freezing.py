"""Which layers train: batch norm, and a part of the network for one call of fit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras

FIRST_STAGES = {"heads": 6, "3+": 3, "4+": 4, "5+": 5, "all": None}


def leaf_layers(model) -> list[keras.layers.Layer]:
    """The layers of a model and of the models in it, the models themselves left out."""
    found = []
    for layer in model.layers:
        found += leaf_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return found


def freeze_batch_norm(model, names=None) -> None:
    """Keep batch norm as it is from now on: statistics, scale and shift.

    Args:
        model: a network or a part of one.
        names: of the layers; all of batch norm if None.
    """
    for layer in leaf_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization) and (names is None or layer.name in names):
            layer.trainable = False


@contextlib.contextmanager
def training_only(network, train: str) -> Iterator[bool]:
    """Freeze the backbone below a stage meanwhile; afterwards every layer is as it was.

    Args:
        network: a network of `build_network`.
        train: "heads": pyramid, RPN and heads; "3+", "4+", "5+": also the backbone's stages from this one on, of which
            stage n ends at stride 2^n; "all": everything. Nothing trains that did not train before.

    Yields:
        Whether anything was frozen.

    Raises:
        ValueError: another word, or a network without the pyramid's layers.
    """
    if train not in FIRST_STAGES:
        raise ValueError(f"train={train!r}: expected one of {', '.join(map(repr, FIRST_STAGES))}")
    first = FIRST_STAGES[train]
    frozen = [] if first is None else [layer for layer in _below(network, first) if layer.trainable]
    # A layer passes its flag on to those that it is made of, so the outer ones come first.
    before = [(part, part.trainable) for layer in frozen for part in layer._flatten_layers()]
    try:
        for layer in frozen:
            layer.trainable = False
        yield bool(frozen)
    finally:
        for layer, trainable in before:
            layer.trainable = trainable


def _below(network, stage: int) -> list[keras.layers.Layer]:
    """The backbone's layers before a stage: those that the pyramid reads the stage below it through."""
    lateral = f"fpn_lateral{stage - 1}"
    try:
        features = network.get_layer("features")
        end = features.get_layer(lateral)
    except ValueError:
        raise ValueError(
            f"network {network.name!r} has no layer {lateral!r} in a part 'features', by which the backbone's stages "
            "are told apart: train='all', or set the layers' own `trainable`"
        ) from None
    return leaf_layers(keras.Model(features.inputs, end.input))
