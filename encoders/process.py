"""A text encoder in a process of its own: whoever asks goes on in Python while the model computes.

One interpreter runs one thread at a time, and calling a model takes it for a moment at each of some hundred steps. A
service that reads requests and ranks classes in the interpreter that also calls the model makes every step wait its
turn.

Calls and answers are pickled over the standard input and output of the process. It ends with whoever started it: its
input ends then.
"""

import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import IO, Any, Final

import numpy as np

from ..cores import usable_cores
from ..errors import EncoderError, NearclassError
from ..schemas.records import Role
from ..schemas.spaces import Space
from .base import Encoded
from .brief import is_brief
from .fingerprint import TextModel
from .text import TextEncoder

__all__ = ["EncoderProcess", "PassingProcess", "work"]

_log = logging.getLogger(__name__)

_START: Final = "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from {} import work; work()"
"""The process finds the modules that this one finds."""

_END_S: Final = 10.0

_MOST_LISTS: Final = 3
"""Lists of texts that are expected at a time: what comes beyond is asked for when it is there."""

_MOST_EXPECTED: Final = 8192
"""Texts whose vectors are kept for whoever will ask, 12 MiB of 384 numbers each; the oldest go first."""


class EncoderProcess:
    """Texts to unit vectors as ``TextEncoder`` makes them; may be used from several threads.

    The process begins with the first text, and again if it has died.
    """

    def __init__(
        self, model: TextModel, *, device: str = "auto", precision: str = "auto", threads: int | None = None
    ) -> None:
        """Encode with a model; see ``TextEncoder``."""
        self._model = model
        self._settings = {"device": device, "precision": precision, "threads": threads}
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._ahead = ThreadPoolExecutor(1, "expected")  # one list after the other: the first is needed first
        self._lists: list[Future[Encoded]] = []
        self._expected: dict[tuple[Role, str], tuple[Future[Encoded], int]] = {}

    @property
    def space(self) -> Space:
        """The space of the vectors; known without the process."""
        return self._model.space

    def encode(self, texts: Sequence[str], role: Role) -> Encoded:
        """Vectors of the texts, in their order.

        Raises:
            EncoderError: The model cannot be loaded, or gave something that is not a finite vector; or its process
                ended twice on these texts.
        """
        if not texts:
            return Encoded.none(self.space.dim)
        there = self._met(texts, role)
        if not there:
            return self._encoded(texts, role)
        vectors, truncated = np.empty((len(texts), self.space.dim), np.float32), np.empty(len(texts), np.bool_)
        rest = [place for place in range(len(texts)) if place not in there]
        if rest:
            made = self._encoded([texts[place] for place in rest], role)
            vectors[rest], truncated[rest] = made.vectors, made.truncated
        for place, (future, index) in there.items():
            made = future.result()
            vectors[place], truncated[place] = made.vectors[index], made.truncated[index]
        return Encoded(vectors, truncated)

    def expect(self, texts: Sequence[str], role: Role) -> None:
        """Begin with texts that will probably be asked for soon; nothing is waited for, and no error is raised."""
        with self._lock:
            new = [text for text in dict.fromkeys(texts) if (role, text) not in self._expected]
            self._lists = [one for one in self._lists if not one.done()]
            if not new or len(self._lists) == _MOST_LISTS:
                return
            future = self._ahead.submit(self._begun, new, role)
            self._lists.append(future)
            self._expected |= {(role, text): (future, index) for index, text in enumerate(new)}
            for key in list(islice(self._expected, max(0, len(self._expected) - _MOST_EXPECTED))):
                del self._expected[key]

    def _met(self, texts: Sequence[str], role: Role) -> dict[int, tuple[Future[Encoded], int]]:
        """Which of the texts were expected, by place; they are expected no more. Those that failed are left out."""
        with self._lock:
            found = {place: self._expected.get((role, text)) for place, text in enumerate(texts)}
            for text in texts:
                self._expected.pop((role, text), None)
        return {place: one for place, one in found.items() if one is not None and _came(one[0])}

    def _begun(self, texts: Sequence[str], role: Role) -> Encoded:
        return self._running().encode(texts, role)  # once: whoever asks tries again

    def _encoded(self, texts: Sequence[str], role: Role) -> Encoded:
        try:
            return self._running().encode(texts, role)
        except _EndedError as error:
            _log.warning("%s; it is started again", error)
        try:
            return self._running().encode(texts, role)
        except _EndedError as error:
            message = f"the model failed on {len(texts)} texts: {error}"
            raise EncoderError(message, hint="Run `nearclass doctor`; memory may have run out.") from error

    def close(self) -> None:
        """End the process, when it has answered; another text starts it again."""
        with self._lock:
            child, self._child = self._child, None
            self._expected.clear()
            for one in self._lists:
                one.cancel()
        if child is not None:
            child.close()

    def _running(self) -> "_Child":
        with self._lock:
            if self._child is None or self._child.ended:
                if self._child is not None:
                    self._child.close()
                self._child = _Child(self._model, self._settings)
            return self._child


