"""Lanes: several pieces at a time, each on one core, in their order."""

import os
import threading
import warnings

import pytest
import torch

from nearclass.encoders.fingerprint import describe
from nearclass.encoders.lanes import Lanes
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
from nearclass.schemas.records import Role

TITLES = [f"kettle number {number}, " + "steel " * (number % 7) for number in range(200)]


def test_results_come_in_the_order_of_the_pieces_though_the_lanes_work_side_by_side():
    side_by_side = threading.Barrier(2, timeout=10)

    def step(number):
        side_by_side.wait()
        return number * number

    assert list(Lanes(2).each(step, range(8))) == [number * number for number in range(8)]


def test_a_lane_computes_on_one_core_and_every_other_thread_as_before():
    wanted = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert list(Lanes(2).each(lambda _: torch.get_num_threads(), range(4))) == [1] * 4
        assert torch.get_num_threads() == 3
        found = []
        later = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
        later.start()
        later.join()
        assert found == [3]
    finally:
        torch.set_num_threads(wanted)


def test_a_single_lane_is_the_thread_of_whoever_asks():
    here = threading.get_ident()
    assert list(Lanes(1).each(lambda _: threading.get_ident(), range(3))) == [here] * 3


def test_no_more_pieces_are_taken_than_keep_the_lanes_busy():
    taken = []

    def pieces():
        for number in range(100):
            taken.append(number)
            yield number

    results = Lanes(2).each(lambda number: number, pieces())
    assert next(results) == 0
    assert len(taken) == 5


def test_an_error_comes_out_at_its_place_and_ends_the_work():
    def step(number):
        if number == 3:
            raise ValueError(number)
        return number

    lanes = Lanes(2)
    results = lanes.each(step, range(100))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="3"):
        next(results)
    assert list(lanes.each(step, [7])) == [7]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_process_that_was_forked_has_lanes_of_its_own():
    lanes = Lanes(2)
    assert list(lanes.each(str, range(3))) == ["0", "1", "2"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of later Pythons, where there are other threads
        child = os.fork()
    if not child:
        os._exit(0 if list(lanes.each(str, range(3))) == ["0", "1", "2"] else 1)
    assert os.waitpid(child, 0)[1] == 0


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
    def made(threads):
        return TextEncoder(describe(resolve(str(tiny_model), offline=True)), precision="float32", threads=threads)

    return made
