"""The application behind a socket, until it is interrupted."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

_CONNECTIONS = 256  # at a time, idle ones included; more are answered with 503


class WebServer(uvicorn.Server):
    """uvicorn's server, which says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()


def run(
    app: FastAPI, place: socket.socket, ready: Callable[[], None], started: Callable[[WebServer], None] | None = None
) -> None:
    """Serves until Ctrl-C, which lets running requests end; a second Ctrl-C does not.

    Args:
        app: from `create_app`.
        place: a bound socket.
        ready: called once models are warm and requests are taken.
        started: takes the server, whose `should_exit` ends it from another thread.
    """
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=30,
    )  # fmt: skip
    server = WebServer(config, ready)
    if started is not None:
        started(server)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn passes it on once it has shut down
        server.run(sockets=[place])
