"""The database: where it is, whether it opens, and what the catalogue in it was made with."""

import os
import re
import shutil
from pathlib import Path
from typing import Final

from ..errors import MismatchError
from ..schemas.collections import SCHEMA_VERSION
from ..schemas.spaces import Space
from ..settings import Settings
from ..store import Store
from ..store.location import ServerAddress, is_database, locate
from ..store.names import state_collection
from ..store.spaces import SpaceCollections, Spaces
from ..store.state import State
from ..store.taxonomy import TaxonomyStore
from .agreement import class_rows, class_search
from .finding import Finding, Findings, ok, problem, warning
from .packages import milvus_floor
from .recall import item_recall

__all__ = ["catalogue", "check_database", "class_vectors", "free_space", "permissions"]

_LEAST_FREE: Final = 1_000_000_000
"""A hundred thousand items take some 500 MB while they are written."""

_STATE: Final = re.compile(re.escape(state_collection("\0")).replace("\0", "(.+)"))


def check_database(settings: Settings, *, recall: bool = False) -> Findings[Space | None]:
    """Findings about the database and the catalogue, made nowhere; the space of its texts, if it has one.

    Args:
        settings: Where the database is.
        recall: Whether to measure how many of the nearest items its search finds, which reads every stored vector.
    """
    address = locate(settings.uri)
    if isinstance(address, ServerAddress):
        return (yield from _opened(settings, recall=recall))
    path = address.path
    there = path.is_dir() and (is_database(path) or any(path.iterdir()))
    if there:
        yield permissions(path, may_write=_may_write(path) and _may_write(path.parent))
    else:
        folder = _nearest(path)
        yield permissions(folder, may_write=_may_write(folder))
    yield free_space(_nearest(path), shutil.disk_usage(_nearest(path)).free)
    if not there:
        yield ok("database", f"{path} does not exist yet and will be created at the first use")
        return None
    return (yield from _opened(settings, recall=recall))


def permissions(folder: Path, *, may_write: bool) -> Finding:
    """Whether the database, and the lock beside it, can be written."""
    if may_write:
        return ok("permissions", f"{folder} can be read and written")
    fix = f'chmod -R u+rwX "{folder}", or give another path with NEARCLASS_URI.'
    return problem("permissions", f"this user may not write to {folder} or to the folder that it is in", fix)


def free_space(folder: Path, free: int) -> Finding:
    """Whether the disk has room; ``free`` is in bytes.

    >>> free_space(Path("/data"), 5_000_000_000).found
    '5.0 GB free at /data'
    """
    found = f"{free / 1e9:.1f} GB free at {folder}"
    if free >= _LEAST_FREE:
        return ok("disk", found)
    return warning("disk", f"{found}, less than 1 GB", "Free some, or give another path with NEARCLASS_URI.")


def catalogue(store: Store, name: str, *, recall: bool = False) -> Findings[Space | None]:
    """Findings about one catalogue of an open store; the space of its texts, if it has one."""
    state = State(store, name)
    if not state.exists():
        others = [match[1] for one in store.collections() if (match := _STATE.fullmatch(one))]
        known = f"; here are {', '.join(others)}, see --catalog" if others else ""
        yield ok("catalogue", f"{name} does not exist yet and will be created at the first use{known}")
        return None
    spaces = Spaces(state)
    try:
        spaces.check_version()
    except MismatchError as error:
        yield problem("catalogue", error.message, error.hint)
        return None
    every = spaces.every()
    described = ", ".join(f"{space.name} ({space.kind}, dimension {space.dim})" for space in every) or "none yet"
    yield ok("catalogue", f"{name}: schema version {SCHEMA_VERSION}, spaces: {described}")
    taxonomies = TaxonomyStore(state, shared=False)
    if taxonomies.pending():
        found = "a change of the classes was cut off; the next command completes it"
        yield warning("classes", found, "nearclass classes list")
    for space in every:
        place = SpaceCollections.of(name, space)
        rows = class_rows(store, place)
        if space.kind == "text":
            yield class_vectors(set(taxonomies.current().assignable()), {str(row["class_id"]) for row in rows})
        if rows:
            yield class_search(store, place, rows)
        if recall:
            yield item_recall(store, place.items, space.name)
    return spaces.text_space()


def class_vectors(assignable: set[str], stored: set[str]) -> Finding:
    """Whether every class that items may be assigned to has a vector to be found by.

    >>> class_vectors({"kettles", "mugs"}, {"mugs"}).found
    '1 of 2 classes have a vector; without: kettles'
    """
    missing = sorted(assignable - stored)
    found = f"{len(assignable) - len(missing)} of {len(assignable)} classes have a vector"
    if not missing:
        return ok("class vectors", found)
    fix = "Change any class, for example with `nearclass classes edit`: every missing vector is made then."
    return problem("class vectors", f"{found}; without: {', '.join(missing[:5])}", fix)


def _opened(settings: Settings, *, recall: bool) -> Findings[Space | None]:
    token = settings.token.get_secret_value() if settings.token else None
    with Store.open(
        settings.uri,
        token=token,
        database=settings.database,
        tls_ca=settings.tls_ca,
        timeout_s=settings.timeout_s,
    ) as store:
        state = "and no other process has it open" if store.embedded else "which answers"
        yield ok("database", f"{store.engine} at {store.uri}, {state}")
        if floor := milvus_floor(store.engine):
            yield floor
        for one in store.recovery_notes:
            yield warning("recovery", one, "Compare with your sources: nearclass ingest takes the same files again.")
        return (yield from catalogue(store, settings.catalog, recall=recall))


def _nearest(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.is_dir())


def _may_write(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK)
