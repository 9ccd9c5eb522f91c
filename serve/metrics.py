"""What Prometheus reads: answers by decision and class, confidences, margins, times, queues."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ..schemas.records import Assignment

__all__ = ["Metrics"]

_CLASSES: Final = 1000
"""Classes that are counted one by one; those that come up later count together, so that memory is bounded."""

_REST: Final = "(other)"
_SHARES: Final = tuple(round(0.05 * step, 2) for step in range(1, 21))
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The figures of one service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._classes: set[str] = set()
        name, registry = "nearclass", self.registry
        self._answers = Counter(f"{name}_answers", "Items answered, by decision", ["decision"], registry=registry)
        self._by_class = Counter(
            f"{name}_answers_by_class", "Items by their nearest class", ["class_id"], registry=registry
        )
        self._confidence = Histogram(f"{name}_confidence", "Confidence of answers", buckets=_SHARES, registry=registry)
        self._margin = Histogram(f"{name}_margin", "Margin of answers", buckets=_SHARES, registry=registry)
        self._batch = Histogram(
            f"{name}_batch_items", "Items answered together", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            f"{name}_work_seconds", "Time of work, by kind", ["kind"], buckets=_SECONDS, registry=registry
        )
        self._stored = Counter(f"{name}_stored_items", "Items of writes, by outcome", ["outcome"], registry=registry)
        self._requests = Counter(
            f"{name}_requests", "Requests, by method and status", ["method", "status"], registry=registry
        )
        self._latency = Histogram(f"{name}_request_seconds", "Time of requests", buckets=_SECONDS, registry=registry)
        self.in_progress = Gauge(f"{name}_requests_in_progress", "Requests in progress", registry=registry)
        self.queue = Gauge(f"{name}_queue_items", "Items that wait, by queue", ["queue"], registry=registry)
        self.jobs = Gauge(f"{name}_jobs_running", "Jobs in progress", registry=registry)
        self.revision = Gauge(f"{name}_taxonomy_revision", "Revision of the taxonomy", registry=registry)

    @contextmanager
    def timed(self, kind: str) -> Iterator[None]:
        """Count the time of what happens within it."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds.labels(kind).observe(time.perf_counter() - start)

    def answered(self, answers: Iterable[Assignment]) -> None:
        """Count answers that were given together."""
        count = 0
        for answer in answers:
            count += 1
            self._answers.labels(answer.decision.value).inc()
            if answer.candidates:
                self._by_class.labels(self._class(answer.candidates[0].class_id)).inc()
            if answer.confidence is not None:
                self._confidence.observe(answer.confidence)
            if answer.margin is not None:
                self._margin.observe(answer.margin)
        if count:
            self._batch.observe(count)

    def stored(self, outcome: str, count: int) -> None:
        """Count items that were written, were there already, or were refused."""
        if count:
            self._stored.labels(outcome).inc(count)

    def request(self, method: str, status: int, seconds: float) -> None:
        """Count a request that has been answered."""
        self._requests.labels(method, str(status)).inc()
        self._latency.observe(seconds)

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self.registry)

    def _class(self, class_id: str) -> str:
        if class_id in self._classes:
            return class_id
        if len(self._classes) < _CLASSES:
            self._classes.add(class_id)
            return class_id
        return _REST
