"""Learning-rate rewinding: fine-tuning meets the last learning rates of the training again."""

from collections.abc import Callable

import keras


class RewoundRate(keras.callbacks.Callback):
    """Sets the learning rate of each update to that of the training's last ones (Renda et al., ICLR 2020).

    ```python
    cosine = keras.optimizers.schedules.CosineDecay(0.01, 9000)     # what the dense model was trained with
    model.fit(data, callbacks=[pruning.RewoundRate(cosine, trained=9000, steps=3000)])
    ```

    Args:
        rate: update -> learning rate of the training: a function, or a Keras learning-rate schedule.
        trained: updates of the training.
        steps: updates of the retraining, the first of which has the rate of update `trained - steps`.

    Raises:
        ValueError: more steps than were trained, or fewer than one; from `fit`, an optimizer whose rate is a schedule.
    """

    def __init__(self, rate: Callable[[int], float], trained: int, steps: int) -> None:
        super().__init__()
        if not 1 <= steps <= trained:
            raise ValueError(f"steps is {steps}, trained {trained}; expected 1 or more, and no more than were trained")
        self.rate, self.first, self.steps = rate, trained - steps, steps

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._begun = int(self.model.optimizer.iterations)
        try:
            self.model.optimizer.learning_rate = float(self.rate(self.first))
        except TypeError:
            raise ValueError(
                "RewoundRate sets the learning rate of every update, but the optimizer has a schedule of its own: "
                "compile the model with a number"
            ) from None

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        step = min(int(self.model.optimizer.iterations) - self._begun, self.steps - 1)
        self.model.optimizer.learning_rate = float(self.rate(self.first + step))
