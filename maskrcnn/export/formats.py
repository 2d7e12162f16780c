"""One detector written as a file of each format, by keras.Model.export."""

from __future__ import annotations

from pathlib import Path

import keras
import tensorflow as tf

from maskrcnn.export.export_choices import ExportChoices, checked_path
from maskrcnn.export.litert_operators import is_custom, operators
from maskrcnn.export.picture_detector import PictureDetector
from maskrcnn.export.quiet_calls import quiet
from maskrcnn.export.sidecar import write_sidecar

OPSET = 17  # of ONNX: the first whose operators are all that is needed here
NEEDS = {"onnx": ("onnx", "tf2onnx"), "openvino": ("openvino",)}  # what writing takes besides TensorFlow


def write_file(model, filepath: str | Path, choices: ExportChoices, **kwargs) -> Path:
    """Write a MaskRCNN in one format, and its sidecar.

    Args:
        model: a MaskRCNN.
        filepath: of the file, or of a SavedModel's folder; the format's ending is added where there is none.
        choices: see `ExportChoices`.
        kwargs: of keras.Model.export.

    Returns:
        The file's or folder's path.

    Raises:
        ImportError: a package that the format takes is not installed; names the extra.
        ValueError: the path has another format's ending, or what was written is not what was asked for.
    """
    path = checked_path(filepath, choices.format)
    check_installed(NEEDS.get(choices.format, ()), f"writing {choices.format}")
    path.parent.mkdir(parents=True, exist_ok=True)
    detector = PictureDetector(
        model, choices.max_detections, choices.score_threshold, choices.masks, choices.builtin, choices.padded
    )
    signature = [keras.InputSpec(shape=(*(choices.image_size or (None, None)), 3), dtype="uint8", name="image")]
    settings = {"input_signature": signature, "verbose": False} | _settings(choices) | kwargs
    with quiet():
        if choices.format == "tf_saved_model":
            _write_saved_model(detector, path, **settings)
        else:
            detector.export(str(path), format=choices.format, **settings)
    if choices.format == "litert":
        _check_litert(path, choices)
    write_sidecar(path, model.config, choices)
    return path


def _write_saved_model(detector, path: Path, input_signature, verbose, **kwargs) -> None:
    """What keras.Model.export does, which saves every weight twice: as the model's, and as the endpoint's."""
    archive = keras.export.ExportArchive()
    archive.add_endpoint("serve", detector.__call__, input_signature, **kwargs)
    archive.write_out(str(path), verbose=verbose)


def check_installed(packages, what: str) -> None:
    """Raises an ImportError that names the extra where one of some packages cannot be imported."""
    import importlib.util

    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        names = " and ".join(name.replace("_", "-") for name in missing)
        raise ImportError(f"{what} takes {names}, not installed here: pip install 'taskprune[export]'")


def _settings(choices: ExportChoices) -> dict:
    if choices.format == "onnx":
        return {"opset_version": OPSET}
    if choices.format != "litert":
        return {}
    target: dict = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    if choices.precision == "float16":
        target["supported_types"] = [tf.float16]
    optimised = choices.precision != "float32"
    return {"target_spec": target} | ({"optimizations": [tf.lite.Optimize.DEFAULT]} if optimised else {})


def _check_litert(path: Path, choices: ExportChoices) -> None:
    """Removes the file, and says so, where an operator is not built in or int8 has changed nothing."""
    found = operators(path)
    custom = sorted({one.name for one in found if is_custom(one)})
    if custom:
        path.unlink()
        raise ValueError(f"{path}: {', '.join(custom)} are no built-in operators of LiteRT: nothing was written")
    if choices.precision == "int8" and not any(one.weights == "int8" and one.inputs == "int8" for one in found):
        path.unlink()
        raise ValueError(
            f"{path}: precision='int8' writes as int8 what the network's layers are quantised in, and none is: "
            "quantise it first, with pruning.quantize(model, batches, bits=8); nothing was written"
        )
