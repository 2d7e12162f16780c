"""Callbacks for `MaskRCNN.fit`: measures and figures while it trains, and an end to a training that diverges."""

from maskrcnn.callbacks.data_waiting import DataWaiting
from maskrcnn.callbacks.inspect_log import Inspect
from maskrcnn.callbacks.last_good_weights import DivergedError, KeepLastGood
from maskrcnn.callbacks.per_task_measures import Evaluate

__all__ = ["DataWaiting", "DivergedError", "Evaluate", "Inspect", "KeepLastGood"]