class PassingProcess:
    """For whoever encodes many texts once at most, and few besides; may be used from several threads.

    Few are encoded here, without torch where that can be. Many are in a process that ends when they are done and gives
    its memory back.
    """

    def __init__(self, few: TextEncoder, many: EncoderProcess) -> None:
        """Encode with these two, of one model."""
        self._few = few
        self._many = many

    @property
    def space(self) -> Space:
        """The space of the vectors; known without loading the model."""
        return self._few.space

    def encode(self, texts: Sequence[str], role: Role) -> Encoded:
        """Vectors of the texts, in their order.

        Raises:
            EncoderError: As the two encoders.
        """
        if is_brief(texts):
            return self._few.encode(texts, role)
        try:
            return self._many.encode(texts, role)
        finally:
            self._many.close()


def _came(future: Future[Encoded]) -> bool:
    """Whether vectors come of it, for which it waits."""
    try:
        return future.exception() is None
    except CancelledError:
        return False


class _EndedError(Exception):
    """The process is not there any more."""


class _Child:
    """One process, and the calls that it has not answered.

    Attributes:
        ended: Whether it answers no more.
    """

    def __init__(self, model: TextModel, settings: Mapping[str, Any]) -> None:
        # In a session of its own: Ctrl-C is for whoever started it, who may have texts to encode yet.
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter
            [sys.executable, "-P", "-c", _START.format(__name__)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._lock = threading.Lock()
        self._calls: dict[int, Future[Encoded]] = {}
        self._number = 0
        self.ended = False
        threading.Thread(target=self._listen, name="encoder", daemon=True).start()
        with self._lock:
            self._send(sys.path)
            self._send((model, settings))

    def encode(self, texts: Sequence[str], role: Role) -> Encoded:
        future: Future[Encoded] = Future()
        with self._lock:
            self._number += 1
            self._calls[self._number] = future
            if self.ended:
                raise _EndedError(self._how())
            self._send((self._number, list(texts), role))
        return future.result()

    def close(self) -> None:
        """Let it answer, and wait for its end."""
        with self._lock, suppress(OSError):
            _pipe(self._process.stdin).close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, what: object) -> None:
        pipe = _pipe(self._process.stdin)
        with suppress(OSError, ValueError):  # it has ended or was closed, as who listens finds out and tells
            pipe.write(pickle.dumps(what))
            pipe.flush()

    def _listen(self) -> None:
        answers = _pipe(self._process.stdout)
        with suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                number, made = pickle.load(answers)  # noqa: S301 - of our own process
                future = self._calls.pop(number)
                if isinstance(made, Encoded):
                    future.set_result(made)
                else:
                    future.set_exception(EncoderError(made[0], hint=made[1]))
        answers.close()
        self._process.wait()
        with self._lock:
            self.ended = True
            left, self._calls = self._calls, {}
        for future in left.values():
            future.set_exception(_EndedError(self._how()))

    def _how(self) -> str:
        return f"the process of the encoder ended with {self._process.returncode}"


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # noqa: S101 - it was asked for
    return pipe


def work() -> None:
    """Encode what comes in until nothing more does; all that the process does."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # sent to all of a service: who started it tells it when to end
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    model, settings = pickle.load(calls)  # noqa: S301 - of whoever started it
    encoder, lock = TextEncoder(model, **settings), threading.Lock()

    def answer(number: int, texts: Sequence[str], role: Role) -> None:
        made = _made(encoder, texts, role)
        with lock:
            pickle.dump((number, made), answers)
            answers.flush()

    # One more than compute at a time: its tokens are ready when a core is.
    with ThreadPoolExecutor((settings["threads"] or usable_cores()) + 1) as pool, suppress(EOFError):
        while True:
            pool.submit(answer, *pickle.load(calls))  # noqa: S301
    os._exit(0)  # all is answered; to take torch down in order would take whoever waits another second


def _made(encoder: TextEncoder, texts: Sequence[str], role: Role) -> Encoded | tuple[str, str]:
    """Vectors, or message and hint of the error."""
    try:
        return encoder.encode(texts, role)
    except NearclassError as error:
        return error.message, error.hint
    except Exception as error:  # noqa: BLE001 - told to whoever asked, who would wait for ever
        return f"the model failed on {len(texts)} texts: {type(error).__name__}: {error}", "Run `nearclass doctor`."
