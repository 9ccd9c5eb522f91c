"""Prints the OpenAPI document: ``python -m nearclass.serve.document > docs/openapi.json``."""

import json
import sys
from types import SimpleNamespace
from typing import Any

from .app import described

__all__ = ["main"]


def main() -> None:
    """Print the document; no catalogue is needed for it."""
    service: Any = SimpleNamespace()
    json.dump(described(service).openapi(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
