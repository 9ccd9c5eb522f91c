"""Several batches through a model at a time, each on one core."""

import os
import threading
import time

import pytest
import torch

from nearclass.encoders.lanes import Lanes
from nearclass.schemas.records import Role

TITLES = [f"kettle number {number}, " + "steel " * (number % 7) for number in range(200)]


def asked(_):
    time.sleep(0.02)  # so that each thread takes one
    return torch.get_num_threads(), threading.get_ident()


def test_each_lane_is_a_thread_in_which_torch_uses_one_core():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        lanes = Lanes(2)
        found = list(lanes.map(asked, range(4)))
        assert {cores for cores, _ in found} == {1}
        assert len({thread for _, thread in found} - {threading.get_ident()}) == 2
        assert torch.get_num_threads() == 2
        seen = []
        other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        other.start()
        other.join()
        assert seen == [2]
    finally:
        torch.set_num_threads(before)


def test_what_comes_back_is_in_the_order_given():
    def slow_first(number):
        time.sleep(0.02 * (number == 0))
        return number

    assert list(Lanes(3).map(slow_first, range(20))) == list(range(20))


def test_an_error_reaches_the_caller_and_the_lanes_go_on():
    lanes = Lanes(2)
    with pytest.raises(ZeroDivisionError):
        list(lanes.map(lambda number: 1 // number, [1, 0, 1]))
    assert list(lanes.map(abs, [-1, -2])) == [1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_lanes_of_its_own():
    lanes = Lanes(2)
    assert list(lanes.map(abs, [-1, -2])) == [1, 2]
    child = os.fork()
    if not child:
        os._exit(0 if list(lanes.map(abs, [-3])) == [3] else 1)
    until = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < until:
        time.sleep(0.02)
    if ended == (0, 0):
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert ended == (child, 0)


def test_callers_at_once_get_the_vectors_that_each_gets_alone(tiny_encoder):
    parts = [TITLES[start::4] for start in range(4)]
    alone = [tiny_encoder(1).encode(part, Role.ITEM).vectors for part in parts]
    shared, found = tiny_encoder(3), [None] * 4

    def call(place):
        found[place] = shared.encode(parts[place], Role.ITEM).vectors

    threads = [threading.Thread(target=call, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, found, strict=True):
        assert (one == other).all()


@pytest.fixture
def tiny_encoder(tiny_model):
    from nearclass.encoders.fingerprint import describe
    from nearclass.encoders.resolve import resolve
    from nearclass.encoders.text import TextEncoder

    def made(threads):
        return TextEncoder(describe(resolve(str(tiny_model), offline=True)), precision="float32", threads=threads)

    return made
