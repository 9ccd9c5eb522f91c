"""The long work that jobs do, for the API and for the page; each tells its control as it goes on, and ends there."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .job import Control

if TYPE_CHECKING:
    from ..ingest.labelled import Labelled
    from .service import Service

__all__ = ["Work", "accept", "discover", "filling", "moving", "plan", "reassign"]

Work = Callable[[Control], dict[str, Any]]


def discover(service: "Service", *, min_size: int = 5, review: bool = False, weakest: float = 0.0) -> Work:
    """Proposes classes that may be missing."""

    def work(control: Control) -> dict[str, Any]:
        found = service.catalog.discover(min_size=min_size, review=review, weakest=weakest, on_progress=control.at)
        return {"proposals": [one.to_dict() for one in found]}

    return work


def accept(
    service: "Service",
    number: int,
    name: str,
    *,
    by: str,
    parent: str | None = None,
    class_id: str | None = None,
    message: str = "",
) -> Work:
    """Makes a class of a proposal, and answers the stored items anew; a whole that no cancel cuts in two."""

    def work(_: Control) -> dict[str, Any]:
        with service.item_lock:
            done = service.catalog.accept(number, name, parent=parent, id=class_id, by=by, message=message)
        path = service.catalog.classes.taxonomy.path(done.spec.id)
        return {"id": done.spec.id, "path": list(path), "assigned": done.assigned, "changed": done.changed}

    return work


def reassign(service: "Service") -> Work:
    """Answers every stored item anew that was answered before the latest change."""

    def work(control: Control) -> dict[str, Any]:
        control.at("items", 0, service.catalog.stale_items())
        with service.item_lock:
            moved = service.catalog.items().reassign(control.step)
        return {"changed": len(moved)}

    return work


def plan(service: "Service", encoder: str) -> Work:
    """Says what moving to another encoder would take."""

    def work(control: Control) -> dict[str, Any]:
        control.at("loading the model", 0, 1)
        return service.catalog.reembedding.plan(_named(encoder)).to_dict()

    return work


def filling(service: "Service", encoder: str | None, rate: float | None, labelled: "Sequence[Labelled]") -> Work:
    """Fills the space of another encoder while the one that serves answers; cancelled and begun again, it goes on."""

    def work(control: Control) -> dict[str, Any]:
        named = None if encoder is None else _named(encoder)
        move = service.catalog.reembedding
        return move.run(named, rate=rate, labelled=labelled, on_progress=control.at).to_dict()

    return work


def moving(service: "Service", step: str) -> Work:
    """Answers from the new space (``swap``), goes back (``rollback``), or frees the one of before (``drop``)."""

    def work(control: Control) -> dict[str, Any]:
        move = service.catalog.reembedding
        if step == "drop":
            return move.drop().to_dict()
        return (move.swap if step == "swap" else move.rollback)(control.at).to_dict()

    return work


def _named(encoder: str) -> str:
    """The name of an encoder, which is no folder: no path of this machine is read for a caller.

    Raises:
        UsageError: It is one.
    """
    if encoder.startswith((".", "/", "~", "local-dir:")) or "\\" in encoder or Path(encoder).is_dir():
        message = f"{encoder!r} is a folder, and the service reads none for a caller"
        raise UsageError(message, hint="Name a preset or a model id, or run `nearclass reembed` on the server.")
    return encoder
