"""What a check finds."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from ..errors import NearclassError

__all__ = ["Finding", "Findings", "State", "guarded", "ok", "problem", "warning"]

_T = TypeVar("_T")


class State(StrEnum):
    """How bad it is: a warning lets everything work, a problem does not."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        name: What was looked at.
        state: How bad it is.
        found: What is there.
        fix: What to type or do; empty where nothing needs to be done.
    """

    name: str
    state: State
    found: str
    fix: str = ""


Findings = Generator[Finding, None, _T]
"""Findings as they come, and what the checks after these need to know."""


def ok(name: str, found: str) -> Finding:
    """A finding that asks for nothing."""
    return Finding(name, State.OK, found)


def warning(name: str, found: str, fix: str) -> Finding:
    """A finding that is worth a change."""
    return Finding(name, State.WARNING, found, fix)


def problem(name: str, found: str, fix: str) -> Finding:
    """A finding that keeps something from working."""
    return Finding(name, State.PROBLEM, found, fix)


def guarded(name: str, check: Callable[[], Findings[_T]]) -> Findings[_T | None]:
    """The findings of a check, and one more in place of the error that it ends with; its result or None.

    >>> [finding.found for finding in guarded("sum", lambda: iter([1 / 0]))]
    ['the check itself failed: ZeroDivisionError: division by zero']
    """
    try:
        return (yield from check())
    except NearclassError as error:
        yield problem(name, error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - whatever is broken here is what the doctor was called for
        found = f"the check itself failed: {type(error).__name__}: {error}"
        yield problem(name, found, "Run `nearclass doctor -o json` and report its output with this line.")
    return None
