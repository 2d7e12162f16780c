"""Optimizers that hold masks: the same optimizer, whose pruned weights stay at zero.

Masks are optimizer variables, so they are saved, restored, distributed and compiled with it, and a new plan
only assigns to them: the training step is never traced again.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from pruning.masks.kernel_updates import addition
from pruning.masks.mask_notes import note_mask

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
    plain: type  # the class without masks

    def build(self, variables: list) -> None:
        """Create the optimizer's variables, and a mask of ones for every trainable variable."""
        if self.built:
            return
        super().build(variables)
        self.add_masks()

    def add_masks(self) -> None:
        """Create a mask of ones for every trainable variable, in an optimizer that is built."""
        first = len(self._variables)
        for variable in self._trainable_variables:
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
        """Variable path -> its mask, a bool variable; empty before `build`. Of equal paths the second is "path#2"."""
        return dict(zip(by_path([v for v, _ in self.held()]), (mask for _, mask in self.held()), strict=True))

    def held(self) -> list[tuple[Any, Any]]:
        """Every trainable variable and its mask; empty before `build`."""
        return list(zip(self._trainable_variables, self._masks, strict=True)) if self.built else []

    def mask_of(self, variable: Any) -> Any:
        """The mask of a variable that the optimizer trains."""
        return self._masks[self._get_variable_index(variable)]

    @property
    def _masks(self) -> list:
        first, last = self._mask_range
        return self._variables[first:last]

    def set_masks(self, masks: Mapping[str, np.ndarray] | Iterable[tuple[Any, np.ndarray]]) -> None:
        """Hold these masks from now on; variables that are not named are free.

        Args:
            masks: variable path -> array that broadcasts to the variable's shape, or pairs of a variable and such
                an array; zero or False is pruned. Weights, averages, accumulated gradients and moments are zeroed
                there at once.

        Raises:
            ValueError: the optimizer is not built, or does not train a variable, or shapes differ.
        """
        if not self.built:
            raise ValueError(
                "the optimizer has no variables yet: call optimizer.build(model.trainable_variables)"
            )
        wanted = {id(variable): keep for variable, keep in self._pairs(masks)}
        begins = self._first_values()
        slots = self._slots()
        for (variable, mask), mine in zip(self.held(), slots, strict=True):
            shape = tuple(variable.shape)
            keep = np.broadcast_to(np.asarray(wanted.get(id(variable), True), dtype=bool), shape)
            mask.assign(keep)
            note_mask(variable, keep)
            if keep.all():
                continue
            for held in [variable, *mine]:
                held.assign(np.where(keep, np.asarray(held), begins.get(id(held), 0)))

    def _pairs(self, masks: Any) -> list[tuple[Any, np.ndarray]]:
        """Variables and their masks, checked."""
        variables = self._trainable_variables
        if isinstance(masks, Mapping):
            known = by_path(variables)
            for path in masks:
                if path not in known:
                    raise ValueError(f"the optimizer trains no variable {path!r}; it trains {', '.join(known)}")
                if f"{path}#2" in known:
                    raise ValueError(f"two variables have the path {path!r}: give pairs of a variable and its mask")
            masks = [(known[path], keep) for path, keep in masks.items()]
        pairs, trained = list(masks), {id(variable) for variable in variables}
        for variable, keep in pairs:
            if id(variable) not in trained:
                raise ValueError(f"the optimizer does not train this variable {variable.path!r}")
            try:
                np.broadcast_to(keep, tuple(variable.shape))
            except ValueError as error:
                raise ValueError(
                    f"the mask for {variable.path!r} has shape {np.shape(keep)}; expected {tuple(variable.shape)}"
                ) from error
        return pairs

    def slots(self) -> dict[str, list]:
        """Variable path -> its moments, averages and accumulators, as far as they have its shape."""
        return dict(zip(by_path(self._trainable_variables), self._slots(), strict=True))

    def _slots(self) -> list[list]:
        """The same, by the variable's position: every optimizer of Keras keeps its slots in lists in that order."""
        variables = self._trainable_variables
        found: list[list] = [[] for _ in variables]
        for name, kept in vars(self).items():
            if name in ("_variables", "_trainable_variables") or not isinstance(kept, list):
                continue
            if len(kept) != len(variables):
                continue
            for slot, variable, mine in zip(list(kept), variables, found, strict=True):
                if isinstance(slot, keras.Variable) and tuple(slot.shape) == tuple(variable.shape):
                    mine.append(slot)
        return found

    def _first_values(self) -> dict[int, float]:
        """Id of a slot -> what it goes back to, where that is not zero: Ftrl divides by its accumulators' roots."""
        if not isinstance(self, keras.optimizers.Ftrl):
            return {}
        return {id(slot): self.initial_accumulator_value for slot in self._accumulators}

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """One update, with masks held."""
        grads = list(grads)
        variables = None if trainable_variables is None else list(trainable_variables)
        if not self.built and variables is not None:
            with keras.name_scope(self.name, caller=self):
                self.build(variables)
            self.built = True
        known = self._trainable_variables if variables is None else variables
        masks = [self.mask_of(variable) for variable in known]
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
    mask, value = keras.ops.convert_to_tensor(mask), keras.ops.convert_to_tensor(value)  # JAX takes no variables here
    return keras.ops.where(mask, value, keras.ops.zeros((), dtype=value.dtype))


