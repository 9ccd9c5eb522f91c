"""Health and metrics of a worker over HTTP: ``/healthz``, ``/readyz`` and, for Prometheus, ``/metrics``."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from ...errors import UsageError
from .status import Status

__all__ = ["HealthPage"]

_SILENT_S: Final = 60.0
"""A worker that lives gives a sign four times in ``Limits.reclaim_s``."""

_Start = Callable[..., Any]


class HealthPage:
    """Serves what a status says, in a thread of its own; use it in a ``with`` statement.

    Attributes:
        url: Where it is.
    """

    def __init__(self, status: Status, host: str, port: int) -> None:
        """Listen; port 0 takes a free one.

        Raises:
            UsageError: The port is taken, or the host is none of this machine.
        """
        self._status = status
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(status))
        self._metrics = make_wsgi_app(registry)
        try:
            self._server = make_server(host, port, self._answer, WSGIServer, _Quiet)
        except OSError as error:
            message = f"cannot listen at {host}:{port} for health and metrics: {error.strerror or error}"
            raise UsageError(message, hint="Give another --listen HOST:PORT, or --listen off.") from error
        self.url = f"http://{host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="nearclass-health", daemon=True)

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start: _Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return list(self._metrics(environ, start))
        if path == "/healthz":
            silent = time.monotonic() - self._status.alive_at
            return _json(start, silent < _SILENT_S, {"silent_s": round(silent, 1)})
        if path == "/readyz":
            said = {"doing": self._status.doing, "trouble": self._status.trouble, "worker": self._status.worker}
            return _json(start, self._status.doing == "ready", said)
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"There are /healthz, /readyz and /metrics.\n"]


class _Collector:
    """Turns a status into metrics at the moment they are asked for."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """Every metric."""
        status, tally = self._status, self._status.tally
        events = {one.name: getattr(tally, one.name) for one in fields(tally)}
        yield _counter("events", "What became of events.", "became", events)
        yield _counter("dead_letters", "Messages that were given up.", "code", status.dead)
        yield _counter("seconds", "Time spent.", "on", status.seconds)
        yield _counter("waits", "Times that the store or the broker did not do its part.", "for", status.waits)
        for name in ("received", "acknowledged", "retried", "published"):
            yield CounterMetricFamily(f"nearclass_worker_{name}", f"Messages {name}.", value=getattr(status, name))
        yield GaugeMetricFamily("nearclass_worker_in_hand", "Messages not acknowledged yet.", value=status.in_hand)
        ready = float(status.doing == "ready")
        yield GaugeMetricFamily("nearclass_worker_ready", "1 while it works, 0 while it waits.", value=ready)


def _counter(name: str, help_text: str, label: str, values: Mapping[str, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"nearclass_worker_{name}", help_text, labels=[label])
    for key, value in dict(values).items():
        family.add_metric([key], value)
    return family


def _json(start: _Start, good: bool, said: Mapping[str, Any]) -> Iterable[bytes]:  # noqa: FBT001 - its only meaning
    start("200 OK" if good else "503 Service Unavailable", [("Content-Type", "application/json")])
    return [orjson.dumps({"ok": good, **said})]


class _Quiet(WSGIRequestHandler):
    """Does not write every request to standard error."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the parent's parameter
        """Say nothing."""
