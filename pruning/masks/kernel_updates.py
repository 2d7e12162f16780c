"""What optimizers' updates need beside masks.

Some look at the whole kernel to update one number: a masked kernel has the shape of the whole one, so that its size and
its zeros would enter means and factors. Adam's computes for each variable what depends on the step alone.
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


class OnceAStep(_Mixed):
    """Adam and AdamW: the bias correction is computed once an update, not for each variable; equal to the bit.

    A network of a hundred variables has two fifths of its training step's operations in the optimizer, and half of
    those are these few numbers again and again.
    """

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        # Of this call alone: the next one may be traced into another graph.
        object.__setattr__(self, "_rates", {})  # Keras would track it
        try:
            super()._backend_update_step(grads, trainable_variables, learning_rate)
        finally:
            object.__delattr__(self, "_rates")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One update of one variable: Kingma and Ba, ICLR 2015, section 2, the corrections in the rate."""
        rates = getattr(self, "_rates", None)
        if rates is None or self.amsgrad or hasattr(gradient, "indices"):  # type: ignore[attr-defined]
            return super().update_step(gradient, variable, learning_rate)
        ops, dtype = keras.ops, keras.backend.standardize_dtype(variable.dtype)
        if dtype not in rates:
            rates[dtype] = self._corrected(learning_rate, dtype)
        index = self._get_variable_index(variable)
        first, second = self._momentums[index], self._velocities[index]  # type: ignore[attr-defined]
        slope = ops.cast(gradient, dtype)
        self.assign_add(first, ops.multiply(ops.subtract(slope, first), 1 - self.beta_1))  # type: ignore[attr-defined]
        change = ops.multiply(ops.subtract(ops.square(slope), second), 1 - self.beta_2)  # type: ignore[attr-defined]
        self.assign_add(second, change)
        root = ops.add(ops.sqrt(second), self.epsilon)  # type: ignore[attr-defined]
        self.assign_sub(variable, ops.divide(ops.multiply(first, rates[dtype]), root))

    def _corrected(self, learning_rate: Any, dtype: str) -> Any:
        """The learning rate, times what makes up for moments that begin at zero."""
        ops, step = keras.ops, keras.ops.cast(self.iterations + 1, dtype)
        left = [1 - ops.power(ops.cast(beta, dtype), step) for beta in (self.beta_1, self.beta_2)]  # type: ignore[attr-defined]
        return ops.cast(learning_rate, dtype) * ops.sqrt(left[1]) / left[0]


UPDATES = {"Adafactor": OfFullShape, "Muon": OfLivingShape}  # not every version of Keras 3 has each


def addition(kind: type) -> tuple[type, ...]:
    """The classes to mix into optimizer class `kind`, if it needs any."""
    found = tuple(
        mixin for name, mixin in UPDATES.items() if issubclass(kind, getattr(keras.optimizers, name, ()))
    )
    own = getattr(kind, "update_step", None)
    return (OnceAStep, *found) if own is keras.optimizers.Adam.update_step else found


def keeps_step(kind: type) -> bool:
    """Whether a smaller model goes on with this optimizer as the masked one would, as far as is known."""
    return OfFullShape not in addition(kind)
