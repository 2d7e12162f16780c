"""Loss scaling for half precision that also holds on several replicas."""

from __future__ import annotations

import keras
import tensorflow as tf

from maskrcnn.training.replicas import total


@keras.saving.register_keras_serializable("maskrcnn")
class ReplicaLossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """A LossScaleOptimizer that skips an update where any replica's gradients overflow.

    Keras's own asks the first replica alone, whose gradients have not been summed with the others' yet.
    """

    def check_finite(self, grads):
        overflown = tf.cast(~super().check_finite(grads), tf.float32)
        return tf.equal(total(overflown), 0.0)
