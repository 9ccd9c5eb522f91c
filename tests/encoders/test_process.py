"""The encoder in a process of its own: the same vectors, and an end for whatever can happen to it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from nearclass.encoders.fingerprint import describe
from nearclass.encoders.process import EncoderProcess, PassingProcess
from nearclass.encoders.resolve import resolve
from nearclass.encoders.text import TextEncoder
from nearclass.errors import EncoderError
from nearclass.schemas.records import Role

TEXTS = ["electric kettle", "a red kettle of steel with a whistle", "", "tea " * 400]


@pytest.fixture(scope="module")
def apart(model_dir: Path) -> Iterator[EncoderProcess]:
    made = EncoderProcess(describe(resolve("minilm", offline=True)), device="cpu", precision="float32", threads=1)
    yield made
    made.close()


def child() -> psutil.Process:
    (found,) = (one for one in psutil.Process().children() if "encoders.process" in " ".join(one.cmdline()))
    return found


def gone(process: psutil.Process) -> bool:
    for _ in range(100):
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


def test_vectors_are_those_of_the_encoder_to_the_last_bit(apart: EncoderProcess, encoder: TextEncoder) -> None:
    found, expected = (one.encode(TEXTS, Role.ITEM) for one in (apart, encoder))
    np.testing.assert_array_equal(found.vectors, expected.vectors)
    assert found.truncated.tolist() == expected.truncated.tolist() == [False, False, False, True]
    assert apart.space == encoder.space


def test_nothing_is_asked_for_no_text(model_dir: Path) -> None:
    idle = EncoderProcess(describe(resolve("minilm", offline=True)))
    assert idle.encode([], Role.ITEM).vectors.shape == (0, 384)
    idle.close()


def test_several_threads_each_get_the_vectors_of_their_own_texts(apart: EncoderProcess) -> None:
    alone = {text: apart.encode([text], Role.ITEM).vectors[0] for text in map(str, range(24))}
    with ThreadPoolExecutor(8) as threads:
        found = dict(
            zip(alone, threads.map(lambda text: apart.encode([text], Role.ITEM).vectors[0], alone), strict=True)
        )
    for text, vector in alone.items():
        np.testing.assert_array_equal(found[text], vector)


def test_a_process_that_was_killed_is_started_again(apart: EncoderProcess) -> None:
    before = apart.encode(TEXTS, Role.ITEM).vectors
    child().kill()
    np.testing.assert_array_equal(apart.encode(TEXTS, Role.ITEM).vectors, before)


def test_a_process_killed_while_it_computes_loses_no_text(apart: EncoderProcess) -> None:
    apart.encode(TEXTS, Role.ITEM)
    killer = threading.Timer(0.3, child().kill)
    killer.start()
    assert apart.encode([f"kettle {number} of many" for number in range(1500)], Role.ITEM).vectors.shape == (1500, 384)
    killer.join()


def test_a_signal_to_all_of_a_service_does_not_end_it(apart: EncoderProcess) -> None:
    apart.encode(TEXTS, Role.ITEM)
    same = child()
    same.send_signal(signal.SIGTERM)
    apart.encode(TEXTS, Role.ITEM)
    assert child() == same


def test_closing_ends_it_and_another_text_starts_it_again(apart: EncoderProcess) -> None:
    apart.encode(TEXTS, Role.ITEM)
    before = child()
    apart.close()
    apart.close()
    assert gone(before)
    apart.encode(TEXTS, Role.ITEM)
    assert child() != before


def test_a_process_that_ends_twice_is_an_error(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    doomed = EncoderProcess(describe(resolve("minilm", offline=True)))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EncoderError, match="failed on 4 texts: the process of the encoder ended with 1"):
        doomed.encode(TEXTS, Role.ITEM)
    doomed.close()


def test_a_model_that_cannot_be_loaded_says_so(light: Path) -> None:
    damaged = EncoderProcess(describe(resolve(str(light))), device="cpu", precision="float32")
    with pytest.raises(EncoderError, match="cannot load the model") as error:
        damaged.encode(TEXTS, Role.ITEM)
    assert "doctor" in error.value.hint
    damaged.close()


def test_a_passing_one_encodes_few_texts_here_and_ends_when_it_has_encoded_many(
    model_dir: Path, encoder: TextEncoder
) -> None:
    model, how = describe(resolve("minilm", offline=True)), {"device": "cpu", "precision": "float32"}
    brief = PassingProcess(TextEncoder(model, **how, brief=True), EncoderProcess(model, **how))
    before = psutil.Process().children()
    few = brief.encode(TEXTS[:2], Role.ITEM)
    assert psutil.Process().children() == before
    np.testing.assert_allclose(few.vectors, encoder.encode(TEXTS[:2], Role.ITEM).vectors, atol=1e-6)
    many = [f"kettle {number}" for number in range(101)]
    # On all cores there and on one here: texts share other batches, whose last bits depend on the machine.
    np.testing.assert_allclose(
        brief.encode(many, Role.ITEM).vectors, encoder.encode(many, Role.ITEM).vectors, atol=1e-6
    )
    assert psutil.Process().children() == before


def test_it_ends_with_whoever_started_it(model_dir: Path) -> None:
    code = (
        "import time; from nearclass.encoders.fingerprint import describe; from nearclass.encoders.resolve import resolve;"
        "from nearclass.encoders.process import EncoderProcess; from nearclass.schemas.records import Role;"
        "one = EncoderProcess(describe(resolve('minilm', offline=True))); one.encode(['a'], Role.ITEM);"
        "print('ready', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        (started,) = psutil.Process(parent.pid).children()
        parent.kill()
        assert gone(started)


def test_expected_texts_have_the_vectors_that_they_would_have(apart: EncoderProcess) -> None:
    before = apart.encode([*TEXTS, "spade"], Role.ITEM)
    apart.expect(TEXTS[:2], Role.ITEM)
    apart.expect([*TEXTS, TEXTS[0]], Role.ITEM)
    found = apart.encode([*TEXTS, "spade"], Role.ITEM)
    np.testing.assert_array_equal(found.vectors, before.vectors)
    np.testing.assert_array_equal(found.truncated, before.truncated)
    np.testing.assert_array_equal(apart.encode(TEXTS, Role.ITEM).vectors, before.vectors[:-1])  # again, not expected


def test_texts_are_expected_in_a_role(apart: EncoderProcess) -> None:
    apart.expect(["spade"], Role.CLASS)
    np.testing.assert_array_equal(
        apart.encode(["spade", "spade"], Role.ITEM).vectors[0], apart.encode(["spade"], Role.CLASS).vectors[0]
    )


def test_what_is_expected_begins_before_anybody_asks(apart: EncoderProcess) -> None:
    apart.encode(TEXTS, Role.ITEM)
    used = child().cpu_times().user
    apart.expect([f"kettle {number} of some" for number in range(600)], Role.ITEM)
    for _ in range(100):
        if child().cpu_times().user - used > 0.3:
            return
        time.sleep(0.1)
    raise AssertionError("nothing was done")


def test_a_process_that_dies_of_what_is_expected_is_started_again_for_what_is_asked(apart: EncoderProcess) -> None:
    before = apart.encode(TEXTS, Role.ITEM).vectors
    apart.expect([*TEXTS, *(f"kettle {number} of many" for number in range(1500))], Role.ITEM)
    child().kill()
    np.testing.assert_array_equal(apart.encode(TEXTS, Role.ITEM).vectors, before)


def test_more_than_is_worked_on_is_not_kept_waiting(apart: EncoderProcess) -> None:
    for start in range(0, 100_000, 1000):
        apart.expect([f"kettle {number}" for number in range(start, start + 1000)], Role.ITEM)
    apart.close()  # all but a few lists were never begun, and those that were do not start it again
    time.sleep(1)
    assert not psutil.Process().children()
    assert apart.encode(["kettle 99999"], Role.ITEM).vectors.shape == (1, 384)
