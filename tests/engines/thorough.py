"""How often random tests try: enough to notice what breaks often, and with ``THOROUGH=1`` what breaks rarely."""

import os

__all__ = ["THOROUGH", "times"]

THOROUGH = os.environ.get("THOROUGH", "") not in {"", "0"}


def times(usual, thorough):
    """The first number, or the second where ``THOROUGH=1`` asks for it."""
    return thorough if THOROUGH else usual