def by_path(variables: Iterable) -> dict[str, Any]:
    """Variables by their paths; a path that comes again has its number behind it, "conv/kernel#2"."""
    found: dict[str, Any] = {}
    for variable in variables:
        path, number = variable.path, 2
        while path in found:
            path, number = f"{variable.path}#{number}", number + 1
        found[path] = variable
    return found


def leaves(optimizer: Any) -> list[Any]:
    """The optimizers that update variables: those inside a LossScaleOptimizer or a MultiOptimizer, or itself."""
    if optimizer is None:
        return []
    if hasattr(optimizer, "inner_optimizer"):
        return leaves(optimizer.inner_optimizer)
    return list(optimizer.optimizers) if hasattr(optimizer, "optimizers") else [optimizer]


def masked_class(kind: type) -> type[Any]:
    """The class of optimizer `kind` that holds masks, registered with Keras as "pruning>Masked<kind>".

    For an optimizer class of your own, call this before loading a model that was saved with it.
    """
    if issubclass(kind, MaskingMixin):
        return kind
    kind = type(keras.optimizers.Optimizer.__new__(kind))  # on PyTorch Keras makes another class than it is asked for
    if kind not in _CLASSES:
        name = f"Masked{kind.__name__}"
        made = type(
            name,
            (MaskingMixin, *addition(kind), kind),
            {"__module__": __name__, "__doc__": f"{kind.__name__}, holding masks.", "plain": kind},
        )
        _CLASSES[kind] = keras.saving.register_keras_serializable(package=_PACKAGE)(made)
        globals()[name] = _CLASSES[kind]
    return _CLASSES[kind]


def masked(optimizer: Any) -> Any:
    """The same optimizer, made able to hold masks: its class becomes a subclass, all else stays as it is.

    Args:
        optimizer: a Keras optimizer, or its name: new, or one that has trained already, which keeps its moments
            (`model.compile(pruning.masked(model.optimizer), ...)`). Inside a LossScaleOptimizer or a
            MultiOptimizer it is the inner ones that hold masks.

    Returns:
        the optimizer; `.set_masks({path: array})` changes the masks.

    Raises:
        ValueError: a MultiOptimizer that makes its optimizers by a function.
    """
    optimizer = keras.optimizers.get(optimizer)
    inner = leaves(optimizer)
    if not inner:
        raise ValueError(
            f"{type(optimizer).__name__} has no optimizers yet: pruning.masked takes one that was made with a "
            "keras.optimizers.OptimizerMap, not with a function"
        )
    for leaf in inner:
        if isinstance(leaf, MaskingMixin):
            continue
        object.__setattr__(leaf, "__class__", masked_class(type(leaf)))
        if leaf.built:
            leaf.add_masks()
            leaf.traced_before = True  # a training step that was compiled with it knows no masks: `hold` makes another
    return optimizer


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
    "ScheduleFreeAdamW",
)
for _name in _KERAS:
    if hasattr(keras.optimizers, _name):
        masked_class(getattr(keras.optimizers, _name))
