"""A connection to a Ray cluster, and what its machines see."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from experiments.errors import UserError
from experiments.runs.executors.jobs import cores
from experiments.runs.executors.ray_task import sees as sees_marker

_PROBE_SECONDS = 60.0
_CONNECT_SECONDS = 10.0
_MISSING = "--executor ray needs the package ray, which the extra `ray` brings: pip install 'taskprune[ray]'"


def import_ray() -> Any:
    """The package ray.

    Raises:
        UserError: it is not installed.
    """
    try:
        import ray
    except ImportError:
        raise UserError(_MISSING) from None
    return ray


@contextmanager
def connected(ray: Any, address: str | None, threads: int) -> Iterator[None]:
    """Be connected. A connection that there is already is used, and stays.

    Args:
        ray: the package.
        address: of the cluster; None: that of $RAY_ADDRESS, or a fresh one on this machine.
        threads: cores of a fresh one; 0: all.

    Raises:
        UserError: there is no cluster.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    _check_answers(address)
    fresh: dict[str, Any] = {"num_cpus": threads or cores(), "include_dashboard": False}
    try:
        ray.init(
            address=address,
            log_to_driver=False,  # else what libraries print disturbs the bar
            logging_level="error",
            **(fresh if address == "local" else {}),
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"no Ray cluster at {address}: {error}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Ray itself tries for minutes, with messages of its own.

    Raises:
        UserError: nothing listens at host:port.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise UserError(f"no Ray cluster at {address}: {error}") from None


def all_see(ray: Any, folder: Path) -> bool:
    """Whether every machine of the cluster sees a folder: asked with a file in it that no other folder has."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    marker = folder / f"part-seen-{uuid.uuid4().hex}"
    marker.touch()
    try:
        nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
        sees = ray.remote(sees_marker)
        asked = [
            sees.options(num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(
                str(marker)
            )
            for node in nodes
        ]
        return all(ray.get(asked, timeout=_PROBE_SECONDS))
    except ray.exceptions.GetTimeoutError:
        return False
    except ray.exceptions.RayTaskError as problem:
        raise UserError(f"a machine of the cluster cannot do a task; is taskprune installed there? {problem}") from None
    finally:
        marker.unlink(missing_ok=True)
