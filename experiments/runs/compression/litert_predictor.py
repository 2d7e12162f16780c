"""A LiteRT file that answers as a model does, so that it is measured by the same code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np


class LiteRTPredictor:
    """Runs a LiteRT file on batches of any size.

    Args:
        content: of the file.
        outputs: key of an output -> its name in the file's signature, where the model gives a dictionary; names in
            order where it gives a list, or the one output.
    """

    def __init__(self, content: bytes, outputs: Mapping[str, str] | Sequence[str]) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=content)
        self._run = self._interpreter.get_signature_runner()
        self._inputs = list(self._run.get_input_details())
        self._outputs = outputs

    def __call__(self, inputs: Any, training: bool = False) -> Any:
        """The outputs, as arrays in the model's structure, for a batch: an array, or a dictionary or list of them."""
        given = inputs
        if not isinstance(inputs, Mapping):
            given = dict(zip(self._inputs, keras.tree.flatten(inputs), strict=True))
        found = self._run(**{name: np.asarray(given[name], np.float32) for name in self._inputs})
        if isinstance(self._outputs, Mapping):
            return {key: found[name] for key, name in self._outputs.items()}
        answers = [found[name] for name in self._outputs]
        return answers if len(answers) > 1 else answers[0]

    def predict(self, inputs: Any, **kwargs: Any) -> Any:
        """The same; what else Keras's `predict` takes makes no difference."""
        return self(inputs)

    predict_on_batch = predict
