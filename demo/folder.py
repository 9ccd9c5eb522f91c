"""The folder of the demo: made fresh, and never in the place of anything else."""

import contextlib
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from ..errors import UsageError
from ..store.lock import ProcessLock

__all__ = ["MARKER", "DemoFolder"]

MARKER: Final = ".nearclass-demo"
_MARK: Final = "Made by `nearclass demo`, which may replace the files it wrote here.\n"

_COPIED: Final = ("classes.jsonl", "items.jsonl", "new_products.jsonl", "new_class.json", "strangers.jsonl")
_LABELLED: Final = "labelled.jsonl"
_DATABASE: Final = "nearclass.db"
_MADE: Final = (
    "report.html",
    "evaluation.html",
    "nearclass.rejects.jsonl",
    f"{_DATABASE}.owner.json",
    f"{_DATABASE}.lock",
)


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """Where the demo has its files, its database and its reports."""

    path: Path

    @property
    def database(self) -> Path:
        """The embedded database; named so that the commands find it from within the folder."""
        return self.path / _DATABASE

    @property
    def labelled(self) -> Path:
        """The items of the shop with their labels, and the things it does not sell."""
        return self.path / _LABELLED

    @property
    def report(self) -> Path:
        """The report of the tour."""
        return self.path / "report.html"

    @property
    def evaluation(self) -> Path:
        """The report of the evaluation."""
        return self.path / "evaluation.html"

    def file(self, name: str) -> str:
        """Path of one of the demo's files."""
        return str(self.path / name)

    def prepare(self) -> None:
        """Make the folder with fresh copies of the shop's files; an earlier demo there is replaced.

        Raises:
            UsageError: There is something else, or nothing can be written there.
            StoreLockedError: Another process has the database of the earlier demo open.
        """
        try:
            if self.path.is_dir() and any(self.path.iterdir()):
                self._clear()
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / MARKER).write_text(_MARK, encoding="utf-8")
            data = files(__package__) / "data"
            texts = {name: (data / name).read_text(encoding="utf-8") for name in _COPIED}
            for name, text in texts.items():
                (self.path / name).write_text(text, encoding="utf-8")
            self.labelled.write_text(texts["items.jsonl"] + texts["strangers.jsonl"], encoding="utf-8")
        except OSError as error:
            message = f"cannot make the demo in {self.path}: {error.strerror or error}"
            raise UsageError(message, hint="Give a folder that can be written: nearclass demo --dir DIR.") from error

    def leave_only_reports(self) -> None:
        """Remove the database and the copied files."""
        self._remove((*_COPIED, _LABELLED, "nearclass.rejects.jsonl"))

    def _clear(self) -> None:
        if not self._is_ours():
            message = f"{self.path} is not empty and was not made by `nearclass demo`; nothing in it was touched"
            raise UsageError(message, hint="Give a new folder: nearclass demo --dir DIR.")
        self._remove((*_COPIED, _LABELLED, *_MADE))

    def _is_ours(self) -> bool:
        try:
            return (self.path / MARKER).read_text(encoding="utf-8") == _MARK
        except (OSError, ValueError):
            return False

    def _remove(self, names: tuple[str, ...]) -> None:
        """Remove files by name and the database; anything that a person added stays."""
        if self.database.is_dir():
            lock = ProcessLock(self.database)
            lock.acquire()
            try:
                shutil.rmtree(self.database)
            finally:
                lock.release()
        for name in (*names, f"{_DATABASE}.lock"):
            with contextlib.suppress(FileNotFoundError):
                (self.path / name).unlink()
