"""Pictures from the web, where a policy allows it.

On the standard library: the connection has to go to the address that was checked, under the name that was asked for,
and to end at one deadline whatever the server does. Clients that resolve names themselves and bound each read alone
would have to be taken apart for that.
"""

import http.client
import io
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urljoin

from ..errors import PictureError
from ..schemas.pictures import PictureCode
from .urls import Target, UrlPolicy, is_public, parse_url

__all__ = ["Fetcher"]

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MAX_REDIRECTS: Final = 5
_TIMEOUT_S: Final = 15.0
_CHUNK: Final = 1 << 16

Resolve = Callable[[str, int], Sequence[str]]


class Fetcher:
    """Fetches pictures by their address; may be used from several threads.

    Credentials, cookies and proxies are never used, those in the environment neither.
    """

    def __init__(
        self,
        policy: UrlPolicy,
        *,
        max_bytes: int,
        timeout_s: float = _TIMEOUT_S,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Choose what may be fetched.

        Args:
            policy: Which hosts.
            max_bytes: Larger answers are refused, and not read further.
            timeout_s: Deadline of one picture, its redirects included.
            resolve: Gives the addresses of a host; by default the system's resolver.
            tls: Whom to trust; by default the system's certificates.
        """
        self._policy = policy
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._resolve = resolve or _system_addresses
        self._tls = tls

    def fetch(self, url: str) -> bytes:
        """The body that the address answers with.

        Raises:
            PictureError: ``bad_reference``, ``url_refused``, ``fetch_failed`` or ``picture_too_large``.
        """
        if not self._policy.allows_any:
            message = f"the picture {url[:200]!r} is on the web, and fetching is off"
            hint = "Set NEARCLASS_PICTURE_URLS to public, or to the hosts that pictures may come from."
            raise PictureError(message, code=PictureCode.URL_REFUSED, hint=hint)
        deadline = time.monotonic() + self._timeout_s
        target = parse_url(url)
        for _ in range(_MAX_REDIRECTS + 1):
            found = self._ask(target, deadline)
            if isinstance(found, bytes):
                return found
            target = found
        message = f"the picture {url[:200]!r} is behind more than {_MAX_REDIRECTS} redirects"
        raise PictureError(message, code=PictureCode.FETCH_FAILED)

    def _ask(self, target: Target, deadline: float) -> bytes | Target:
        """The body, or where the host sends us instead."""
        addresses = self._allowed_addresses(target, deadline)
        try:
            wire = _connect(target, addresses, deadline, self._tls)
            try:
                connection = _Connection(target, wire)
                headers = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "nearclass"}
                connection.request("GET", target.path, headers=headers)
                return self._answer(target, connection.getresponse())
            finally:
                wire.hang_up()
        except TimeoutError:
            raise self._late(target) from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            why = str(error).strip() or type(error).__name__
            raise _failed(target, why) from error

    def _answer(self, target: Target, answer: http.client.HTTPResponse) -> bytes | Target:
        location = answer.getheader("Location")
        if answer.status in _REDIRECTS and location:
            return parse_url(urljoin(target.url, location))
        if answer.status != http.client.OK:
            raise _failed(target, f"the server answered {answer.status} {answer.reason[:80]}")
        if answer.getheader("Content-Encoding", "identity").lower() != "identity":
            raise _failed(target, "the server sent compressed data, which was not asked for")
        if answer.length is not None and answer.length > self._max_bytes:
            raise self._too_large(target, answer.length)
        expected = answer.length
        body = bytearray()
        while part := answer.read(_CHUNK):
            body += part
            if len(body) > self._max_bytes:
                raise self._too_large(target, len(body))
        if expected is not None and len(body) < expected:
            raise _failed(target, f"the answer ended after {len(body)} of {expected} bytes")
        return bytes(body)

    def _allowed_addresses(self, target: Target, deadline: float) -> Sequence[str]:
        """Addresses of the host, which are connected to and not looked up again."""
        named = self._policy.names(target)
        if not named and not self._policy.public:
            raise _refused(target, f"the host {target.host!r} is not among those allowed")
        if not named and not target.usual_port:
            raise _refused(target, f"the port {target.port} is not that of {target.scheme}")
        addresses = self._looked_up(target, deadline)
        if not named and not all(is_public(one) for one in addresses):
            raise _refused(target, f"the host {target.host!r} has an address that is not public")
        return addresses

    def _looked_up(self, target: Target, deadline: float) -> Sequence[str]:
        # In a thread of its own, because the system's resolver knows no deadline.
        found: queue.SimpleQueue[Sequence[str] | OSError] = queue.SimpleQueue()

        def look_up() -> None:
            try:
                found.put(self._resolve(target.host, target.port))
            except (OSError, ValueError) as error:
                found.put(error if isinstance(error, OSError) else OSError(str(error)))

        threading.Thread(target=look_up, daemon=True).start()
        try:
            result = found.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise self._late(target) from None
        if isinstance(result, OSError) or not result:
            raise _failed(target, f"the host {target.host!r} is unknown")
        return result

    def _late(self, target: Target) -> PictureError:
        return _failed(target, f"no complete answer within {self._timeout_s:g} s")

    def _too_large(self, target: Target, size: int) -> PictureError:
        message = f"the picture {target.url[:200]!r} has {size} bytes or more; at most {self._max_bytes}"
        return PictureError(message, code=PictureCode.PICTURE_TOO_LARGE)


class _Wire:
    """A socket whose every wait ends at the deadline; what ``http.client`` needs of a socket."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self._socket = connected
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._set_timeout()
        self._socket.sendall(data)

    def receive(self, buffer: memoryview) -> int:
        self._set_timeout()
        return self._socket.recv_into(buffer)

    def makefile(self, _mode: str, *_rest: object) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self))

    def close(self) -> None:
        """Nothing: a connection closes its socket while the answer is still to be read from it."""

    def hang_up(self) -> None:
        self._socket.close()

    def _set_timeout(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)


class _Incoming(io.RawIOBase):
    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._wire.receive(buffer)


class _Connection(http.client.HTTPConnection):
    """A connection over a wire that is connected already."""

    def __init__(self, target: Target, wire: _Wire) -> None:
        super().__init__(target.host, target.port)
        self.default_port = 443 if target.scheme == "https" else 80  # or the port is named in the header Host
        self.sock = wire


def _connect(target: Target, addresses: Sequence[str], deadline: float, tls: ssl.SSLContext | None) -> _Wire:
    last: OSError = OSError("no address")
    for address in addresses:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        try:
            connected = socket.create_connection((address, target.port), timeout=left)
        except OSError as error:
            last = error
            continue
        if target.scheme == "http":
            return _Wire(connected, deadline)
        return _Wire(_encrypted(connected, target, deadline, tls or ssl.create_default_context()), deadline)
    raise last


def _encrypted(connected: socket.socket, target: Target, deadline: float, tls: ssl.SSLContext) -> ssl.SSLSocket:
    """The connection under TLS; the certificate must be that of the name asked for."""
    try:
        connected.settimeout(max(0.001, deadline - time.monotonic()))
        return tls.wrap_socket(connected, server_hostname=target.host)
    except BaseException:
        connected.close()
        raise


def _system_addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def _refused(target: Target, why: str) -> PictureError:
    return PictureError(f"the picture {target.url[:200]!r} is not fetched: {why}", code=PictureCode.URL_REFUSED)


def _failed(target: Target, why: str) -> PictureError:
    return PictureError(f"the picture {target.url[:200]!r} was not fetched: {why}", code=PictureCode.FETCH_FAILED)
