"""The ``nearclass`` command."""

import sys

from .cli.app import run

__all__ = ["main"]


def main() -> None:
    """Run the command and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
