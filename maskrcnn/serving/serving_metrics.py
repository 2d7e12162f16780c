"""What Prometheus reads of a server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from fastapi import HTTPException
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from maskrcnn.serving.work_queue import WorkQueue

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class ServingMetrics:
    """Counters of one application, in a registry of its own: two applications in a process do not share them."""

    def __init__(self, queue: WorkQueue) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "maskrcnn_requests", "Detection requests, by HTTP status.", ("model", "status"), registry=self._registry
        )
        self._stages = Histogram(
            "maskrcnn_stage_seconds", "Time of each stage of an answered request.", ("model", "stage"),
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        for name, text, read in (
            ("maskrcnn_places_taken", "Requests that are being read, wait or run.", lambda: queue.taken),
            ("maskrcnn_places", "Places that there are for them.", lambda: queue.places),
        ):
            Gauge(name, text, registry=self._registry).set_function(read)

    @contextlib.contextmanager
    def counted(self, model: str) -> Iterator[None]:
        """Counts one request by how it ends; `model` must be a known name, or metrics grow with what strangers send."""
        status = 500
        try:
            yield
            status = 200
        except HTTPException as error:
            status = error.status_code
            raise
        finally:
            self._requests.labels(model, status).inc()

    def timed(self, model: str, milliseconds: Mapping[str, float]) -> None:
        """Adds the stages of one answer."""
        for stage, value in milliseconds.items():
            self._stages.labels(model, stage).observe(value / 1000)

    def text(self) -> bytes:
        """The text that is scraped."""
        return generate_latest(self._registry)
