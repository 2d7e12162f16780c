"""Any schedule inside tensorflow-model-optimization's own pruning, by a table of its values."""

from typing import Any

from schedules.interop import _tfmot
from schedules.schedule import Schedule


def as_tfmot(schedule: Schedule) -> Any:
    """A tensorflow-model-optimization schedule that answers as a schedule does, at every step.

    For `tfmot.sparsity.keras.prune_low_magnitude(model, pruning_schedule=as_tfmot(...))`. Where that library has the
    same schedule, `to_tfmot` gives that, which can be saved with a model; this one works for every schedule with an
    end, in a graph too, and prunes at the end step, which that library's own may miss.

    Args:
        schedule: with an end (`end_step` is not -1).

    Raises:
        ValueError: it has none.
        ImportError: tensorflow-model-optimization is not installed.
    """
    end = getattr(schedule, "end_step", -1)
    if end == -1:
        raise ValueError(f"as_tfmot: {type(schedule).__name__} has no end: its values have no table; use to_tfmot")
    base = _tfmot().PruningSchedule
    import tensorflow as tf

    answers = [schedule(step) for step in range(end + 2)]  # the last one holds for ever
    due = tf.constant([prunes for prunes, _ in answers], tf.bool)
    sparsity = tf.constant([value for _, value in answers], tf.float32)

    class Tabled(base):  # type: ignore[misc, valid-type]
        """Looks its answers up."""

        def __call__(self, step: Any) -> tuple[Any, Any]:
            place = tf.clip_by_value(tf.cast(step, tf.int32), 0, end + 1)
            return tf.gather(due, place), tf.gather(sparsity, place)

        def get_config(self) -> dict[str, Any]:
            return schedule.get_config()

        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Any:
            from schedules.schedule import from_config

            return as_tfmot(from_config(config))

    return Tabled()
