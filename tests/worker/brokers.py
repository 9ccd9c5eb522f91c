"""Real brokers, each in a process and a folder of its own, and what a test does with them."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, said, seconds=60.0):
    """What a function gives, once that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    pytest.fail(f"{said}: not within {seconds} s")


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Broker:
    """A server process that can be killed and started again on the same data."""

    program = ""

    def __init__(self, folder):
        if shutil.which(self.program) is None:
            pytest.skip(f"{self.program} is not installed")
        self.folder = Path(folder)
        self.port = free_port()
        self.process = None

    def start(self):
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environment(),
                start_new_session=True,
            )
        wait_for(lambda: listens(self.port), f"{self.program} answers", 240)  # the first start on a machine

    def environment(self):
        return dict(os.environ)

    def kill(self):
        """Kill the process and those that it has started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)
        wait_for(lambda: not listens(self.port), f"{self.program} is gone")

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()


class Redis(Broker):
    program = "redis-server"

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def command(self):
        return [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--appendonly", "yes", "--save", ""]

    def client(self):
        import redis

        return redis.Redis(port=self.port)

    def send(self, stream, bodies):
        with self.client() as client, client.pipeline(transaction=False) as pipe:
            for body in bodies:
                pipe.xadd(stream, {"data": body})
            pipe.execute()

    def read(self, stream):
        with self.client() as client:
            return [fields[b"data"] for _, fields in client.xrange(stream)]

    def left(self, stream, group):
        """How many messages of a stream no worker has acknowledged."""
        with self.client() as client:
            (found,) = [one for one in client.xinfo_groups(stream) if one["name"] == group.encode()] or [None]
            if found is None:
                return client.xlen(stream)
            return found["pending"] + len(client.xrange(stream, b"(" + found["last-delivered-id"]))


class Nats(Broker):
    program = "nats-server"

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def command(self):
        return [self.program, "-js", "-sd", str(self.folder / "js"), "-a", "127.0.0.1", "-p", str(self.port)]

    def send(self, stream, bodies):
        async def send(jetstream):
            await _ensure(jetstream, stream)
            await asyncio.gather(*(jetstream.publish(stream, body) for body in bodies))

        self._with(send)

    def read(self, stream):
        async def read(jetstream):
            await _ensure(jetstream, stream)
            name = await jetstream.find_stream_name_by_subject(stream)
            last = (await jetstream.stream_info(name)).state.last_seq
            return [(await jetstream.get_msg(name, number)).data for number in range(1, last + 1)]

        return self._with(read)

    def left(self, stream, group):
        from nats.js.errors import NotFoundError

        async def left(jetstream):
            name = await jetstream.find_stream_name_by_subject(stream)
            try:
                found = await jetstream.consumer_info(name, group)
            except NotFoundError:  # no worker has come yet
                return (await jetstream.stream_info(name)).state.messages
            return found.num_pending + found.num_ack_pending

        return self._with(left)

    def _with(self, call):
        import nats

        async def connected():
            client = await nats.connect(self.url)
            try:
                return await call(client.jetstream())
            finally:
                await client.close()

        return asyncio.run(connected())


class Rabbit(Broker):
    program = "rabbitmq-server"

    def __init__(self, folder):
        super().__init__(folder)
        self.names = free_port()  # of the daemon that Erlang asks for the ports of nodes

    def close(self):
        super().close()
        subprocess.run(["epmd", "-port", str(self.names), "-kill"], capture_output=True, check=False)

    @property
    def url(self):
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def environment(self):
        self.folder.joinpath("plugins").write_text("[].")
        return {
            **os.environ,
            "RABBITMQ_NODENAME": f"n{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.port + 1 if not listens(self.port + 1) else free_port()),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "ERL_EPMD_PORT": str(self.names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "HOME": str(self.folder),
        }

    def command(self):
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server"]

    def send(self, stream, bodies):
        import aio_pika

        async def send(channel):
            await channel.declare_queue(stream, durable=True)
            mode = aio_pika.DeliveryMode.PERSISTENT
            await asyncio.gather(
                *(
                    channel.default_exchange.publish(aio_pika.Message(body, delivery_mode=mode), stream)
                    for body in bodies
                )
            )

        self._with(send)

    def read(self, stream):
        """The messages of a queue, which stay in it."""

        async def read(channel):
            queue = await channel.declare_queue(stream, durable=True)
            found = []
            while (message := await queue.get(fail=False)) is not None:
                found.append(message.body)
            return found  # unacknowledged, so they go back when the connection ends

        return self._with(read)

    def left(self, stream, _group):
        async def left(channel):
            queue = await channel.declare_queue(stream, passive=True)
            return queue.declaration_result.message_count

        return self._with(left)

    def _with(self, call):
        import aio_pika

        async def connected():
            connection = await aio_pika.connect(self.url)
            async with connection:
                return await call(await connection.channel())

        return asyncio.run(connected())


class MilvusLite(Broker):
    """A server for several processes; it is killed and started like a broker."""

    program = str(Path(sys.executable).with_name("milvus-lite"))

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def command(self):
        where = ["--data-dir", str(self.folder / "data"), "--host", "127.0.0.1", "--port", str(self.port)]
        return [self.program, "server", *where, "--max-workers", "1"]


async def _ensure(jetstream, subject):
    from nats.js.errors import NotFoundError

    try:
        await jetstream.find_stream_name_by_subject(subject)
    except NotFoundError:
        await jetstream.add_stream(name=subject.replace(".", "_"), subjects=[subject])


BROKERS = {"redis": Redis, "nats": Nats, "rabbit": Rabbit}
