"""Following a sweep while it runs: nothing by default, TensorBoard where it is asked for.

The figures stay in history.csv and the table whatever is followed here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

    from experiments.problem import Problem


class RunLog:
    """Takes in what happens in a run; this one lets it go."""

    def begin(self, folder: Path) -> None:
        """A run begins, or goes on.

        Args:
            folder: of the run.
        """

    def losses(self, row: dict[str, Any]) -> None:
        """A line of the history.

        Args:
            row: step, learning rate, sparsity asked, losses by name.
        """

    def stage(self, number: int, row: dict[str, Any], model: keras.Model, problem: Problem) -> None:
        """A stage has been measured.

        Args:
            number: of the stage in the run.
            row: its columns.
            model: as it is now.
            problem: that it solves.
        """

    def end(self) -> None:
        """The run has ended, whatever became of it."""
