"""/class/change: a change of the classes, tried first and then saved, from the state that was seen; and their log."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import Form, Query, Request, Response
from pydantic import BaseModel, Field

from ...schemas.records import PATH_SEPARATOR
from ..access import Admin, Caller, Reader
from ..changing import make, tag
from ..options import MAX_BATCH, MAX_TEXT_BYTES
from ..problems import Problem
from .desk import AtDesk, Desk
from .rendering import fragment, page, pages

if TYPE_CHECKING:
    from ...catalog import Catalog
    from ...ingest.lifecycle import LivingClasses

__all__ = ["routes"]

routes = pages()

Act = Literal["add", "edit", "move", "merge", "split", "retire", "restore", "rollback"]
_Lines = Annotated[str, Field(max_length=10 * MAX_TEXT_BYTES)]

_TITLES: Final[Mapping[Act, str]] = {
    "add": "Add a class",
    "edit": "Edit a class",
    "move": "Move a class",
    "merge": "Merge a class into another",
    "split": "Split a class",
    "retire": "Retire a class",
    "restore": "Restore a class",
    "rollback": "Go back to an earlier state",
}
_MOVES: Final = 12
_ENTRIES: Final = 12


class ChangeForm(BaseModel):
    """What the form says; texts stand one a line."""

    act: Act
    revision: int = Field(ge=0, lt=2**31)
    class_id: str = Field("", alias="id", max_length=512)
    name: str = Field("", max_length=1000)
    parent: str = Field("", max_length=2000)
    descriptions: _Lines = ""
    synonyms: _Lines = ""
    examples: _Lines = ""
    into: str = Field("", max_length=2000)
    evidence: bool = False
    parts: _Lines = ""
    retire: bool = False
    to: int = Field(0, ge=0, lt=2**31)
    message: str = Field("", max_length=1000)

    def change(self, by: str, item_lock: AbstractContextManager[object]) -> "Callable[[Catalog], dict[str, Any]]":
        """What makes the change in a catalogue, and says what it was: a class and its path, and more as it may be."""

        def act(catalog: "Catalog") -> dict[str, Any]:
            if self.act == "rollback":
                done = catalog.classes.signed(by, self.message).rollback(self.to)
                return {"id": "", "path": (), "count": len(done.added) + len(done.changed)}
            if self.act == "split":
                with item_lock:
                    return self._split(catalog, by)
            class_id = self._one(catalog.classes.signed(by, self.message))
            return {"id": class_id, "path": catalog.classes.taxonomy.path(class_id)}

        return act

    def _one(self, classes: "LivingClasses") -> str:
        """Make a change of one class; its id."""
        match self.act:
            case "add":
                return classes.add(self.name.strip(), parent=self.parent or None, **self._texts()).id
            case "edit":
                return classes.edit(self.class_id, name=self.name.strip(), **self._texts()).id
            case "move":
                return classes.move(self.class_id, self.parent or None).id
            case "merge":
                if not self.into:
                    raise Problem("validation", "choose the class that stays", hint="Type a part of its name.")
                classes.merge([self.class_id], self.into, evidence=self.evidence)
                return classes.taxonomy.find(self.into).id
            case "retire":
                return classes.retire(self.class_id).id
            case _:
                return classes.restore(self.class_id).id

    def _split(self, catalog: "Catalog", by: str) -> dict[str, Any]:
        parts = _lines("parts", self.parts)
        done, shared = catalog.split(self.class_id, parts, retire=self.retire, by=by, message=self.message)
        path = done.taxonomy.path
        split_id = done.taxonomy.find(self.class_id).id
        into = [(path(part), shared.moved.get(part, 0)) for part in done.added]
        return {"id": split_id, "path": path(split_id), "parts": into}

    def _texts(self) -> dict[str, Any]:
        given = {"descriptions": self.descriptions, "synonyms": self.synonyms, "examples": self.examples}
        return {name: _lines(name, text) for name, text in given.items()}


def _lines(name: str, text: str) -> tuple[str, ...]:
    """Texts that stand one a line.

    Raises:
        Problem: They are too many, or one is too long.
    """
    lines = tuple(line.strip() for line in text.splitlines() if line.strip())
    if len(lines) > MAX_BATCH or any(len(line.encode("utf-8", "replace")) > MAX_TEXT_BYTES for line in lines):
        raise Problem("validation", f"{name}: at most {MAX_BATCH} lines of {MAX_TEXT_BYTES} bytes")
    return lines


Given = Annotated[ChangeForm, Form()]


@routes.get("/class/change")
async def form(
    request: Request,
    desk: AtDesk,
    caller: Admin,
    act: Annotated[Act, Query()],
    class_id: Annotated[str, Query(alias="id", max_length=2000)] = "",
    parent: Annotated[str, Query(max_length=2000)] = "",
    to: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> Response:
    """The form of a change."""
    classes = desk.service.catalog.classes
    taxonomy = classes.taxonomy
    spec = None if act in {"add", "rollback"} else taxonomy[class_id]
    above = taxonomy[parent].id if parent else (spec.parent_id if spec else None)
    undone = [one for one in await desk.service.pool.run(classes.log) if one.revision > to] if act == "rollback" else []
    shown = {
        "act": act,
        "title": _TITLES[act],
        "spec": spec,
        "path": taxonomy.path(spec.id) if spec else (),
        "above": above or "",
        "above_shown": PATH_SEPARATOR.join(taxonomy.path(above)) if above else "",
        "below": len(taxonomy.descendants(spec.id)) - 1 if spec else 0,
        "to": to,
        "undone": undone[:_ENTRIES],
        "undone_more": max(len(undone) - _ENTRIES, 0),
        "revision": taxonomy.revision,
    }
    return page(request, caller, "change.html", **shown)


@routes.get("/classes/log")
async def log(desk: AtDesk, caller: Reader) -> Response:
    """The latest changes of the classes, and ways back."""
    classes = desk.service.catalog.classes
    entries = await desk.service.pool.run(classes.log)
    return fragment("_log.html", entries=entries[:_ENTRIES], may_admin=caller.scope.value == "admin")


@routes.post("/class/preview")
async def preview(given: Given, desk: AtDesk, caller: Admin) -> Response:
    """What the change would do; nothing is changed."""
    return await desk.service.pool.run(_made, desk, caller, given, dry_run=True)


@routes.post("/class/save")
async def save(given: Given, desk: AtDesk, caller: Admin) -> Response:
    """Make the change, unless the classes are in another state than was seen."""
    return await desk.service.pool.run(_made, desk, caller, given, dry_run=False)


def _made(desk: Desk, caller: Caller, given: ChangeForm, *, dry_run: bool) -> Response:
    catalog = desk.service.catalog
    expected = {tag(given.revision)}
    try:
        row = make(catalog, given.change(caller.label, desk.service.item_lock), expected, dry_run=dry_run)
    except Problem as problem:
        if problem.kind != "changed-meanwhile":
            raise
        return _conflict(desk, given)
    if not dry_run:
        desk.service.metrics.revision.set(row["revision"])
        stale = catalog.stale_items()
        return fragment("_saved.html", row=row, given=given, stale=stale)
    return fragment("_preview.html", row=row, given=given, preview=row["preview"], most=_MOVES)


def _conflict(desk: Desk, given: ChangeForm) -> Response:
    """Who came first, and how to go on from there."""
    classes = desk.service.catalog.classes
    since = [one for one in classes.log() if one.revision > given.revision]
    here = any(given.class_id in one.classes for one in since) if given.class_id else False
    revision = classes.taxonomy.revision
    return fragment("_conflict.html", status=409, entries=since[:5], here=here, revision=revision, given=given)
