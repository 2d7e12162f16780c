"""Ask a server of `taskprune serve` from several clients at once, and write what it answered and how long it took.

Starts the server itself on a free port, with the models that are named; each client posts pictures one after the
other, every tenth cut short, which must be refused. Meanwhile /healthz is asked twice a second: it must answer while
detections run. Writes results/serve/load_test.csv (a row for each second) and load_test.json (totals, machine), and
fails if a picture was not answered or a broken one was.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pandas as pd
import tyro
from rich.progress import track

from experiments.commands import guarded
from experiments.errors import UserError
from experiments.runs.run_folder import write_text
from experiments.settings.flags import read_flags
from experiments.settings.recipe import Count, Settings

BROKEN_EVERY = 10  # requests of a client
QUERIES = ({"masks": "rle"}, {"masks": "polygons"}, {"masks": "none"})


class LoadTest(Settings):
    """Who asks, what, and for how long."""

    model: tyro.conf.UseAppendAction[tuple[str, ...]]
    """NAME=FILE, as for taskprune serve; clients take turns with the models."""
    pictures: str
    """folder of pictures to send."""
    clients: Count = 8
    """that ask at the same time."""
    seconds: Count = 60
    """of asking."""
    output: str = "results/serve"
    """folder to write into."""


@contextlib.contextmanager
def served(models: tuple[str, ...]) -> Iterator[str]:
    """The address of a server in a process of its own, which ends as by Ctrl-C."""
    code = "from experiments.commands import main; main('serve')"
    flags = [word for model in models for word in ("--model", model)]
    command = [sys.executable, "-c", code, "--port", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout
        try:
            line = next((line for line in one.stdout if line.startswith("http")), None)
            if line is None:
                raise UserError("the server did not start; what it said stands above")
            yield line.split()[0]
        finally:
            one.send_signal(signal.SIGINT)
            if one.wait(60):
                raise RuntimeError(f"the server ended with status {one.returncode}")


def ask(address: str, number: int, names: list[str], pictures: list[Path], end: float, rows: list[dict]) -> None:
    """One client: posts until the end, and adds a row for each request."""
    with httpx2.Client(timeout=60) as web:
        for turn in range(sys.maxsize):
            if (began := time.perf_counter()) > end:
                return
            content = pictures[(number + 7 * turn) % len(pictures)].read_bytes()
            broken = turn % BROKEN_EVERY == BROKEN_EVERY - 1
            query = {"model": names[(number + turn) % len(names)], **QUERIES[turn % len(QUERIES)]}
            files = {"image": ("a.jpg", content[: len(content) // 2] if broken else content)}
            drawn = turn % 8 == 7
            try:
                response = web.post(
                    f"{address}/detect", params=query, files=files,
                    headers={"Accept": "image/png" if drawn else "application/json"},
                )  # fmt: skip
                status = response.status_code
            except httpx2.HTTPError:
                status = 0
            now = time.perf_counter()
            rows.append({
                "ended": now, "model": query["model"], "broken": broken, "status": status, "ms": 1000 * (now - began),
                "as_expected": status == (422 if broken else 200),
            })  # fmt: skip


def watch(address: str, end: float, rows: list[dict]) -> None:
    """Twice a second: how long /healthz takes, and how much memory the server holds."""
    with httpx2.Client(timeout=60) as web:
        while (began := time.perf_counter()) < end:
            waiting = web.get(f"{address}/healthz").json()["waiting"]
            took, metrics = time.perf_counter() - began, web.get(f"{address}/metrics").text
            memory = next(line for line in metrics.splitlines() if line.startswith("process_resident_memory_bytes "))
            rows.append({
                "ended": began, "healthz_ms": 1000 * took, "waiting": waiting,
                "resident_mb": float(memory.split()[1]) / 1e6,
            })  # fmt: skip
            time.sleep(0.5)


def run(settings: LoadTest) -> tuple[pd.DataFrame, dict]:
    """Ask, and sum up: a row for each second, and totals."""
    pictures = sorted(path for path in Path(settings.pictures).iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
    if not pictures:
        raise UserError(f"{settings.pictures} holds no JPEG")
    names = [one.partition("=")[0] for one in settings.model]
    asked: list[dict] = []
    watched: list[dict] = []
    with served(settings.model) as address:
        began = time.perf_counter()
        end = began + settings.seconds
        threads = [
            threading.Thread(target=ask, args=(address, number, names, pictures, end, asked))
            for number in range(settings.clients)
        ]
        threads.append(threading.Thread(target=watch, args=(address, end, watched)))
        for thread in threads:
            thread.start()
        for _ in track(range(settings.seconds), "asking"):
            time.sleep(1)
        for thread in threads:
            thread.join()
    requests, health = pd.DataFrame(asked), pd.DataFrame(watched)
    for table in (requests, health):
        table["second"] = (table.pop("ended") - began).astype(int)
    good = requests[~requests.broken]
    rows = requests.groupby("second").agg(
        requests=("ms", "size"), failures=("as_expected", lambda kept: int((~kept).sum())), median_ms=("ms", "median"),
        slowest_ms=("ms", "max"),
    ).join(health.groupby("second").max()).round(1).reset_index()  # fmt: skip
    steady = health[health.second >= settings.seconds // 4].resident_mb
    totals = {
        "clients": settings.clients, "seconds": settings.seconds, "models": names,
        "answered": int((good.status == 200).sum()),
        "broken_refused": int((requests[requests.broken].status == 422).sum()),
        "failures": int((~requests.as_expected).sum()), "answered_per_second": round(len(good) / settings.seconds, 2),
        "latency_ms": {f"p{share}": round(float(np.percentile(good.ms, share)), 1) for share in (50, 95, 99)},
        "healthz_ms": {"p50": round(health.healthz_ms.median(), 1), "worst": round(health.healthz_ms.max(), 1)},
        "resident_mb": {
            "first": round(health.resident_mb.iloc[0]), "after_a_quarter": round(steady.iloc[0]),
            "last": round(steady.iloc[-1]), "most": round(health.resident_mb.max()),
        },
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "threads": os.environ.get("TF_NUM_INTRAOP_THREADS", "one for every core"),
    }  # fmt: skip
    return rows, totals


def main() -> int:
    settings = read_flags(LoadTest, "load_test.py", __doc__)
    rows, totals = run(settings)
    folder = Path(settings.output)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "load_test.csv", rows.to_csv(index=False))
    write_text(folder / "load_test.json", json.dumps(totals, indent=1) + "\n")
    print(json.dumps(totals, indent=1))
    return 1 if totals["failures"] else 0


if __name__ == "__main__":
    guarded(main)
