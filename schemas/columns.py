"""Names of columns that nearclass writes."""

from typing import Final

__all__ = ["OURS"]

OURS: Final = "nearclass_"
"""Begins the name of every column with which nearclass adds its answer to a row of the user; not read back in."""
