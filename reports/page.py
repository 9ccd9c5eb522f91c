"""One page of HTML from a template: everything escaped, nothing fetched, no script allowed to run but our own."""

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..errors import UsageError

__all__ = ["percent", "write_page"]

_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, changes of direction, and halves of surrogate pairs, which UTF-8 cannot hold."""


def write_page(path: str | Path, template: str, *, script: str = "", **values: Any) -> None:
    """Write a page made of a template and values.

    Args:
        path: The file.
        template: Its name.
        script: Name of a script among the templates, which may run; none by default.
        values: What the template needs.

    Raises:
        UsageError: The file cannot be written.
    """
    css, code = _asset("style.css"), _asset(script) if script else ""
    ours = {"css": Markup(css), "script": Markup(code)}  # noqa: S704 - both are files of this package
    digests = {"css_digest": _digest(css), "script_digest": _digest(code)}
    page = _environment().get_template(template).render(**ours, **digests, **values)
    try:
        Path(path).write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        message = f"cannot write the report {path}: {error.strerror or error}"
        raise UsageError(message, hint="Name a file in a folder that exists and can be written.") from error


def percent(share: float | None) -> str:
    """A share for people; a dash for None.

    >>> percent(0.6111).split()
    ['61.1', '%']
    """
    return "\N{EN DASH}" if share is None else f"{100 * share:.1f}\N{NARROW NO-BREAK SPACE}%"


def _number(value: float | None, digits: int = 0) -> str:
    return "\N{EN DASH}" if value is None else f"{value:,.{digits}f}"


def _text(value: object) -> str:
    """Text from outside, without what a page cannot show."""
    return _UNPRINTABLE.sub("", "" if value is None else str(value))


def _above(path: Sequence[str]) -> str:
    return _text(" \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} ".join(path[:-1]))


def _leaf(path: Sequence[str]) -> str:
    return _text(path[-1]) if path else ""


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _asset(name: str) -> str:
    # With the line ends of the template engine, so that the digest fits.
    text = (files(__package__) / "templates" / name).read_text(encoding="utf-8")
    return "\n" + text.replace("\r\n", "\n").strip() + "\n"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, number=_number, text=_text, above=_above, leaf=_leaf)
    return environment
