"""What a sweep keeps: a folder a run, a file a finished stage, each written whole or not at all."""

from __future__ import annotations

import errno
import json
import math
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from experiments.errors import UserError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


class WriteError(UserError):
    """A result cannot be written: no run can go on."""


class RunFolder:
    """The folder of one run.

    Args:
        path: of the folder; made when it is locked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def model(self) -> Path:
        """The last model of the run."""
        return self.path / "model.keras"

    @property
    def checkpoint(self) -> Path:
        """Where its training is, while it lasts."""
        return self.path / "checkpoint.npz"

    def finished(self, *stages: str) -> bool:
        """Whether these stages are done."""
        return all((self.path / f"{stage}.json").exists() for stage in stages)

    def read(self, name: str) -> dict[str, Any]:
        """What `name`.json holds: a stage's row, or "settings", "record".

        Raises:
            UserError: it is not there or no JSON.
        """
        path = self.path / f"{name}.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read ({error}); delete {self.path} to do this run again") from None

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write `name`.json, whole or not at all; a figure that is not a number is null.

        Raises:
            WriteError: the folder cannot be written, or the disk is full.
        """
        write_text(self.path / f"{name}.json", json.dumps(plain(content), indent=1) + "\n")

    @contextmanager
    def lock(self) -> Iterator[bool]:
        """Hold the run for this process; the system lets go of it when the process ends, however it ends.

        The lock is the operating system's: in a network folder, only where that file system has locks.

        Yields:
            False where another process holds it: then leave it alone.

        Raises:
            WriteError: the folder cannot be made or written.
        """
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock, mine = filelock.FileLock(self.path / "lock", blocking=False, thread_local=False), True
            try:
                lock.acquire()
            except filelock.Timeout:
                mine = False
        if not mine:
            yield False
            return
        try:
            for part in self.path.glob("part-*"):  # of a process that was killed while it wrote
                part.unlink()
            yield True
        finally:
            lock.release()

    # Failures

    def write_error(self, error: BaseException) -> None:
        """Keep the traceback of a failure."""
        write_text(self.path / "error.txt", "".join(traceback.format_exception(error)))

    def clear_error(self) -> None:
        """The run has succeeded after all."""
        (self.path / "error.txt").unlink(missing_ok=True)

    def error(self, since: float = 0.0) -> str | None:
        """Last line of the traceback of a failure after `since` (seconds of the epoch), or None."""
        path = self.path / "error.txt"
        try:
            if path.stat().st_mtime < since:
                return None
            lines = path.read_text(encoding="utf-8").strip().splitlines()
        except OSError:
            return None
        return lines[-1] if lines else "unknown"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns a failure to write into one that a user can mend.

    Raises:
        WriteError: the folder cannot be written, or the disk is full.
    """
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"{path} cannot be written ({error.strerror or error}); finished stages are intact. Make room, or choose "
            "another --results, and start the same command again"
        ) from None


def is_write_error(error: BaseException) -> bool:
    """Whether an error means that nothing can be written any more."""
    return isinstance(error, WriteError) or (isinstance(error, OSError) and error.errno in _NO_ROOM)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A file that is there whole or not at all: yields the path to write, which becomes `path` at the end.

    Raises:
        WriteError: the folder cannot be written, or the disk is full.
    """
    part = path.with_name(f"part-{os.getpid()}-{path.name}")  # other processes may write the same file
    with writing(path):
        try:
            yield part
            with open(part, "rb") as file:
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all.

    Raises:
        WriteError: the folder cannot be written, or the disk is full.
    """
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def plain(value: Any) -> Any:
    """A value in JSON's types: null for what is no number, lists for arrays."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "item"):
        value = value.item() if getattr(value, "ndim", 0) == 0 else value.tolist()
    return None if isinstance(value, float) and not math.isfinite(value) else value
