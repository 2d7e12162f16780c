"""Optimizers whose update of one number looks at the whole kernel: what masking has to add to them.

A masked kernel has the shape of the whole one, so that its size and its zeros would enter means and factors.
"""

from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from keras.optimizers import Optimizer as _Mixed
else:
    _Mixed = object


class OfFullShape(_Mixed):
    """Adafactor: masked numbers count as average ones.

    It divides by the mean square of the gradient's rows and columns, which are zero where both are masked: 0 / 0
    there, and its clipping by a mean over the kernel spreads that to all. The means still run over the full shape, so
    that the smaller model does not go on step by step as the masked one would.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One update of one variable."""
        if hasattr(gradient, "indices"):  # of an embedding: rows that are not there are no zeros
            return super().update_step(gradient, variable, learning_rate)
        mask = keras.ops.convert_to_tensor(self.mask_of(variable))  # type: ignore[attr-defined]
        count = keras.ops.maximum(keras.ops.sum(keras.ops.cast(mask, gradient.dtype)), 1)
        typical = keras.ops.sqrt(keras.ops.sum(keras.ops.square(gradient)) / count)  # it is zero where masked
        super().update_step(keras.ops.where(mask, gradient, typical), variable, learning_rate)


class OfLivingShape(_Mixed):
    """Muon: its step grows with the root of a kernel's longer side; here, of that side without what is masked."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One update of one variable."""
        orthogonal = self.adam_velocities[self._get_variable_index(variable)] is None  # type: ignore[attr-defined]
        if orthogonal and self.rms_rate is not None:  # type: ignore[attr-defined]
            mask = keras.ops.convert_to_tensor(self.mask_of(variable))  # type: ignore[attr-defined]
            living = [keras.ops.sum(keras.ops.cast(keras.ops.any(mask, axis=axis), "float32")) for axis in (0, 1)]
            learning_rate = learning_rate * keras.ops.sqrt(keras.ops.maximum(*living) / max(variable.shape))
        super().update_step(gradient, variable, learning_rate)


UPDATES = {"Adafactor": OfFullShape, "Muon": OfLivingShape}  # not every version of Keras 3 has each


def addition(kind: type) -> tuple[type, ...]:
    """The class to mix into optimizer class `kind`, if it needs one."""
    return tuple(
        mixin for name, mixin in UPDATES.items() if issubclass(kind, getattr(keras.optimizers, name, ()))
    )


def keeps_step(kind: type) -> bool:
    """Whether a smaller model goes on with this optimizer as the masked one would, as far as is known."""
    return OfFullShape not in addition(kind)
