"""Where a run over sources stands, kept in the catalogue, so that one that was cut off goes on there."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ..errors import InputError
from ..store.state import Document, State
from .counts import Counts
from .rejects import RejectWriter
from .sources import Source

__all__ = ["Checkpoints", "Passed"]

_CHECKPOINT: Final = "checkpoint"


@dataclass(frozen=True, slots=True)
class Passed:
    """The sources that are done, as their number and a digest of what they were."""

    count: int = 0
    digest: str = ""

    def plus(self, identity: str) -> "Passed":
        """The same with one more."""
        framed = f"{self.digest}\x1f{identity}"
        return Passed(self.count + 1, hashlib.sha256(framed.encode()).hexdigest())


class Checkpoints:
    """The checkpoint of one run, which is known by what was asked for.

    Attributes:
        name: Digest of what was asked for.
    """

    def __init__(self, state: State, rejects: RejectWriter, asked: Sequence[str]) -> None:
        """Keep it in ``state``; a run that is asked for the same goes on from it."""
        how = "\x1f".join((*asked[:2], str(rejects.path), *asked[2:]))
        self.name = hashlib.sha256(how.encode("utf-8", "replace")).hexdigest()
        self._state = state
        self._rejects = rejects

    def read(self) -> Mapping[str, Any] | None:
        """What an earlier run noted last, if it did not come to its end."""
        document = self._state.get(_CHECKPOINT, self.name)
        return None if document is None else document.body

    def restore(self, body: Mapping[str, Any]) -> Counts | None:
        """Take up the rejects file of an earlier run, and give its counts; None where that file is gone."""
        try:
            self._rejects.resume(int(body["rejects_offset"]))
        except InputError:
            return None
        return Counts(**body["counts"])

    def note(self, source: Source | None, position: int, passed: Passed, counts: Counts) -> None:
        """Note that everything is durable up to this row of a source, or, without one, that the passed ones are."""
        self._rejects.flush()
        body = {
            "done": passed.count,
            "passed": passed.digest,
            "current": source.identity if source else "",
            "source": source.name if source else "",
            "position": position,
            "counts": asdict(counts),
            "rejects_offset": self._rejects.offset,
        }
        self._state.put(Document(_CHECKPOINT, self.name, body))

    def clear(self) -> None:
        """The run has come to its end."""
        self._rejects.flush()
        self._state.delete(_CHECKPOINT, [self.name])
