"""A run's files on their way: to a machine that does not see the sweep's folder, and back."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from experiments.runs.executors.jobs import Job
from experiments.runs.run_folder import RunFolder, written_whole

Files = dict[str, bytes]
"""Path relative to the sweep's folder -> content; in the order in which the files were written."""


def run_path(name: str) -> str:
    """A run's folder, relative to the sweep's."""
    return f"runs/{name}"


def pack(folder: Path, inside: str, leave_out: Iterable[str] = ()) -> Files:
    """The files below a folder.

    Args:
        folder: of the sweep.
        inside: the folder to take, relative to it.
        leave_out: names of files and folders that stay.
    """
    top, names = folder / inside, {"lock", *leave_out}
    found = [
        path
        for path in top.rglob("*")
        if path.is_file()
        and not names.intersection(path.relative_to(top).parts)
        and not path.name.startswith("part-")  # of a process that was killed while it wrote
    ]
    found.sort(key=lambda path: (path.stat().st_mtime_ns, path.suffix == ".json"))  # a finished stage comes last
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def unpack(files: Files, folder: Path) -> None:
    """Write files, each whole or not at all.

    Raises:
        UserError: they cannot be written.
    """
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as part:
            part.write_bytes(content)


def _problem_file(content: dict[str, Any], folder: Path) -> Files:
    """The file that defines a recipe's problem, if one does; the recipe's content names it as lying beside it then."""
    place, _, name = str(content.get("problem", "")).rpartition(":")
    path = folder / place
    if not place.endswith(".py") or not path.is_file():
        return {}
    content["problem"] = f"{path.name}:{name}"
    return {path.name: path.read_bytes()}


class Carrier:
    """Packs what a run needs, and writes what comes back. It holds the run's lock meanwhile.

    A failure's error.txt does not travel out: a run that is sent is to be tried, and one whose dense run failed is not
    sent.

    Args:
        folder: of the sweep.
        recipe: its recipe, in that folder.
    """

    def __init__(self, folder: Path, recipe: Path) -> None:
        self._folder = folder
        content = yaml.safe_load(recipe.read_bytes()) or {}
        self.recipe = {**_problem_file(content, recipe.parent), recipe.name: yaml.safe_dump(content).encode()}
        self._dense_from: str | None = content.get("dense_from")
        self._held: dict[str, tuple[ExitStack, Files]] = {}

    def lock(self, job: Job) -> bool:
        """Hold a run for this process; False where another holds it."""
        stack = ExitStack()
        if not stack.enter_context(RunFolder(self._folder / run_path(job.name)).lock()):
            stack.close()
            return False
        self._held[job.name] = stack, {}
        return True

    def startable(self, job: Job) -> bool:
        """Whether the dense model that a run needs is there: its run has ended, but it may have failed."""
        return job.needs is None or (self._folder / run_path(job.needs) / "model.keras").exists()

    def own(self, job: Job) -> Files:
        """A locked run's own files, and what it borrows from another sweep, so that it goes on where it is."""
        files = pack(self._folder, run_path(job.name), ["error.txt"])
        self._held[job.name] = self._held[job.name][0], files
        return {**self._borrowed(job, files), **files}

    def dense(self, name: str) -> Files:
        """A finished dense run's files."""
        return pack(self._folder, run_path(name), ["error.txt", "logs", "checkpoint.npz"])

    def bring_back(self, job: Job, files: Files) -> None:
        """Make a locked run's folder what it is on the other machine.

        Args:
            files: all that is there.

        Raises:
            UserError: they cannot be written.
        """
        before = self._held[job.name][1]
        unpack({name: content for name, content in files.items() if before.get(name) != content}, self._folder)
        for name in {*before, f"{run_path(job.name)}/error.txt"} - files.keys():
            (self._folder / name).unlink(missing_ok=True)

    def release(self, job: Job) -> None:
        """Let go of a run."""
        if job.name in self._held:
            self._held.pop(job.name)[0].close()

    def _borrowed(self, job: Job, files: Files) -> Files:
        """The model of another sweep, which the other machine does not see either (see `Recipe.dense_from`)."""
        if job.needs is not None or self._dense_from is None or f"{run_path(job.name)}/model.keras" in files:
            return {}
        source = pack(Path(self._dense_from), run_path(job.name))
        wanted = ("history.csv", "model.keras")
        found = {f"{run_path(job.name)}/{name}" for name in wanted} & source.keys()
        return {name: source[name] for name in sorted(found)} if f"{run_path(job.name)}/model.keras" in found else {}
