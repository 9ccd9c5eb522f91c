"""/classes: the tree with counts and health; /class: one class."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
from fastapi import Query, Request, Response

from ...learn.lint import Finding
from ...schemas.filters import AnyOf, In
from ...schemas.taxonomy import Taxonomy
from ..access import Reader
from ..figures import Figures
from .desk import AtDesk, Desk
from .rendering import fragment, page, pages

__all__ = ["routes"]

routes = pages()

_FOUND: Final = 12
_BRANCH: Final = 100
_ITEMS: Final = 12
_NEAR: Final = 5
_ENTRIES: Final = 10
_FINDINGS: Final = 40

ClassId = Annotated[str, Query(alias="id", max_length=2000)]


@dataclass(frozen=True, slots=True)
class _Node:
    """A class in the tree: its name, how many are directly below, and its items with those below."""

    id: str
    name: str
    children: int
    items: int | None
    retired: bool
    findings: int


@routes.get("/classes")
async def tree(request: Request, desk: AtDesk, caller: Reader) -> Response:
    """The tops of the tree; branches come when they are opened."""

    def shown() -> dict[str, Any]:
        taxonomy = desk.service.catalog.classes.taxonomy
        live = sum(taxonomy.is_live(one) for one in taxonomy.ids())
        return {
            **_branch(desk, None, 0),
            "total": live,
            "retired": len(taxonomy) - live,
            "assignable": len(taxonomy.assignable()),
            "revision": taxonomy.revision,
        }

    return page(request, caller, "classes.html", **await desk.service.pool.run(shown))


@routes.get("/classes/branch")
async def branch(
    desk: AtDesk, _: Reader, class_id: ClassId = "", start: Annotated[int, Query(ge=0, le=1_000_000)] = 0
) -> Response:
    """What is directly below a class."""
    return fragment("_branch.html", **await desk.service.pool.run(_branch, desk, class_id or None, start))


@routes.get("/classes/find")
async def find(
    desk: AtDesk,
    _: Reader,
    text: Annotated[str, Query(alias="q", max_length=300)] = "",
    box: Annotated[str, Query(pattern="^[a-z-]{1,30}$")] = "find",
) -> Response:
    """Classes whose names or paths have what was typed."""

    def found() -> list[tuple[str, tuple[str, ...]]]:
        finder = desk.finder
        return [(one, finder.taxonomy.path(one)) for one in finder.find(text, _FOUND)]

    return fragment("_found.html", found=await desk.service.pool.run(found), box=box, asked=text.strip())


@routes.get("/classes/health")
async def health(desk: AtDesk, _: Reader) -> Response:
    """What may be wrong with the classes; they are compared behind the scenes."""
    findings = desk.findings.peek(desk.service.catalog.classes.taxonomy.revision)
    kinds: dict[str, list[Finding]] = {}
    for one in findings or []:
        kinds.setdefault(one.code, []).append(one)
    return fragment("_health.html", kinds=kinds, made=findings is not None, failed=desk.findings.failed, most=_FINDINGS)


@routes.get("/class")
async def show(request: Request, desk: AtDesk, caller: Reader, class_id: ClassId) -> Response:
    """One class."""
    return page(request, caller, "class.html", **await desk.service.pool.run(_class, desk, class_id))


@routes.get("/class/near")
async def near(desk: AtDesk, _: Reader, class_id: ClassId) -> Response:
    """The classes that are nearest to one."""
    taxonomy = desk.service.catalog.classes.taxonomy
    vectors = desk.vectors.peek(taxonomy.revision)
    found = None if vectors is None else _nearest(vectors, class_id, taxonomy)
    return fragment("_near.html", near=found, class_id=class_id, failed=desk.vectors.failed)


def _branch(desk: Desk, class_id: str | None, start: int) -> dict[str, Any]:
    taxonomy = desk.service.catalog.classes.taxonomy
    figures = desk.figures.peek(taxonomy.revision)
    # Only where they are known anyway: comparing ten thousand classes takes a while.
    flagged = desk.flagged(taxonomy.revision)
    ids = taxonomy.children(None if class_id is None else taxonomy.find(class_id).id)
    nodes = [_node(one, taxonomy, figures, flagged.get(one, 0)) for one in ids[start : start + _BRANCH]]
    more = max(len(ids) - start - _BRANCH, 0)
    return {"nodes": nodes, "more": more, "above": class_id or "", "next_start": start + _BRANCH}


def _node(class_id: str, taxonomy: Taxonomy, figures: Figures | None, findings: int) -> _Node:
    items = None if figures is None else figures.below.get(class_id, 0)
    return _Node(
        class_id,
        taxonomy[class_id].name,
        len(taxonomy.children(class_id)),
        items,
        not taxonomy.is_live(class_id),
        findings,
    )


def _class(desk: Desk, class_id: str) -> dict[str, Any]:
    catalog = desk.service.catalog
    taxonomy = catalog.classes.taxonomy
    spec = taxonomy.get(class_id) or taxonomy.find(class_id)
    figures = desk.figures.peek(taxonomy.revision)
    ids = [spec.id, *taxonomy.merged([spec.id])]
    here = AnyOf([In("class_id", ids), In("confirmed_class", ids)])
    entries = catalog.classes.log(spec.id)
    into = taxonomy.get(taxonomy.follow(spec.id)) if spec.merged_into else None
    return {
        "spec": spec,
        "path": taxonomy.path(spec.id),
        "above": [(one, taxonomy[one].name) for one in taxonomy.ancestors(spec.id)],
        "retired": not taxonomy.is_live(spec.id),
        "into": into,
        "assignable": taxonomy.is_assignable(spec.id),
        "children": [_node(one, taxonomy, figures, 0) for one in taxonomy.children(spec.id)[:_BRANCH]],
        "child_count": len(taxonomy.children(spec.id)),
        "count": None if figures is None else figures.below.get(spec.id, 0),
        "items": catalog.items().reader.matching(where=here, limit=_ITEMS),
        "entries": entries[:_ENTRIES],
        "revision": taxonomy.revision,
    }


def _nearest(
    vectors: tuple[list[str], Any], class_id: str, taxonomy: Taxonomy
) -> list[tuple[str, tuple[str, ...], float]]:
    """Id, path and cosine of the classes nearest to one; empty where it cannot be answered itself."""
    ids, units = vectors
    if class_id not in ids:
        return []
    cosines = units @ units[ids.index(class_id)]
    order = np.argsort(-cosines, kind="stable")[: _NEAR + 1].tolist()
    found = [(ids[at], taxonomy.path(ids[at]), float(cosines[at])) for at in order if ids[at] != class_id]
    return found[:_NEAR]
