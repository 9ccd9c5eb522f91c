"""Pillow without its warnings, for threads as well."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet"]

_lock = threading.Lock()
_inside = 0
_saved: list[object] = []
_silent = logging.NullHandler()  # or Python prints what nobody handles


@contextmanager
def quiet() -> Iterator[None]:
    """Within it, what Pillow warns of is not shown, and what it logs goes to those who asked for it.

    ``warnings.catch_warnings`` saves and restores the filters of the whole process, so that two threads that overlap
    can restore each other's: the first thread that enters puts the filter in, and the last that leaves takes it out.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _inside  # noqa: PLW0603 - the filters it counts for are global too
    with _lock:
        _inside += 1
        if _inside == 1:
            before = list(warnings.filters)
            warnings.filterwarnings("ignore", module=r"PIL\.")
            _saved[:] = [one for one in warnings.filters[:1] if one not in before]
            logging.getLogger("PIL").addHandler(_silent)


def _leave() -> None:
    global _inside  # noqa: PLW0603
    with _lock:
        _inside -= 1
        if _inside == 0:
            logging.getLogger("PIL").removeHandler(_silent)
            for one in _saved:
                # Whoever replaced the filters meanwhile has taken it out already.
                if one in warnings.filters:
                    warnings.filters.remove(one)  # type: ignore[attr-defined]
            _saved.clear()
