"""The ``nearclass`` command."""

import os
import sys

from .cli.app import run

__all__ = ["main"]


def main() -> None:
    """Run the command and leave with its exit code."""
    # Read once, when numpy is imported. Threads of OpenBLAS that wait sleep instead of spinning for 2^26 cycles, which
    # took a third of the CPU time of a service that answers many small questions.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
