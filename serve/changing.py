"""Changes of the classes through the service: from the state that the caller has seen, and tried first if wished."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from .problems import Problem

if TYPE_CHECKING:
    from ..catalog import Catalog

__all__ = ["make", "tag"]


def tag(revision: int) -> str:
    """The ETag of the classes at a revision.

    >>> tag(3)
    '"r3"'
    """
    return f'"r{revision}"'


def make(
    catalog: "Catalog",
    change: "Callable[[Catalog], dict[str, Any]]",
    expected: Collection[str] | None = None,
    *,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Make a change and give its row, or with ``dry_run`` say what it would do, and which stored items would move.

    Args:
        catalog: Whose classes.
        change: Makes it in the catalogue that it is given, which with ``dry_run`` keeps everything in memory.
        expected: ETags of the states that it may start from; None for any.
        dry_run: Whether it is only tried.

    Raises:
        Problem: The classes are in another state.
    """
    with catalog.classes.lock:
        before = catalog.classes.taxonomy
        if expected is not None and tag(before.revision) not in expected:
            message = f"the classes are at revision {before.revision} by now"
            raise Problem("changed-meanwhile", message, hint="Read them again, then send the change with the new ETag.")
        if not dry_run:
            row = change(catalog)
            return {"change": row, "revision": catalog.classes.taxonomy.revision, "dry_run": False, "preview": None}
    draft = catalog.draft()
    row = change(draft)
    found = draft.preview(before).to_dict()
    return {"change": row, "revision": before.revision, "dry_run": True, "preview": found}
