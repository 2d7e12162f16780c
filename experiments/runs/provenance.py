"""What a run was made with: versions, commit, machine, threads."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from experiments.runs.executors.jobs import cores
from experiments.runs.run_folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]


def begin(folder: RunFolder, recipe: dict[str, Any], code: str | None = None) -> None:
    """Write `record.json` of a run that begins, or goes on after an interruption.

    Args:
        folder: of the run.
        recipe: all settings of the sweep that it belongs to, defaults included.
        code: a hash of the file that defines the problem.
    """
    before = folder.read("record") if folder.finished("record") else {}
    folder.write(
        "record",
        {
            "started": before.get("started") or now(),
            "finished": None,
            "starts": before.get("starts", 0) + 1,
            "versions": versions(),
            "git": commit(),
            "machine": machine(),
            "threads": threads(),
            "seeds": recipe["seeds"],
            "code": code,
            "recipe": recipe,
        },
    )


def end(folder: RunFolder) -> None:
    """Note in `record.json` that the run is finished."""
    folder.write("record", {**folder.read("record"), "finished": now()})


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@functools.cache
def versions() -> dict[str, str | None]:
    """Of Python and the packages that decide about figures."""
    try:
        own = importlib.metadata.version("taskprune")
    except importlib.metadata.PackageNotFoundError:
        own = None
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "taskprune": own,
    }


@functools.cache
def commit() -> dict[str, Any] | None:
    """The commit that the code is at, and whether files differ from it; None outside of a git checkout."""
    try:
        ask = functools.partial(
            subprocess.run, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True, stdin=subprocess.DEVNULL
        )
        head = ask(["git", "rev-parse", "HEAD"]).stdout.strip()
        changed = ask(["git", "status", "--porcelain", "--untracked-files=no"]).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": head, "dirty": bool(changed)}


@functools.cache
def machine() -> dict[str, Any]:
    """The computer, as far as it matters."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        memory = None
    return {
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": cores(),
        "memory_bytes": memory,
        "gpus": [device.name for device in tf.config.list_physical_devices("GPU")],
    }


def threads() -> int:
    """Threads that one operation may use: as set, or all cores."""
    asked = tf.config.threading.get_intra_op_parallelism_threads()
    return asked or int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0)) or cores()
