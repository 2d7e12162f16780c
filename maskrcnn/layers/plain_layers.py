"""Layers with weights that a Functional graph holds as the plain Keras layers that they are made of."""

from __future__ import annotations

import keras


class PlainLayers(keras.layers.Layer):
    """A layer that lays out a nested Functional model of plain Keras layers, and shares it between its calls.

    Called on symbolic tensors it writes that model, of its own name, into the graph instead of itself: what walks,
    prunes, draws or loads the graph meets nothing but plain layers. Called on numbers it is a layer like any other. A
    subclass defines `make_network` and `call`.

    Attributes:
        network: the nested model; None before the first call.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.network: keras.Model | None = None

    def make_network(self, shape) -> keras.Model:
        """The model of plain layers, named `self.name`, for one input of a shape."""
        raise NotImplementedError

    def build(self, input_shape):
        if self.network is None:
            several = isinstance(input_shape[0], list | tuple)
            self.network = self.make_network(tuple(input_shape[0] if several else input_shape))

    def __call__(self, inputs, *args, **kwargs):
        if not any(isinstance(tensor, keras.KerasTensor) for tensor in keras.tree.flatten(inputs)):
            return super().__call__(inputs, *args, **kwargs)
        if not self.built:
            self.build([tuple(tensor.shape) for tensor in keras.tree.flatten(inputs)])
        return self.call(inputs)

    def width_of(self, shape) -> int:
        """The number of channels in a shape.

        Raises:
            ValueError: it is not known.
        """
        if shape[-1] is None:
            raise ValueError(f"{type(self).__name__} {self.name!r}: the channels of its input {shape} are not known")
        return shape[-1]
