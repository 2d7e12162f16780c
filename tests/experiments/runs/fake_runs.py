"""A Runner without networks, for executors: in a module of its own, so that other processes can import it."""

import json
import os
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from experiments.errors import UserError
from experiments.runs.executors import Job, Order
from experiments.runs.monitoring.progress_bar import Meter
from experiments.runs.run_folder import RunFolder

JOBS = [
    Job(f"{kind}-{seed}", seed, None if kind == "dense" else f"dense-{seed}")
    for seed in (0, 1)
    for kind in ("dense", "a", "b")
]
NAMES = [job.name for job in JOBS]


class TwoPartError(Exception):
    """An exception that pickle cannot make anew."""

    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


@dataclass(frozen=True)
class FakeOrder(Order):
    """Attributes:
    diary: folder outside the sweep where processes say what they do.
    what: (run, what happens in it).
    """

    diary: str = ""
    what: tuple[tuple[str, str], ...] = field(default=())

    def runner(self, meter):
        return FakeRunner(self, meter)


class FakeRunner:
    """Does runs that write files as the true ones do: a dense one its model, the others what they read of it."""

    def __init__(self, order, meter):
        self.order, self.meter = order, meter

    def folder(self, name):
        return RunFolder(self.order.folder / "runs" / name)

    def attempt(self, name):
        kind, seed = name.rsplit("-", 1)
        folder, dense = self.folder(name), self.folder(f"dense-{seed}")
        if kind != "dense" and not dense.model.exists():
            return "gone" if (dense.path / "error.txt").exists() else "later"
        with folder.lock() as mine:
            if not mine:
                return "later"
            if folder.finished("removed"):
                return "gone"
            number = self._tell(name)
            self.meter.say(name)
            self.meter.did("step", 3)
            what = dict(self.order.what).get(name, "")
            if self._happens(what, name, number):
                folder.write_error(ValueError("bad luck"))
                self.meter.note(f"{name} failed")
                return "done"
            folder.clear_error()
            self._write(folder, dense, kind)
        return "done"

    def _happens(self, what, name, number):
        if what == "die once" and number == 0 or what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "sleep":
            time.sleep(60)
        if what == "nap":
            time.sleep(0.2)
        if what == "print":
            print("a library speaks")
            os.write(1, b"and its C code\n")
        if what == "user error":
            raise UserError("the disk is full")
        if what == "bug":
            raise TwoPartError("a", "bug")
        return what == "fail"

    def _tell(self, name):
        """Say that a run begins; returns how often it did before."""
        diary = Path(self.order.diary)
        number = len(list(diary.glob(f"{name}.*")))
        names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "CUDA_VISIBLE_DEVICES", "TF_FORCE_GPU_ALLOW_GROWTH")
        seen = {key: os.environ.get(key) for key in names} | {"threads": self.order.threads, "pid": os.getpid()}
        seen |= {"folder": str(self.order.folder), "runner": id(self)}
        part = diary / f"part-{name}"
        part.write_text(json.dumps(seen))
        part.replace(diary / f"{name}.{number}")
        return number

    def _write(self, folder, dense, kind):
        before = folder.checkpoint.read_text() if folder.checkpoint.exists() else "nothing"
        folder.write("settings", {"kind": kind})
        (folder.path / "logs").mkdir(exist_ok=True)
        (folder.path / "logs" / "events").write_text("loss")
        if kind == "dense":
            folder.model.write_text(f"model of {folder.name}")
        folder.write("removed", {"from": dense.model.read_text(), "resumed": before})
        folder.checkpoint.unlink(missing_ok=True)


def order_in(folder, threads=0, **what):
    """An order for a sweep in `folder`/sweep; keys of `what` have _ for -."""
    sweep, diary = folder / "sweep", folder / "diary"
    (sweep / "runs").mkdir(parents=True, exist_ok=True)
    diary.mkdir(exist_ok=True)
    (sweep / "recipe.yaml").write_text("name: sweep\n")
    pairs = tuple((name.replace("_", "-"), does.replace("_", " ")) for name, does in what.items())
    return FakeOrder(str(sweep / "recipe.yaml"), threads=threads, diary=str(diary), what=pairs)


def told(order):
    """(run, attempt) -> what the process said that began it."""
    paths = Path(order.diary).glob("*.*")
    return {(path.stem, int(path.suffix[1:])): json.loads(path.read_text()) for path in paths}


def files(order):
    """All files of the runs but locks."""
    runs = order.folder / "runs"
    return {path.relative_to(runs).as_posix(): path.read_bytes()
            for path in runs.rglob("*") if path.is_file() and path.name != "lock"}  # fmt: skip


class Listener(Meter):
    """Keeps what is reported."""

    def __init__(self):
        super().__init__()
        self.notes, self.said, self.counts = [], [], Counter()

    def say(self, text):
        self.said.append(text)

    def note(self, text):
        self.notes.append(text)

    def count(self, kind, count, seconds, text):
        self.counts[kind] += count


def run(executor, order, jobs=JOBS):
    """Execute; returns what was reported, and the runs in the order in which they ended."""
    work, ended = Listener(), []
    executor.execute(jobs, order, work, ended.append)
    return work, ended
