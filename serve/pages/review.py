"""/review: one item after the other, decided with a key; and groups of items at once."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Depends, Form, Query, Request, Response

from ...errors import ItemNotFoundError
from ...query.items import Found
from ..access import Caller, Ingester, Reader
from ..problems import Problem
from ..queue import Kind, Waiting
from ..reviewing import Step, reviewer_of
from .desk import AtDesk, Desk
from .rendering import fragment, is_fragment, page, pages
from .views import candidates_of

__all__ = ["routes"]

routes = pages()

_NEXT: Final = 6
_ATTRIBUTES: Final = 8
_NEAR: Final = 3

ItemId = Annotated[str, Form(alias="item", min_length=1, max_length=512)]
KindField = Annotated[Kind, Form()]


@routes.get("/review")
async def show(request: Request, desk: AtDesk, caller: Reader, kind: Annotated[Kind, Query()] = "all") -> Response:
    """The item that comes next."""
    shown = await desk.service.pool.run(_next, desk, caller, kind)
    return _answer(request, caller, shown)


@routes.post("/review/confirm")
async def confirm(
    request: Request,
    desk: AtDesk,
    caller: Ingester,
    item_id: ItemId,
    name: Annotated[str, Form(alias="class", min_length=1, max_length=2000)],
    kind: KindField = "all",
) -> Response:
    """The item belongs to this class."""

    def act() -> tuple[Step, Sequence[str]]:
        step, spec = desk.reviewing.confirm(caller, [item_id], name, request.state.request_id)
        return step, desk.service.catalog.classes.taxonomy.path(spec.id)

    return _answer(request, caller, await desk.service.pool.run(_decided, desk, caller, kind, act))


@routes.post("/review/novel")
async def novel(request: Request, desk: AtDesk, caller: Ingester, item_id: ItemId, kind: KindField = "all") -> Response:
    """No class fits the item."""

    def act() -> tuple[Step, Sequence[str]]:
        return desk.reviewing.novel(caller, item_id, request.state.request_id), ()

    return _answer(request, caller, await desk.service.pool.run(_decided, desk, caller, kind, act))


@routes.post("/review/skip")
async def skip(request: Request, desk: AtDesk, caller: Reader, item_id: ItemId, kind: KindField = "all") -> Response:
    """Leave the item for later."""

    def act() -> dict[str, Any]:
        step = desk.reviewing.skip(caller, item_id)
        return _next(desk, caller, kind, said=(step, ()))

    return _answer(request, caller, await desk.service.pool.run(act))


@routes.post("/review/undo")
async def undo(request: Request, desk: AtDesk, caller: Ingester, kind: KindField = "all") -> Response:
    """Take the latest decision back, and show its item again."""

    def act() -> dict[str, Any]:
        step = desk.reviewing.undo(caller, request.state.request_id)
        if step is None:
            return _next(desk, caller, kind, said="nothing")
        return _next(desk, caller, "all" if kind == "all" else _kind_of(desk, step, kind), said="undone")

    return _answer(request, caller, await desk.service.pool.run(act))


def _decided(desk: Desk, caller: Caller, kind: Kind, act: Callable[[], tuple[Step, Sequence[str]]]) -> dict[str, Any]:
    """Decide, and what comes next; where somebody else was quicker, that is said, and the next item comes too."""
    said: tuple[Step, Sequence[str]] | str
    try:
        said = act()
    except Problem as problem:
        if problem.kind != "changed-meanwhile":
            raise
        said = "decided"
    return _next(desk, caller, kind, said=said)


def _answer(request: Request, caller: Caller, shown: dict[str, Any]) -> Response:
    if is_fragment(request):
        return fragment("_desk.html", may_ingest=caller.scope.value != "read", **shown)
    return page(request, caller, "review.html", **shown)


def _kind_of(desk: Desk, step: Step, kind: Kind) -> Kind:
    """The kind that is looked at, unless the item that came back is not of it."""
    same = {one.id for one in desk.reviewing.queue.every(kind)}
    return kind if step.ids[0] in same else "all"


def _next(
    desk: Desk, caller: Caller, kind: Kind, said: tuple[Step, Sequence[str]] | str | None = None
) -> dict[str, Any]:
    """What the page shows of the item that comes next, or that nothing waits."""
    queue = desk.reviewing.queue
    common = {"kind": kind, "said": said, "steps": desk.reviewing.steps(caller)}
    while True:
        waiting = queue.next(reviewer_of(caller), kind, _NEXT)
        if not waiting:
            return {**common, "item": None, "counts": queue.counts(), "upcoming": []}
        try:
            item = _item(desk, waiting[0])
        except ItemNotFoundError:
            queue.take_out([waiting[0].id])
            continue
        if item is not None:
            return {**common, "item": item, "counts": queue.counts(), "upcoming": waiting[1:]}
        queue.take_out([waiting[0].id])


def _item(desk: Desk, waiting: Waiting) -> dict[str, Any] | None:
    """An item with its candidates; None where somebody has decided on it meanwhile."""
    catalog = desk.service.catalog
    found = catalog.items().get(waiting.id)
    if desk.reviewing.is_decided(found.id, found.confirmed_class or "", found.decision):
        return None
    review = catalog.review
    answer = catalog.items().answers([waiting.id]).get(waiting.id)
    candidates, rule = [], "there is no class yet"
    if answer is not None:
        evidence = review.evidence(waiting.id, [one.class_id for one in answer.candidates])
        candidates, rule = candidates_of(answer, evidence), answer.rule
    taxonomy = catalog.classes.taxonomy
    near = [
        (one, taxonomy.path(one.confirmed_class))
        for one in review.confirmed_near(waiting.id, _NEAR)
        if one.confirmed_class and one.confirmed_class in taxonomy
    ]
    return {
        "found": found,
        "decision": waiting.decision.value,
        "margin": waiting.margin,
        "candidates": candidates,
        "rule": rule,
        "near": near,
        "picture": _picture(found),
        "attributes": list(found.attributes.items())[:_ATTRIBUTES],
    }


def _picture(found: Found) -> str | None:
    return f"/v1/pictures/{quote(found.id, safe='')}?size=640" if found.image else None


@routes.get("/review/groups")
async def groups(request: Request, desk: AtDesk, caller: Reader) -> Response:
    """Items that wait, by the class that is nearest to them."""
    found = await desk.service.pool.run(_groups, desk)
    return page(request, caller, "groups.html", groups=found, said=None)


@routes.get("/review/group")
async def group(
    request: Request, desk: AtDesk, caller: Reader, class_id: Annotated[str, Query(alias="class", max_length=2000)]
) -> Response:
    """The items of one group."""
    shown = await desk.service.pool.run(_group, desk, class_id)
    return page(request, caller, "group.html", **shown)


async def _ids(request: Request) -> list[str]:
    """The items that are ticked."""
    form = await request.form()
    return [one for one in form.getlist("items") if isinstance(one, str)][:_GROUP]


@routes.post("/review/group")
async def confirm_group(
    request: Request,
    desk: AtDesk,
    caller: Ingester,
    class_id: Annotated[str, Form(alias="class", min_length=1, max_length=2000)],
    ids: Annotated[list[str], Depends(_ids)],
) -> Response:
    """All ticked items belong to this class."""

    def act() -> tuple[int, list[dict[str, Any]]]:
        count = 0
        if ids:
            step, _ = desk.reviewing.confirm(caller, ids, class_id, request.state.request_id)
            count = len(step.ids)
        return count, _groups(desk)

    count, found = await desk.service.pool.run(act)
    path = desk.service.catalog.classes.taxonomy.path(class_id)
    return fragment("_groups.html", groups=found, said=(count, path))


_LOOKED: Final = 1000
_GROUP: Final = 100


def _members(desk: Desk) -> dict[str, list[tuple[Waiting, float, float | None]]]:
    """Of the first that wait: item, score and margin, by the id of their nearest class, those with most items first."""
    reviewing = desk.reviewing
    found: dict[str, list[tuple[Waiting, float, float | None]]] = {}
    for one, answer in reviewing.nearest.of(reviewing.queue.every()[:_LOOKED]).items():
        best = answer.candidates[0]
        found.setdefault(best.class_id, []).append((one, best.score, answer.margin))
    return dict(sorted(found.items(), key=lambda one: (-len(one[1]), one[0])))


def _groups(desk: Desk) -> list[dict[str, Any]]:
    taxonomy = desk.service.catalog.classes.taxonomy
    return [
        {"id": one, "path": taxonomy.path(one), "count": len(members), "titles": [w.title for w, _, _ in members[:3]]}
        for one, members in _members(desk).items()
    ][:_GROUP]


def _group(desk: Desk, class_id: str) -> dict[str, Any]:
    taxonomy = desk.service.catalog.classes.taxonomy
    spec = taxonomy.find(class_id)
    members = sorted(_members(desk).get(spec.id, []), key=lambda one: (-one[1], one[0].id))
    return {"spec": spec, "path": taxonomy.path(spec.id), "members": members[:_GROUP], "more": len(members) - _GROUP}
