"""How the tour speaks: colours and a spinner on a terminal, plain text in a pipe."""

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.control import strip_control_codes
from rich.table import Table
from rich.text import Text

__all__ = ["Narrator", "shortened"]

_PIPE_WIDTH: Final = 110
_TEXT_WIDTH: Final = 92
_INDENT: Final = "   "


class Narrator:
    """Writes numbered steps to standard output."""

    def __init__(self, console: Console | None = None) -> None:
        """Write to ``console``; by default to standard output."""
        self._console = console or Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = _PIPE_WIDTH
        self._step = 0

    def title(self, text: str, subtitle: str) -> None:
        """Say what this is."""
        self._console.print(Text(text, style="bold"))
        self._print(subtitle, "dim", indent="")

    def step(self, title: str, *commands: str) -> None:
        """Start a step: its number, what happens, and what a person would type for it."""
        self._step += 1
        self._console.print()
        self._console.print(Text.assemble((f"{self._step:>2} ", "bold cyan"), (title, "bold")))
        self.commands(*commands)

    def commands(self, *commands: str) -> None:
        """Show commands, each on a line of its own so that it can be copied."""
        for command in commands:
            line = Text.assemble((f"{_INDENT}$ ", "dim"), (_safe(command), "green"))
            self._console.print(line, soft_wrap=True)

    def tell(self, text: str) -> None:
        """Say a sentence or two."""
        self._print(text, "")

    def aside(self, text: str) -> None:
        """Say something less important."""
        self._print(text, "dim")

    def file(self, what: str, path: Path) -> None:
        """Name a file that was written."""
        line = Text.assemble(f"{_INDENT}{what}: ", (_safe(str(path)), f"bold link {path.absolute().as_uri()}"))
        self._console.print(line, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a table; a column whose name begins with ``#`` holds numbers."""
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column("", width=len(_INDENT) - 1)
        for column in columns:
            right = column.startswith("#")
            table.add_column(
                column.lstrip("#"), justify="right" if right else "left", no_wrap=True, overflow="ellipsis"
            )
        for row in rows:
            table.add_row("", *(Text(_safe(cell)) for cell in row))
        self._console.print(table)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Show a spinner while something takes its time; nothing in a pipe."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status(f"[dim]{what}[/dim]", spinner_style="cyan"):
            yield

    def _print(self, text: str, style: str, *, indent: str = _INDENT) -> None:
        width = min(_TEXT_WIDTH, self._console.width)
        filled = textwrap.fill(
            _safe(text), width, initial_indent=indent, subsequent_indent=indent, break_long_words=False,
            break_on_hyphens=False,
        )  # fmt: skip
        self._console.print(Text(filled, style=style), soft_wrap=True)


def shortened(text: str | None, length: int = 46) -> str:
    """The beginning of a text that fits a column.

    >>> shortened("a very long title", 10)
    'a very lo…'
    """
    whole = text or ""
    return whole if len(whole) <= length else whole[: length - 1].rstrip() + "…"


def _safe(text: str) -> str:
    return strip_control_codes(text).replace("\x1b", "")
