"""Work of many requests, done together."""

import asyncio
import threading
import time

import pytest

from nearclass.serve.batching import Batcher
from nearclass.serve.problems import Problem


class Gate:
    """A handler that notes its batches and waits until it is let go."""

    def __init__(self):
        self.batches = []
        self.open = threading.Semaphore(0)

    def __call__(self, works):
        self.batches.append(list(works))
        assert self.open.acquire(timeout=10)
        return [work * 10 for work in works]


async def until(true):
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come to that")


def run(threads, story, most=8):
    gate = Gate()

    async def told():
        batcher = Batcher(gate, name="test", most=most, most_waiting=20, threads=threads)
        batcher.start()
        ask = lambda work: asyncio.create_task(batcher.submit(work, 1, 30.0))  # noqa: E731
        await story(batcher, gate, ask)
        await batcher.stop()

    asyncio.run(told())
    return gate.batches


def test_while_one_batch_is_done_the_next_collects():
    async def story(_, gate, ask):
        first = ask(1)
        await until(lambda: gate.batches == [[1]])
        rest = [ask(number) for number in (2, 3, 4)]
        await asyncio.sleep(0.05)
        assert gate.batches == [[1]]
        gate.open.release(2)
        assert await asyncio.gather(first, *rest) == [10, 20, 30, 40]

    assert run(1, story) == [[1], [2, 3, 4]]


def test_with_two_threads_two_batches_are_done_and_the_third_collects():
    async def story(_, gate, ask):
        first = ask(1)
        await until(lambda: gate.batches == [[1]])
        second = ask(2)
        await until(lambda: gate.batches == [[1], [2]])
        rest = [ask(3), ask(4)]
        await asyncio.sleep(0.05)
        assert gate.batches == [[1], [2]]
        gate.open.release(3)
        assert await asyncio.gather(first, second, *rest) == [10, 20, 30, 40]

    assert run(2, story) == [[1], [2], [3, 4]]


def test_a_stop_finishes_what_was_accepted():
    async def story(batcher, gate, ask):
        tasks = [ask(1)]
        await until(lambda: gate.batches == [[1]])
        tasks += [ask(2), ask(3)]
        await asyncio.sleep(0)
        gate.open.release(5)
        await batcher.stop()
        assert await asyncio.gather(*tasks) == [10, 20, 30]

    run(2, story)


def test_an_error_reaches_every_request_of_its_batch_and_the_next_batch_is_done():
    async def told():
        def handle(works):
            if 0 in works:
                raise ZeroDivisionError("no")
            return works

        batcher = Batcher(handle, name="test", most=4, most_waiting=20, threads=2)
        batcher.start()
        bad = await asyncio.gather(*(batcher.submit(0, 1, 9.0) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in bad] == [ZeroDivisionError] * 3
        assert await batcher.submit(7, 1, 9.0) == 7
        await batcher.stop()

    asyncio.run(told())


def test_what_waited_too_long_is_not_done():
    async def story(batcher, gate, ask):
        first = ask(1)
        await until(lambda: gate.batches == [[1]])
        late = asyncio.create_task(batcher.submit(2, 1, 0.01))
        await asyncio.sleep(0.05)
        gate.open.release(3)
        assert await first == 10
        with pytest.raises(Problem, match="waited too long"):
            await late

    started = time.monotonic()
    assert run(1, story) == [[1]]
    assert time.monotonic() - started < 9


def test_a_batch_smaller_than_what_is_at_work_waits_a_moment_for_more():
    async def story(batcher, gate, ask):
        large = asyncio.create_task(batcher.submit(1, 4, 30.0))
        await until(lambda: gate.batches == [[1]])
        first = ask(2)
        await asyncio.sleep(0)
        second = ask(3)
        gate.open.release(2)
        assert await asyncio.gather(large, first, second) == [10, 20, 30]
        gate.open.release(1)
        assert await ask(4) == 40  # nothing is at work

    assert run(2, story) == [[1], [2, 3], [4]]


def test_a_batch_waits_for_more_no_longer_than_a_moment():
    async def story(batcher, gate, ask):
        large = asyncio.create_task(batcher.submit(1, 4, 30.0))
        await until(lambda: gate.batches == [[1]])
        alone = ask(2)
        await until(lambda: gate.batches == [[1], [2]])
        gate.open.release(2)
        assert await asyncio.gather(large, alone) == [10, 20]

    run(2, story)
