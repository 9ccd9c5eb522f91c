"""A load generator for HTTP on loopback: prepared bytes over many connections, closed or open loop.

An HTTP library would take as much of the two cores as the service itself, so the few lines of HTTP/1.1 that are needed
are read here, and whoever runs these loops runs them by uvloop, as the service does.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length:"


@dataclass
class Load:
    """What became of the requests: seconds of those that were answered with 200, and how many of each status."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    unsent: int = 0
    took_s: float = 0.0

    @property
    def good(self) -> float:
        """Answers a second."""
        return len(self.seconds) / self.took_s

    def at(self, share: float) -> float:
        """The latency that this share of the answers keeps, in seconds."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


def request(path: str, body: object, port: int) -> bytes:
    """One POST as bytes."""
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    return head.encode() + b"\r\n" + data


class Connection(asyncio.Protocol):
    """One connection that is kept open, for one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._read = self._head = b""
        self._body = self._whole = 0

    async def send(self, data: bytes) -> tuple[int, bytes]:
        """Status and body of the answer.

        Raises:
            OSError: The other side cannot be reached, or closed the connection before it answered.
        """
        loop = asyncio.get_running_loop()
        if self._transport is None:
            self._transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", self._port)
        self._answer, self._read, self._whole = loop.create_future(), b"", 0
        self._transport.write(data)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        """Part of an answer."""
        self._read += data
        if not self._whole:
            end = self._read.find(HEAD_END)
            if end < 0:
                return
            self._head = self._read[: end + 2].lower()
            at = self._head.index(LENGTH) + len(LENGTH)
            self._body = end + len(HEAD_END)
            self._whole = self._body + int(self._head[at : self._head.index(b"\r", at)])
        if len(self._read) >= self._whole and self._answer is not None:
            if b"\r\nconnection: close" in self._head:
                self.close()
            if not self._answer.done():
                self._answer.set_result((int(self._head[9:12]), self._read[self._body :]))

    def connection_lost(self, error: Exception | None) -> None:
        """The other side has ended it."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("closed before the answer"))

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None


async def closed_loop(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    """So many clients, each of which asks again when it is answered."""
    load, until = Load(), time.perf_counter() + seconds

    async def client(number: int) -> None:
        connection = Connection(port)
        at = number
        while time.perf_counter() < until:
            await _one(connection, requests[at % len(requests)], load)
            at += clients
        connection.close()

    started = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(clients)))
    load.took_s = time.perf_counter() - started
    return load


async def open_loop(port: int, requests: Sequence[bytes], rate: float, seconds: float, most: int = 1000) -> Load:
    """Requests at a steady rate, whether the ones before are answered or not, over at most so many connections."""
    load = Load()
    free = [Connection(port) for _ in range(most)]
    tasks: set[asyncio.Task[None]] = set()

    async def ask(connection: Connection, data: bytes) -> None:
        try:
            await _one(connection, data, load)
        finally:
            free.append(connection)

    started = time.perf_counter()
    for number in range(int(rate * seconds)):
        wait_s = started + number / rate - time.perf_counter()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        elif number % 20 == 0:
            await asyncio.sleep(0)
        if not free:
            load.unsent += 1
            continue
        task = asyncio.create_task(ask(free.pop(), requests[number % len(requests)]))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    load.took_s = time.perf_counter() - started
    answered = len(load.seconds)
    await asyncio.gather(*tasks)
    del load.seconds[answered:]  # what came after the end does not count into the rate
    for connection in free:
        connection.close()
    return load


async def writers(
    port: int, make: Callable[[int, int], bytes], clients: int, stop: asyncio.Event
) -> list[tuple[int, int]]:
    """Clients that write until they are turned away; what was acknowledged, as (client, number)."""
    acknowledged: list[tuple[int, int]] = []

    async def client(number: int) -> None:
        connection, at = Connection(port), 0
        while True:
            try:
                status, _ = await connection.send(make(number, at))
            except OSError:
                return
            if status != 200:
                return
            acknowledged.append((number, at))
            at += 1
            if len(acknowledged) >= 20 * clients:
                stop.set()

    await asyncio.gather(*(client(number) for number in range(clients)))
    stop.set()
    return acknowledged


async def _one(connection: Connection, data: bytes, load: Load) -> None:
    started = time.perf_counter()
    try:
        status, _ = await connection.send(data)
    except OSError:
        connection.close()
        load.statuses[0] += 1
        return
    load.statuses[status] += 1
    if status == 200:
        load.seconds.append(time.perf_counter() - started)
