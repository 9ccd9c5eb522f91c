"""The server: one process, one port, and an end that loses nothing."""

import logging
import signal
import socket
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from ..errors import UsageError
from .app import create_app
from .options import ServiceOptions, is_loopback

if TYPE_CHECKING:
    from ..catalog import Catalog

__all__ = ["serve"]

_log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Turns new requests away from the moment that it is told to stop, and finishes those that it has."""

    def __init__(self, config: uvicorn.Config, service: Any) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the library's
        """Begin to stop; a second Ctrl-C does not wait for requests."""
        _log.info("%s: no new requests; those in progress are finished", signal.Signals(sig).name)
        # Not the method of the library: it raises the signal again at the end, and the database would not be closed.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
        self._service.draining = True


def serve(catalog: "Catalog", options: ServiceOptions) -> None:
    """Serve an open catalogue until the process is told to stop by SIGTERM or Ctrl-C.

    Raises:
        UsageError: The address cannot be listened on, or callers from elsewhere would need no key.
    """
    options.check()
    app = create_app(catalog, options)
    if options.keys and not app.state.service.keys.every():
        message = "there is no API key, so nobody could call"
        hint = "Run `nearclass key add NAME --scope admin`, or on this machine alone `nearclass serve --no-keys`."
        raise UsageError(message, hint=hint)
    listener = _listener(options)
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(options.drain_s) or 1,
        lifespan="on",
    )
    shown = f"[{host}]" if ":" in host else host
    _log.info("listening on http://%s:%d", shown, port)
    if not options.keys and not is_loopback(host):  # a name that leads elsewhere than it says
        listener.close()
        message = f"{options.host} is {host}, which other machines can reach, and --no-keys lets everybody in"
        raise UsageError(message, hint="Leave --no-keys off and run `nearclass key add NAME`.")
    with listener:
        _Server(config, app.state.service).run(sockets=[listener])


def _listener(options: ServiceOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host.strip("[]"), options.port))
    except OSError as error:
        listener.close()
        message = f"cannot listen on {options.host}:{options.port}: {error.strerror or error}"
        raise UsageError(message, hint="Give another --port, or stop what uses this one.") from error
    return listener
