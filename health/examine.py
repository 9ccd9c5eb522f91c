"""Every check, in the order in which one stands on another."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..settings import LoadedSettings, Settings, masked
from .finding import Findings, guarded, ok

if TYPE_CHECKING:
    from ..schemas.spaces import Space

__all__ = ["examine"]


def examine(load: Callable[[], LoadedSettings], *, recall: bool = False) -> Findings[None]:
    """Findings about everything, as they come; whatever fails is a finding too.

    Args:
        load: Gives the settings.
        recall: Whether to measure how many of the nearest items the database finds.
    """
    yield from guarded("packages", _packages)
    settings = yield from guarded("settings", lambda: _settings(load))
    if settings is None:
        return
    yield from guarded("machine", lambda: _machine(settings))
    stored = yield from guarded("database", lambda: _database(settings, recall=recall))
    yield from guarded("encoder", lambda: _encoder(settings, stored))
    yield from guarded("image encoder", lambda: _image_encoder(settings))


# Each imports inside its guard, because an import may be what is broken.


def _packages() -> Findings[None]:
    from .packages import check_packages  # noqa: PLC0415

    yield from check_packages()


def _settings(load: Callable[[], LoadedSettings]) -> Findings[Settings]:
    loaded = load()
    given = (name for name, origin in loaded.origins.items() if origin != "default")
    shown = [f"{name} = {masked(loaded.settings, name)} ({loaded.origins[name]})" for name in given]
    yield ok("settings", "; ".join(shown) or "every one has its default")
    return loaded.settings


def _machine(settings: Settings) -> Findings[None]:
    from .machine import check_machine  # noqa: PLC0415

    yield from check_machine(settings)


def _database(settings: Settings, *, recall: bool) -> "Findings[Space | None]":
    from .database import check_database  # noqa: PLC0415

    return (yield from check_database(settings, recall=recall))


def _encoder(settings: Settings, stored: "Space | None") -> Findings[None]:
    from .model import check_encoder  # noqa: PLC0415

    yield from check_encoder(settings, stored)


def _image_encoder(settings: Settings) -> Findings[None]:
    from .image import check_image_encoder  # noqa: PLC0415

    yield from check_image_encoder(settings)
