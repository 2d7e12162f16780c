"""A backbone that the user made: any Functional Keras model, read at the layers that are named."""

from __future__ import annotations

import keras

STRIDES = (4, 8, 16, 32)
_SIDES = (256, 320)  # of the picture that strides are measured with, px


def given_backbone(backbone: keras.Model, maps) -> tuple:
    """The picture and the four maps of a user's own backbone.

    Args:
        backbone: a Functional model of one picture (B, H, W, 3), H and W not fixed.
        maps: names of four of its layers, whose outputs have strides 4, 8, 16 and 32.

    Returns:
        The symbolic picture, and a list of four symbolic maps.

    Raises:
        ValueError: another kind of model or picture, a name that it has not, or other strides.
    """
    # Keras has no public name for the class; a subclass of Model with layers of its own has no graph to cut.
    if not isinstance(backbone, keras.Model) or not hasattr(backbone, "operations"):
        raise ValueError(
            f"backbone: expected a Functional keras.Model, found {type(backbone).__name__}, which has no graph to be "
            "read at named layers"
        )
    shapes = [tuple(tensor.shape) for tensor in backbone.inputs]
    if shapes != [(None, None, None, 3)]:
        raise ValueError(
            f"backbone {backbone.name!r} reads {', '.join(map(str, shapes))}; expected one picture "
            "(None, None, None, 3): make it with keras.Input((None, None, 3)), or input_shape=(None, None, 3)"
        )
    maps = (maps,) if isinstance(maps, str) else tuple(maps)
    known = {layer.name: layer for layer in backbone.layers}
    unknown = [name for name in maps if name not in known]
    if len(maps) != len(STRIDES) or unknown:
        found = f"; it has no layer {', '.join(map(repr, unknown))}" if unknown else ""
        raise ValueError(
            f"maps={maps!r}: expected the names of four layers of backbone {backbone.name!r}, at strides 4, 8, 16 and "
            f"32{found}"
        )
    outputs = [known[name].output for name in maps]
    flat = [name for name, output in zip(maps, outputs, strict=True) if not _is_map(output)]
    if flat:
        raise ValueError(f"maps: {', '.join(map(repr, flat))} gives no map (B, h, w, channels) of known channels")
    _check_strides(keras.Model(backbone.inputs[0], outputs), maps)
    return backbone.inputs[0], outputs


def _is_map(output) -> bool:
    return hasattr(output, "shape") and len(output.shape) == 4 and output.shape[-1] is not None


def _check_strides(model, maps) -> None:
    """Strides from the shapes that a picture of known size gives; nothing is computed."""
    shapes = model.compute_output_spec(keras.KerasTensor((1, *_SIDES, 3)))
    found = {
        name: tuple(side / cells for side, cells in zip(_SIDES, spec.shape[1:3], strict=True))
        for name, spec in zip(maps, shapes, strict=True)
    }
    if list(found.values()) != [(stride, stride) for stride in STRIDES]:
        words = ", ".join(f"{name} {_stride(*strides)}" for name, strides in found.items())
        raise ValueError(
            f"maps have the strides {words}; expected 4, 8, 16, 32 in this order (a map of a picture of "
            f"{_SIDES[0]} x {_SIDES[1]} px has exactly so many times fewer cells: padding is needed, not cropping)"
        )


def _stride(down: float, across: float) -> str:
    return f"{down:g}" if down == across else f"{down:g} by {across:g}"
