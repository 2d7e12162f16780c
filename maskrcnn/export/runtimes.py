"""An exported file in the runtime of its format: pixels in, arrays out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from maskrcnn.export.formats import check_installed
from maskrcnn.export.quiet_calls import quiet

Run = Callable[[np.ndarray], Mapping[str, np.ndarray]]
NEEDS = {"litert": ("ai_edge_litert",), "onnx": ("onnxruntime",), "openvino": ("openvino",)}


def open_file(path: Path, format: str, threads: int | None = None) -> Run:
    """A function that runs an exported file on one picture (H, W, 3) uint8 and returns its outputs by name.

    Args:
        path: of the file, or the SavedModel's folder.
        format: of it.
        threads: that the runtime may use; None: all cores. TensorFlow's own are set for the process.

    Raises:
        ImportError: the format's runtime is not installed; names the extra.
        ValueError: the file cannot be read.
    """
    check_installed(NEEDS.get(format, ()), f"running {format}")
    openers = {"tf_saved_model": _saved_model, "litert": _litert, "onnx": _onnx, "openvino": _openvino}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        return openers[format](path, threads or cores)
    except Exception as error:  # each runtime has errors of its own
        raise ValueError(f"{path} cannot be read as {format} ({str(error).strip().splitlines()[0]})") from error


def _saved_model(path: Path, threads: int) -> Run:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))  # whose graph lasts as long as this
    return lambda image: {name: value.numpy() for name, value in loaded.serve(image).items()}


def _litert(path: Path, threads: int) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        interpreter = Interpreter(str(path), num_threads=threads)
        runner = interpreter.get_signature_runner()
    return lambda image: runner(image=image)


def _onnx(path: Path, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda image: dict(zip(names, session.run(names, {"image": image}), strict=True))


def _openvino(path: Path, threads: int) -> Run:
    import openvino

    # At its usual precision, which may be half, boxes move by many pixels.
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = openvino.Core().compile_model(str(path), "CPU", hints)
    return lambda image: {
        name: value.copy() for output, value in compiled(image).items() for name in output.get_names()
    }
