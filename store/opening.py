"""A store as the settings name it."""

from ..errors import StoreError
from ..settings import Settings
from .location import DirectoryAddress, locate
from .store import Store

__all__ = ["open_store"]


def open_store(settings: Settings, *, new: bool = True) -> Store:
    """Open the database that the settings name; close it, or use it in a ``with`` statement.

    Args:
        settings: The settings.
        new: Whether an embedded database that is not there is made.

    Raises:
        ConfigError: The address is none, or the rest does not go with it.
        StoreError: It cannot be opened, or is not there.
    """
    place = None if new else locate(settings.uri)
    if isinstance(place, DirectoryAddress) and not place.path.exists():
        raise StoreError(f"there is no database {place.path}", hint="Name the one you mean with --uri.")
    return Store.open(
        settings.uri,
        token=settings.token.get_secret_value() if settings.token else None,
        database=settings.database,
        tls_ca=settings.tls_ca,
        timeout_s=settings.timeout_s,
    )
