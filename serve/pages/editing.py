"""/class/change: a change of the classes, tried first and then saved, from the state that was seen."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from fastapi import Form, Query, Request, Response
from pydantic import BaseModel, Field

from ...schemas.records import PATH_SEPARATOR
from ..access import Admin, Caller
from ..changing import make, tag
from ..options import MAX_BATCH, MAX_TEXT_BYTES
from ..problems import Problem
from .desk import AtDesk, Desk
from .rendering import fragment, page, pages

if TYPE_CHECKING:
    from ...catalog import Catalog

__all__ = ["routes"]

routes = pages()

Act = Literal["add", "edit", "move", "retire", "restore"]
_Lines = Annotated[str, Field(max_length=10 * MAX_TEXT_BYTES)]

_TITLES: Final = {
    "add": "Add a class",
    "edit": "Edit a class",
    "move": "Move a class",
    "retire": "Retire a class",
    "restore": "Restore a class",
}
_MOVES: Final = 12


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
    message: str = Field("", max_length=1000)

    def change(self, by: str) -> "Callable[[Catalog], dict[str, Any]]":
        """What makes the change in a catalogue, and gives the id of the class and its path."""

        def act(catalog: "Catalog") -> dict[str, Any]:
            classes = catalog.classes.signed(by, self.message)
            if self.act == "add":
                spec = classes.add(self.name.strip(), parent=self.parent or None, **self._texts())
            elif self.act == "edit":
                spec = classes.edit(self.class_id, name=self.name.strip(), **self._texts())
            elif self.act == "move":
                spec = classes.move(self.class_id, self.parent or None)
            else:
                spec = classes.retire(self.class_id) if self.act == "retire" else classes.restore(self.class_id)
            return {"id": spec.id, "path": catalog.classes.taxonomy.path(spec.id)}

        return act

    def _texts(self) -> dict[str, Any]:
        given = {"descriptions": self.descriptions, "synonyms": self.synonyms, "examples": self.examples}
        found = {
            name: tuple(line.strip() for line in text.splitlines() if line.strip()) for name, text in given.items()
        }
        for name, lines in found.items():
            if len(lines) > MAX_BATCH or any(len(line.encode("utf-8", "replace")) > MAX_TEXT_BYTES for line in lines):
                message = f"{name}: at most {MAX_BATCH} lines of {MAX_TEXT_BYTES} bytes"
                raise Problem("validation", message)
        return found


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


Given = Annotated[ChangeForm, Form()]


@routes.get("/class/change")
async def form(
    request: Request,
    desk: AtDesk,
    caller: Admin,
    act: Annotated[Act, Query()],
    class_id: Annotated[str, Query(alias="id", max_length=2000)] = "",
    parent: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    """The form of a change."""
    taxonomy = desk.service.catalog.classes.taxonomy
    spec = None if act == "add" else taxonomy[class_id]
    above = taxonomy[parent].id if parent else (spec.parent_id if spec else None)
    shown = {
        "act": act,
        "title": _TITLES[act],
        "spec": spec,
        "path": taxonomy.path(spec.id) if spec else (),
        "above": above or "",
        "above_shown": PATH_SEPARATOR.join(taxonomy.path(above)) if above else "",
        "below": len(taxonomy.descendants(spec.id)) - 1 if spec else 0,
        "revision": taxonomy.revision,
    }
    return page(request, caller, "change.html", **shown)


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
        row = make(catalog, given.change(caller.label), expected, dry_run=dry_run)
    except Problem as problem:
        if problem.kind != "changed-meanwhile":
            raise
        return _conflict(desk, given)
    if not dry_run:
        desk.service.metrics.revision.set(row["revision"])
        stale = catalog.stale_items()
        return fragment("_saved.html", row=row, act=given.act, stale=stale)
    return fragment("_preview.html", row=row, given=given, preview=row["preview"], most=_MOVES)


def _conflict(desk: Desk, given: ChangeForm) -> Response:
    """Who came first, and how to go on from there."""
    classes = desk.service.catalog.classes
    since = [one for one in classes.log() if one.revision > given.revision]
    here = any(given.class_id in one.classes for one in since) if given.class_id else False
    revision = classes.taxonomy.revision
    return fragment("_conflict.html", status=409, entries=since[:5], here=here, revision=revision, given=given)
