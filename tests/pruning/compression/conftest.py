"""LiteRT files, written and run."""

import types
import warnings

import numpy as np
import pytest
import tensorflow as tf


def _interpreter(content):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        Interpreter = tf.lite.Interpreter
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Interpreter(model_content=content)


def _convert(model, optimize=True):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT] if optimize else []
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about statistics, which the graph holds
        return converter.convert()


def _run(content, samples):
    """Outputs by name for samples of one input, one at a time."""
    run = _interpreter(content).get_signature_runner()
    (name,) = run.get_input_details()
    answers = [run(**{name: samples[place : place + 1]}) for place in range(len(samples))]
    return {key: np.concatenate([answer[key] for answer in answers]) for key in answers[0]}


def _kernels(content):
    """Operation, and types of its first two inputs, in order; what is handed to a delegate is listed itself."""
    interpreter = _interpreter(content)
    types_ = {tensor["index"]: tensor["dtype"].__name__ for tensor in interpreter.get_tensor_details()}
    return [
        (one["op_name"], *[types_[place] for place in one["inputs"][:2] if place >= 0])
        for one in interpreter._get_ops_details()
        if one["op_name"] != "DELEGATE"
    ]


@pytest.fixture(scope="session")
def litert():
    return types.SimpleNamespace(convert=_convert, run=_run, kernels=_kernels)
