"""Weight rewinding: what is left of the network trains again from its weights of early in training."""

from typing import Any

import keras

from pruning.graph.channel_graph import ChannelGraph
from pruning.masks.masking import hold
from pruning.plans.pruning_plan import Plan
from pruning.tasks.snapshot import Snapshot


class EarlyWeights(keras.callbacks.Callback):
    """Keeps a model's state at one update, to rewind to: iterative magnitude pruning (Frankle et al., ICML 2020).

    ```python
    early = pruning.EarlyWeights(200)
    model.fit(data, callbacks=[early])                  # dense
    for ratio in (0.2, 0.36, 0.49):                     # 20 % of what is left, each round
        plan = pruning.plan(graph, pruning.L1()(graph), ratio, already=pruning.silent(graph))
        early.rewind(model, plan, graph)
        model.fit(data)
    ```

    Args:
        step: updates after which weights and optimizer are kept; 0: before the first.
    """

    def __init__(self, step: int) -> None:
        super().__init__()
        if isinstance(step, bool) or not isinstance(step, int) or step < 0:
            raise ValueError(f"step is {step!r}; expected a number of updates, 0 or more")
        self.step = step
        self._kept: Snapshot | None = None

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        self._look()

    def on_train_end(self, logs: dict | None = None) -> None:
        self._look()
        if self._kept is None:
            raise ValueError(
                f"training ended at update {int(self.model.optimizer.iterations)} without having been at update "
                f"{self.step}, whose weights were to be kept"
            )

    def rewind(self, model: Any, plan: Plan, graph: ChannelGraph | None = None) -> None:
        """Give the model its state of then, with a plan's channels silenced and held; training goes on from there.

        Args:
            model: the one that was trained, compiled with `pruning.masked(optimizer)`.
            plan: what is silenced.
            graph: the model's graph, if it is at hand.

        Raises:
            ValueError: nothing was kept, or of another model.
        """
        if self._kept is None or self._kept.model is not model:
            found = "none were kept" if self._kept is None else f"those kept are not of the model {model.name!r} given"
            raise ValueError(f"there are no weights to rewind to: {found}; fit with this callback first")
        self._kept.restore()
        hold(model, plan, graph)

    def _look(self) -> None:
        if self._kept is None and int(self.model.optimizer.iterations) == self.step:
            self._kept = Snapshot(self.model)
