"""Optimizers that hold masks: the same optimizer, whose pruned weights stay at zero.

Masks are optimizer variables, so they are saved, restored, distributed and compiled with it, and a new plan
only assigns to them: the training step is never traced again.
"""

import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

_PACKAGE = "pruning"
_CLASSES: dict[type, type] = {}


if TYPE_CHECKING:
    from keras.optimizers import Optimizer as _Mixed
else:
    _Mixed = object


class MaskingMixin(_Mixed):
    """Overrides `apply`: gradients are masked before clipping, weights and their averages after the update.

    Moments need masking only when masks change: from a zero gradient and a zero moment every update gives zero
    again. One byte for every trainable number is the price.
    """

    built: bool

    def build(self, variables: list) -> None:
        """Create the optimizer's variables, and a mask of ones for every trainable variable."""
        if self.built:
            return
        # Held in a namespace: the TensorFlow backend would track a plain dict or list as state of its own.
        self._slots = types.SimpleNamespace(positions={})
        super().build(variables)
        first = len(self._variables)
        for variable in variables:
            self.add_variable(
                shape=variable.shape,
                initializer="ones",
                dtype="bool",
                aggregation="only_first_replica",
                name=f"{variable.path.replace('/', '_')}_mask",
            )
        self._mask_range = (first, len(self._variables))

    @property
    def masks(self) -> dict[str, Any]:
        """Variable path -> its mask, a bool variable; empty before `build`."""
        if not self.built:
            return {}
        return {v.path: m for v, m in zip(self._trainable_variables, self._masks, strict=True)}

    @property
    def _masks(self) -> list:
        first, last = self._mask_range
        return self._variables[first:last]

    def set_masks(self, masks: Mapping[str, np.ndarray]) -> None:
        """Hold these masks from now on; variables that are not named are free.

        Args:
            masks: variable path -> array that broadcasts to the variable's shape; zero or False is pruned.
                Weights, averages, accumulated gradients and moments are zeroed there at once.

        Raises:
            ValueError: the optimizer is not built, or does not train a variable of that path, or shapes
                differ.
        """
        if not self.built:
            raise ValueError(
                "the optimizer has no variables yet: call optimizer.build(model.trainable_variables)"
            )
        variables = {variable.path: variable for variable in self._trainable_variables}
        if len(variables) != len(self._trainable_variables):
            raise ValueError(
                "two trainable variables share a path: give every layer of the network its own name"
            )
        for path, keep in masks.items():
            if path not in variables:
                raise ValueError(
                    f"the optimizer trains no variable {path!r}; it trains {', '.join(variables)}"
                )
            try:
                np.broadcast_to(keep, tuple(variables[path].shape))
            except ValueError as error:
                raise ValueError(
                    f"the mask for {path!r} has shape {np.shape(keep)}; "
                    f"expected {tuple(variables[path].shape)}"
                ) from error
        slots = self.slots()
        for variable, mask in zip(self._trainable_variables, self._masks, strict=True):
            shape = tuple(variable.shape)
            keep = np.broadcast_to(np.asarray(masks.get(variable.path, True), dtype=bool), shape)
            mask.assign(keep)
            if keep.all():
                continue
            for held in [variable, *slots.get(variable.path, [])]:
                held.assign(np.where(keep, np.asarray(held), 0))

    def add_variable_from_reference(
        self, reference_variable: Any, name: Any = None, initializer: Any = "zeros"
    ):
        """As in Keras, and note whose slot it is."""
        slot = super().add_variable_from_reference(reference_variable, name=name, initializer=initializer)
        positions = self._slots.positions.setdefault(reference_variable.path, [])
        positions.append(next(i for i in reversed(range(len(self._variables))) if self._variables[i] is slot))
        return slot

    def slots(self) -> dict[str, list]:
        """Variable path -> its moments, averages and accumulators, as far as they have its shape."""
        shapes = {variable.path: tuple(variable.shape) for variable in self._trainable_variables}
        return {
            path: [self._variables[i] for i in positions if tuple(self._variables[i].shape) == shapes[path]]
            for path, positions in self._slots.positions.items()
        }

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """One update, with masks held."""
        grads = list(grads)
        variables = None if trainable_variables is None else list(trainable_variables)
        if not self.built and variables is not None:
            with keras.name_scope(self.name, caller=self):
                self.build(variables)
            self.built = True
        known = self._trainable_variables if variables is None else variables
        masks = [self._masks[self._get_variable_index(variable)] for variable in known]
        super().apply([_silenced(g, m) for g, m in zip(grads, masks, strict=True)], variables)
        for variable, mask in zip(known, masks, strict=True):
            variable.assign(_silenced(variable, mask))
        if self.use_ema:
            for average, mask in zip(self._model_variables_moving_average, self._masks, strict=True):
                if average is not None:
                    average.assign(_silenced(average, mask))


def _silenced(value: Any, mask: Any) -> Any:
    """`value` where the mask holds, zero elsewhere; sparse gradients (of embeddings) as they are."""
    if value is None or hasattr(value, "indices"):
        return value
    return keras.ops.where(mask, value, keras.ops.zeros((), dtype=value.dtype))


def masked_class(kind: type) -> type[Any]:
    """The class of optimizer `kind` that holds masks, registered with Keras as "pruning>Masked<kind>".

    For an optimizer class of your own, call this before loading a model that was saved with it.
    """
    if issubclass(kind, MaskingMixin):
        return kind
    if kind not in _CLASSES:
        name = f"Masked{kind.__name__}"
        made = type(
            name,
            (MaskingMixin, kind),
            {"__module__": __name__, "__doc__": f"{kind.__name__}, holding masks."},
        )
        _CLASSES[kind] = keras.saving.register_keras_serializable(package=_PACKAGE)(made)
        globals()[name] = _CLASSES[kind]
    return _CLASSES[kind]


def masked(optimizer: Any) -> Any:
    """The same optimizer, able to hold masks.

    Args:
        optimizer: a Keras optimizer that has not trained yet, or its name. A LossScaleOptimizer is kept
            around its inner optimizer.

    Returns:
        an optimizer of a subclass of its class with the same settings; `.set_masks({path: array})` changes
        the masks.

    Raises:
        ValueError: it has been used already, so its moments would be lost.
    """
    optimizer = keras.optimizers.get(optimizer)
    if isinstance(optimizer, MaskingMixin):
        return optimizer
    if optimizer.built:
        raise ValueError(
            f"optimizer {optimizer.name!r} has been built for a model already: "
            "give pruning.masked a fresh one"
        )
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer.inner_optimizer = masked(optimizer.inner_optimizer)
        return optimizer
    return masked_class(type(optimizer)).from_config(optimizer.get_config())


_KERAS = (
    "SGD",
    "RMSprop",
    "Adam",
    "AdamW",
    "Adadelta",
    "Adagrad",
    "Adamax",
    "Adafactor",
    "Nadam",
    "Ftrl",
    "Lion",
    "Lamb",
    "Muon",
)
for _name in _KERAS:
    if hasattr(keras.optimizers, _name):
        masked_class(getattr(keras.optimizers, _name))
