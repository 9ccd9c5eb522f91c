"""What the embedded engine says only in its log: that it dropped or missed something while opening."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["watch"]

logger = logging.getLogger("nearclass.store")

_LOSS: Final = re.compile(r"WAL recovery stopped|manifest references missing|manifest\.json\.prev|falling back to")


class _Watch(logging.Handler):
    def __init__(self, notes: list[str]) -> None:
        super().__init__()
        self._notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if _LOSS.search(text):
            self._notes.append(text)
            logger.warning("the database was not whole when it was opened: %s", text)
        else:
            logger.debug("milvus-lite: %s", text)


@contextmanager
def watch(notes: list[str]) -> Iterator[None]:
    """Collect what the engine logs about losses; its other records go to our logger, for debugging."""
    source = logging.getLogger("milvus_lite")
    handler = _Watch(notes)
    # Every error is raised as well, and its traceback on stderr would only repeat it.
    source.propagate = False
    if not source.handlers:
        source.addHandler(logging.NullHandler())
    source.addHandler(handler)
    try:
        yield
    finally:
        source.removeHandler(handler)
