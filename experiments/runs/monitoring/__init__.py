"""Following runs: a progress bar, the time that each kind of work takes, and logs to look at while they run."""

from __future__ import annotations

from experiments.errors import UserError
from experiments.runs.monitoring.run_log import RunLog

LOGS = ("none", "tensorboard")


def run_log(name: str) -> RunLog:
    """The log of a name: "none" or "tensorboard".

    Raises:
        UserError: the package tensorboard is missing, or there is no such log.
    """
    if name not in LOGS:
        raise UserError(f"there is no log {name!r}: expected {' or '.join(LOGS)}")
    if name == "none":
        return RunLog()
    from experiments.runs.monitoring.tensorboard_log import TensorBoardLog  # wants a package of the extra `live`

    return TensorBoardLog()
