"""Whether a service answers, as an exit code, for images without curl: ``python -m nearclass.health.alive URL``."""

import sys
import urllib.error
import urllib.request

__all__ = ["main"]

_PATIENCE_S = 4.0


def main(url: str) -> int:
    """0 where ``url`` answers with a status below 400, else 1 and the reason on standard error."""
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE_S):  # noqa: S310 - the caller's own service
            return 0
    except (urllib.error.URLError, OSError, ValueError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
