"""The command `taskprune`: each of its words is a module, which is imported when it is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from experiments.errors import UserError

_DETECTOR = "experiments.problems.maskrcnn.detector_commands"
# Word -> module with main(arguments), and what it does.
COMMANDS = {
    "sweep": ("experiments.commands.sweep_command", "train, prune, fine-tune, remove and measure each task"),
    "study": ("experiments.commands.study_command", "ask about loss phases, budgets by task, solved ratios"),
    "train": ("experiments.commands.train_command", "train the dense model of a recipe"),
    "evaluate": ("experiments.commands.evaluate_command", "measure each task of a saved model"),
    "detect": (f"{_DETECTOR}.maskrcnn_detect", "find objects in pictures, draw them and write them as JSON"),
    "data": (f"{_DETECTOR}.maskrcnn_survey", "see what annotated pictures hold, and what suits them"),
    "serve": (f"{_DETECTOR}.maskrcnn_serve", "serve models over HTTP, with a page to see them side by side"),
    "inspect": (f"{_DETECTOR}.maskrcnn_inspect", "every stage of one picture in a model, or in two, as a page"),
    "export": (f"{_DETECTOR}.maskrcnn_export", "write a model as a file of another runtime, and compare the two"),
    "table": ("experiments.commands.table_command", "make a sweep's table anew from its runs"),
    "compare": ("experiments.commands.compare_command", "what may be said about two criteria, or two sweeps"),
    "plot": ("experiments.commands.plot_command", "draw the plots of a sweep"),
    "report": ("experiments.commands.report_command", "write the page of a sweep, with all its plots"),
    "noise": ("experiments.commands.noise_command", "how much the figures of a pilot differ by chance"),
}


def main(word: str | None = None, arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its status.

    Args:
        word: of COMMANDS; the first argument if None.
        arguments: after the word; those of the process if None.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if word is None:
        if not given or given[0] in ("-h", "--help", "help"):
            print(usage())
            sys.exit(0 if given else 2)
        word = given.pop(0)
    if word == "--version":
        from importlib.metadata import version

        print(f"taskprune {version('taskprune')}")
        sys.exit(0)
    if word not in COMMANDS:
        import difflib

        near = difflib.get_close_matches(word, COMMANDS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
        print(f"error: taskprune {word}: no such command; {hint}", file=sys.stderr)
        sys.exit(2)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    guarded(lambda: importlib.import_module(COMMANDS[word][0]).main(given))


def usage() -> str:
    """What `taskprune --help` prints."""
    lines = [f"  {word:<10}{text}" for word, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: taskprune COMMAND ...",
            "",
            "What pruning costs each task of a multi-task network.",
            "",
            *lines,
            "",
            "taskprune COMMAND --help says more. Begin with: taskprune sweep digits",
        ]
    )


def guarded(command: Callable[[], Any]) -> None:
    """Run a command and exit: with 2 and one message for a user's mistake; other errors keep their traceback.

    Args:
        command: what it returns is the exit status (None is 0).
    """
    try:
        sys.exit(command())
    except KeyboardInterrupt:
        print("stopped; start the same command again to go on", file=sys.stderr)
        sys.exit(130)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
