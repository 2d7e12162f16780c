"""Loss weights by need: a task whose loss still moves counts more."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class AdaptiveWeights:
    """AdapMTL's weights: the sliding mean of a loss's relative change from epoch to epoch, scaled to a mean of 1.

    w_t ~ mean over the last epochs of |L_t(e - 1) - L_t(e)| / L_t(e), and sum over the T tasks of w_t = T. Xiang et
    al., ACM MM 2024, arXiv 2408.03913. Losses must be means over epochs: those of single batches move by chance.

    Args:
        window: epochs in the mean.
        least: no task counts less than this, before scaling, as a share of the mean: 0.1 keeps a resting task alive.

    Raises:
        ValueError: a window below 1, or a share outside [0, 1].
    """

    window: int = 5
    least: float = 0.1

    def __post_init__(self) -> None:
        if isinstance(self.window, bool) or not isinstance(self.window, int) or self.window < 1:
            raise ValueError(f"AdaptiveWeights: window is {self.window!r}; expected 1 or more epochs")
        if not 0.0 <= self.least <= 1.0:
            raise ValueError(f"AdaptiveWeights: least is {self.least!r}; expected a share in [0, 1]")

    def __call__(self, epochs: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Factors of the task losses for the next epoch.

        Args:
            epochs: {task: mean loss} of every epoch so far, the earliest first, all of the same tasks.

        Returns:
            {task: factor}, of mean 1; all 1 where there are fewer than two epochs or nothing moves.

        Raises:
            ValueError: no epochs, or a loss that is no finite number.
        """
        if not epochs:
            raise ValueError("AdaptiveWeights: there are no epochs; give {task: mean loss} of at least one")
        tasks = list(epochs[0])
        for number, losses in enumerate(epochs):
            wrong = [task for task in tasks if not math.isfinite(losses.get(task, math.nan))]
            if wrong:
                raise ValueError(
                    f"AdaptiveWeights: the loss of {wrong[0]!r} in epoch {number} is {losses.get(wrong[0])!r}; "
                    "expected a finite number"
                )
        recent = epochs[-self.window - 1 :]
        pairs = list(zip(recent, recent[1:], strict=False))
        change = {task: sum(_relative(old[task], new[task]) for old, new in pairs) for task in tasks}
        total = sum(change.values())
        if total <= 0:
            return dict.fromkeys(tasks, 1.0)
        kept = {task: max(value * len(tasks) / total, self.least) for task, value in change.items()}
        scale = len(tasks) / sum(kept.values())
        return {task: value * scale for task, value in kept.items()}


def _relative(old: float, new: float) -> float:
    return abs(old - new) / max(abs(new), 1e-12)
