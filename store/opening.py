"""A store as the settings name it."""

from ..settings import Settings
from .store import Store

__all__ = ["open_store"]


def open_store(settings: Settings) -> Store:
    """Open the database that the settings name; close it, or use it in a ``with`` statement.

    Raises:
        ConfigError: The address is none, or the rest does not go with it.
        StoreError: It cannot be opened.
    """
    return Store.open(
        settings.uri,
        token=settings.token.get_secret_value() if settings.token else None,
        database=settings.database,
        tls_ca=settings.tls_ca,
        timeout_s=settings.timeout_s,
    )
