"""Warnings of scikit-learn that mean nothing where classes are many and items few."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["expected_warnings"]


@contextmanager
def expected_warnings() -> Iterator[None]:
    """Without those that learning gives on purpose."""
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - slow to import

    with warnings.catch_warnings():
        # Stopped early on purpose: the last digits are worth nothing. And items that are alike make fewer clusters.
        warnings.simplefilter("ignore", ConvergenceWarning)
        # Few items of many classes are what this is for.
        warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)
        yield
