"""Rows that were not taken, kept for whoever repairs them."""

import json
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import orjson

from ..errors import InputError
from ..schemas.records import Item
from ..schemas.taxonomy import Problem
from .sources.rows import BadRow
from .taxonomy import ClassFile

__all__ = ["RejectWriter", "refused", "refused_class"]


def refused(item: Item, code: str, message: str) -> BadRow:
    """An item that came from no file, as a row that was not taken."""
    row = {"id": item.id, "title": item.title, "description": item.description, "text": item.text}
    row |= {"image": item.image} if item.image else {}
    return BadRow(row, "", 0, 0, code, message)


def refused_class(problem: Problem, file: ClassFile) -> BadRow:
    """A class that the tree did not take, as a row that was not taken."""
    source, line = file.lines.get(problem.class_id, ("", 0))
    return BadRow({"id": problem.class_id}, source, line, 0, problem.code, problem.message)


class RejectWriter:
    """Writes bad rows as JSONL; the file is made when there is the first.

    Attributes:
        path: The file.
        count: Rows written by this writer.
        offset: Size of the file in bytes, with everything written so far; what ``resume`` takes.
    """

    def __init__(self, path: str | Path) -> None:
        """Name the file; it is not made yet."""
        self.path = Path(path)
        self.count = 0
        self.offset = 0
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def write(self, row: BadRow) -> None:
        """Add one row.

        Raises:
            InputError: The file cannot be written.
        """
        record = {
            "row": row.raw,
            "source": row.source,
            "line": row.line,
            "code": row.code,
            "message": row.message,
        }
        self.append(_encoded(record) + b"\n")
        self.count += 1

    def append(self, lines: bytes) -> None:
        """Add rows that another writer has written.

        Raises:
            InputError: The file cannot be written.
        """
        try:
            if self._file is None:
                self._file = self._open()
            self._file.write(lines)
        except OSError as error:
            raise self._unwritable(error) from error
        self.offset += len(lines)

    def resume(self, offset: int) -> None:
        """Go on after this many bytes of an earlier run; what that run wrote later is dropped.

        Raises:
            InputError: The file has fewer bytes, or cannot be written.
        """
        self.close()
        self.offset = offset
        try:
            size = self.path.stat().st_size if self.path.exists() else 0
            if size < offset:
                message = f"{self.path}: has {size} bytes, but an earlier run wrote {offset}"
                raise InputError(message, hint="Put the file back, or start over without the checkpoint.")
            if size > offset:
                with self.path.open("r+b") as file:
                    file.truncate(offset)
        except OSError as error:
            raise self._unwritable(error) from error

    def flush(self) -> None:
        """Hand everything written so far to the operating system."""
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                raise self._unwritable(error) from error

    def close(self) -> None:
        """Flush and close the file."""
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except OSError as error:
                raise self._unwritable(error) from error

    def _open(self) -> IO[bytes]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self.path.open("ab" if self.offset else "wb")

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(f"{self.path}: cannot be written: {error.strerror or error}")


def _encoded(record: dict[str, Any]) -> bytes:
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    try:
        return orjson.dumps(record, default=str, option=options)
    except orjson.JSONEncodeError:  # lone surrogates, integers over 64 bits, deep nesting
        pass
    try:
        return json.dumps(record, default=str).encode("ascii")
    except (TypeError, ValueError, RecursionError):
        return json.dumps({**record, "row": _outline(record["row"])}, default=str).encode("ascii")


def _outline(row: Any) -> str:
    try:
        return repr(row)
    except (RecursionError, ValueError):
        return f"a {type(row).__name__} that cannot be written"
