"""How far long work is: whoever waits for it is told as it goes on, and may end it by raising."""

from collections.abc import Callable
from typing import Final

__all__ = ["SILENT", "OnProgress"]

OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are."""

SILENT: Final[OnProgress] = lambda _what, _done, _of: None  # noqa: E731
