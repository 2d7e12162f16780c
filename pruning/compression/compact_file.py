"""A model's file with every weight in the fewest bits that give it back exactly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from pruning.compression.number_grids import OUTPUT_AXES, integer_codes
from pruning.compression.rewriting import layers_by_path
from pruning.graph.walk import network_of

_SAMPLE = 4096  # weights that show whether a kernel may have few different numbers


@dataclass(frozen=True)
class StoredWeight:
    """How a weight is written: "int8", "table", "float16" or "float32"; and the bytes of its numbers."""

    form: str
    bytes: int


def save_compact(model: keras.Model, path: str | Path) -> dict[str, StoredWeight]:
    """Write a model, without its optimizer, in one .safetensors file, and each weight as small as it goes without loss.

    A weight is written as int8 codes and a float32 scale for each output channel, as places in a table of float32 in as
    few bits as there must be, as float16, or else as float32: whichever is smallest and gives the same numbers back.
    What `quantize`, `to_float16` and `cluster` made so becomes small; a model that has been through none of them is
    about as large as its .keras file. The network itself is in the file's metadata, as JSON.

    Args:
        model: a Keras model, or one with a `.network`, that `model.save` could save.
        path: of the file, ".safetensors" by custom.

    Returns:
        name of each weight, "features/conv1:0" -> its StoredWeight.

    Raises:
        TypeError: not a Keras model.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"save_compact writes Keras models; got {type(model).__name__}. Give its .network")
    config = keras.saving.serialize_keras_object(model)
    config.pop("compile_config", None)
    arrays: dict[str, np.ndarray] = {}
    found = {}
    for name, weight, axes in _weights(model):
        form, parts = _smallest(np.asarray(weight), axes)
        found[name] = StoredWeight(form, sum(array.nbytes for array in parts.values()))
        arrays |= {f"{name}.{part}": np.ascontiguousarray(array) for part, array in parts.items()}
    save_file(arrays, path, {"model": json.dumps(config, separators=(",", ":"))})
    return found


def load_compact(path: str | Path) -> keras.Model:
    """Read what `save_compact` wrote: the same model, all weights as float32, not compiled.

    Classes that are not Keras's own must be registered, or known in a `keras.saving.custom_object_scope`; code in the
    file is refused, as in Keras's safe mode.

    Raises:
        ValueError: the file is another kind, or does not fit the network in it.
    """
    with safe_open(str(path), framework="numpy") as file:
        config = (file.metadata() or {}).get("model")
        if config is None:
            raise ValueError(f"{path} holds no network: it was not written by pruning.save_compact")
        model = keras.saving.deserialize_keras_object(json.loads(config), safe_mode=True)
        written = set(file.keys())
        for name, weight, axes in _weights(model):
            parts = {key.rpartition(".")[2]: file.get_tensor(key) for key in written if key.rpartition(".")[0] == name}
            if not parts:
                raise ValueError(f"{path} holds no weight {name!r}")
            weight.assign(_restored(parts, tuple(weight.shape), axes))
    for _, layer in layers_by_path(network_of(model)):
        if hasattr(layer, "finalize_state"):  # Normalization computes with a copy of its statistics
            layer.finalize_state()
    return model


def _weights(model: keras.Model) -> Iterator[tuple[str, keras.Variable, tuple[int, ...] | None]]:
    """Name, variable, and the axes that count output channels, None where there are none, of every weight once."""
    seen: set[int] = set()
    for path, layer in layers_by_path(network_of(model)):
        for place, weight in enumerate(layer.weights):
            if id(weight) not in seen:
                seen.add(id(weight))
                axes = OUTPUT_AXES.get(type(layer).__name__) if len(weight.shape) > 1 else None
                yield f"{path}:{place}", weight, axes
    own = [weight for weight in model.weights if id(weight) not in seen]
    yield from ((f":{place}", weight, None) for place, weight in enumerate(own))


def _smallest(values: np.ndarray, axes: tuple[int, ...] | None) -> tuple[str, dict[str, np.ndarray]]:
    """How an array is written, and the arrays that are."""
    forms: dict[str, dict[str, np.ndarray]] = {"float32": {"float32": values}}
    if values.dtype != np.float32 or values.size < 2:
        return str(values.dtype), {str(values.dtype): values}
    halves = values.astype(np.float16)
    if np.array_equal(halves.astype(np.float32), values):
        forms["float16"] = {"float16": halves}
    if axes is not None:
        codes, scale = integer_codes(values, axes)
        if np.array_equal(codes.astype(np.float32) * scale, values):
            forms["int8"] = {"int8": codes, "scale": scale}
    if len(np.unique(values.ravel()[:_SAMPLE])) <= 256:
        table, places = np.unique(values, return_inverse=True)
        if len(table) <= 256:
            forms["table"] = {"table": table, "places": _packed(places.ravel(), _bits(len(table)))}
    name = min(forms, key=lambda form: sum(array.nbytes for array in forms[form].values()))
    return name, forms[name]


def _restored(parts: dict[str, np.ndarray], shape: tuple[int, ...], axes: tuple[int, ...] | None) -> np.ndarray:
    if "int8" in parts:
        return parts["int8"].astype(np.float32) * parts["scale"]
    if "table" in parts:
        table = parts["table"]
        return table[_unpacked(parts["places"], _bits(len(table)), int(np.prod(shape)))].reshape(shape)
    ((name, values),) = parts.items()
    return values.astype(np.float32) if name == "float16" else values


def _bits(count: int) -> int:
    return max(1, int(count - 1).bit_length())


def _packed(places: np.ndarray, bits: int) -> np.ndarray:
    digits = np.unpackbits(places.astype(np.uint8)[:, None], axis=1)[:, 8 - bits :]
    return np.packbits(digits)


def _unpacked(packed: np.ndarray, bits: int, count: int) -> np.ndarray:
    digits = np.unpackbits(packed, count=count * bits).reshape(count, bits)
    return np.packbits(digits, axis=1)[:, 0] >> (8 - bits)
