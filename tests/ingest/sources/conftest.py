"""Real files to read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nearclass.ingest.sources import BadRow, RawRow, open_sources

Write = Callable[[str, bytes], str]
Outcome = Callable[..., list[RawRow | BadRow]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that makes a file and returns its path."""

    def make(name: str, data: bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return str(path)

    return make


@pytest.fixture
def read() -> Outcome:
    """Return a function that reads one path, and checks what holds for every source."""

    def rows(
        path: str,
        *,
        format: str | None = None,  # noqa: A002  the name of the option
        encoding: str | None = None,
    ) -> list[RawRow | BadRow]:
        [source] = open_sources([path], format=format, encoding=encoding)
        found = list(source.rows())
        assert [row.position for row in found] == list(range(len(found)))
        assert all(row.source == source.name and row.line >= 1 for row in found)
        for start in {1, 2, len(found) - 1, len(found)} - {-1}:
            rest = [(row.position, row.line) for row in source.rows(start)]
            assert rest == [(row.position, row.line) for row in found[start:]]
        return found

    return rows
