"""Runs inside a network namespace: a Milvus server, and a Unix socket outside of it that leads to the server.

``milvus_server.py`` starts it, with the folder of the package ``milvus`` on the path of Python. It writes ``ready`` when
the server answers, and ends when its standard input is closed, which also the death of its parent does. It is the first
process of a process namespace, so everything it started ends with it.
"""

import argparse
import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
CHUNK_BYTES = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder for the server")
    parser.add_argument("--socket", required=True, help="path of the socket to make")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the server")
    given = parser.parse_args()
    loopback_up()
    # The server keeps a lock at a fixed place in it, which belongs to whoever runs another one.
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    server = start(given.data, dict(one.split("=", 1) for one in given.set))
    asyncio.run(relay(given.socket, server.listen_port))


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def start(data: Path, settings: dict[str, str]) -> Any:
    """The server once it answers; it is stopped when nobody holds it any more."""
    import milvus  # from a folder of its own

    config = milvus.MilvusServerConfig(data_dir=str(data))
    for key, value in settings.items():
        config.set(key, value)
    server = milvus.MilvusServer(config)
    server.start()
    return server


async def relay(path: str, port: int) -> None:
    """Lead every connection to the socket to a port, until standard input is closed."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, to_server), copy(from_server, writer))

    async with await asyncio.start_unix_server(connected, path):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)  # What was started ends with this process; asked to end, the server would take its time.


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    main()
