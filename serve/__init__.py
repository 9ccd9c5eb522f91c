"""The HTTP service: what other programs call, and the page that people review in."""

from importlib.util import find_spec

from ..errors import UsageError

__all__ = ["needs"]


def needs() -> None:
    """Say what to install where the libraries of the service are missing.

    Raises:
        UsageError: One of them is.
    """
    names = {"fastapi": "fastapi", "uvicorn": "uvicorn", "prometheus_client": "prometheus-client"}
    missing = [package for module, package in names.items() if find_spec(module) is None]
    if missing:
        message = f"the service needs {', '.join(missing)}"
        raise UsageError(message, hint="Install them: pip install 'nearclass[serve]'")
