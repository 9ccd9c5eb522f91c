"""/: how the catalogue does: coverage, precision, days, corrections, shifts, a map, jobs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import Form, Query, Request, Response

from ...schemas.records import Decision
from ...schemas.taxonomy import Taxonomy
from .. import works
from ..access import Admin, Caller, Reader
from ..figures import Figures
from ..job import OPEN, Control, Job
from ..problems import Problem
from .desk import AtDesk, Desk
from .rendering import fragment, page, pages

__all__ = ["routes", "start_job"]

routes = pages()

_ORDER: Final = (Decision.ASSIGNED, Decision.ANCESTOR, Decision.REVIEW, Decision.NOVEL)
_FILLS: Final[Mapping[Decision, str]] = {
    Decision.ASSIGNED: "fill",
    Decision.ANCESTOR: "fill-wash",
    Decision.REVIEW: "fill-soft",
    Decision.NOVEL: "fill-warm",
}
_JOBS: Final = 6
_HEIGHT: Final = 100.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a drawing: where it begins, how long it is, its colour, what it stands for, how many."""

    start: float
    length: float
    fill: str
    name: str
    count: int


@routes.get("/")
async def show(request: Request, desk: AtDesk, caller: Reader) -> Response:
    """The page; what takes a while is fetched by its parts."""
    return page(request, caller, "overview.html", **await desk.service.pool.run(_figures, desk))


@routes.get("/overview/figures")
async def figures(desk: AtDesk, _: Reader) -> Response:
    """The counts, once they are there."""
    return fragment("_figures.html", **await desk.service.pool.run(_figures, desk))


@routes.get("/map")
async def scatter(desk: AtDesk, _: Reader) -> Response:
    """The map, once it is drawn."""
    found = desk.scatter.peek(desk.service.catalog.classes.taxonomy.revision)
    return fragment("_map.html", scatter=found, failed=desk.scatter.failed, of=_name(found))


@routes.get("/map/points")
async def points(desk: AtDesk, _: Reader) -> Response:
    """The points of the map."""
    found = desk.scatter.known(desk.service.catalog.classes.taxonomy.revision)
    body = {"points": found.points, "classes": found.classes} if found else {"points": [], "classes": []}
    return Response(orjson.dumps(body), media_type="application/json")


@routes.get("/map/item")
async def point(
    desk: AtDesk, _: Reader, number: Annotated[int, Query(alias="n", ge=0)], of: Annotated[str, Query(max_length=40)]
) -> Response:
    """What stands at a point."""
    taxonomy = desk.service.catalog.classes.taxonomy
    found = desk.scatter.known(taxonomy.revision)
    if found is None or _name(found) != of or number >= len(found.items):
        raise Problem("not-found", "the map was drawn anew; load the page again")
    item_id, title, class_id = found.items[number]
    path = taxonomy.path(class_id) if class_id in taxonomy else ()
    return fragment("_point.html", item_id=item_id, title=title, class_id=class_id, path=path)


@routes.get("/jobs")
async def jobs(desk: AtDesk, caller: Reader) -> Response:
    """The latest jobs."""
    return fragment("_jobs.html", **await desk.service.pool.run(_jobs, desk, caller))


@routes.post("/jobs/start")
async def start(
    request: Request, desk: AtDesk, caller: Admin, kind: Annotated[Literal["learn", "reassign"], Form()]
) -> Response:
    """Begin a job that needs nothing else."""
    service = desk.service

    def learn(control: Control) -> dict[str, Any]:
        return service.catalog.learn(on_progress=control.at).to_dict()

    work = learn if kind == "learn" else works.reassign(service)
    await service.pool.run(start_job, desk, caller, kind, work, request.state.request_id)
    return fragment("_jobs.html", **await service.pool.run(_jobs, desk, caller))


@routes.post("/jobs/cancel")
async def cancel(
    request: Request, desk: AtDesk, caller: Admin, job_id: Annotated[str, Form(alias="id", max_length=100)]
) -> Response:
    """Tell a job to end at its next step."""

    def act() -> dict[str, Any]:
        job = desk.service.jobs.cancel(job_id)
        desk.service.audit.note("jobs.cancel", by=caller.label, job=job.id, request_id=request.state.request_id)
        return _jobs(desk, caller)

    return fragment("_jobs.html", **await desk.service.pool.run(act))


def start_job(desk: Desk, caller: Caller, kind: str, work: Callable[[Control], Any], request_id: str) -> Job:
    """Begin a job, and note who did."""
    job = desk.service.jobs.start(kind, caller.label, work)
    desk.service.audit.note(f"jobs.{kind}", by=caller.label, request_id=request_id, job=job.id)
    return job


def _jobs(desk: Desk, caller: Caller) -> dict[str, Any]:
    found = desk.service.jobs.every()[:_JOBS]
    running = any(one.state in OPEN for one in found)
    stale = desk.service.catalog.stale_items()
    return {"jobs": found, "running": running, "stale": stale, "may_admin": caller.scope.value == "admin"}


def _figures(desk: Desk) -> dict[str, Any]:
    catalog = desk.service.catalog
    taxonomy = catalog.classes.taxonomy
    found = desk.figures.peek(taxonomy.revision)
    calibration = catalog.review.calibration if found is not None and len(taxonomy) else None
    shown: dict[str, Any] = {"figures": found, "failed": desk.figures.failed, "calibration": calibration}
    if found is None:
        return shown
    return {
        **shown,
        "classes": sum(taxonomy.is_live(one) for one in taxonomy.ids()),
        "revision": taxonomy.revision,
        "share": stacked(found),
        "days": _days(found),
        "pairs": [(taxonomy.path(one), taxonomy.path(other), count) for one, other, count in found.pairs],
        "drift": None
        if found.drift is None
        else [(taxonomy.path(one.class_id), one.before, one.lately) for one in found.drift],
        "largest": _largest(found, taxonomy),
    }


def stacked(found: Figures) -> list[Bar]:
    """Shares of the decisions, one beside the other, of 100."""
    bars, at = [], 0.0
    for decision in _ORDER:
        count = found.decisions.get(decision.value, 0)
        length = 100 * found.share(decision)
        bars.append(Bar(round(at, 2), round(length, 2), _FILLS[decision], decision.value, count))
        at += length
    return bars


def _days(found: Figures) -> list[tuple[str, int, Sequence[Bar]]]:
    """For each day its items and a column of them by decision, from the ground up."""
    most = max((sum(one.values()) for _, one in found.days), default=1)
    columns: list[tuple[str, int, Sequence[Bar]]] = []
    for day, decisions in found.days:
        bars: list[Bar] = []
        top = _HEIGHT
        for decision in _ORDER:
            count = decisions.get(decision.value, 0)
            height = _HEIGHT * count / most
            top -= height
            if count:
                bars.append(Bar(round(top, 2), round(height, 2), _FILLS[decision], decision.value, count))
        columns.append((day, sum(decisions.values()), bars))
    return columns


def _largest(found: Figures, taxonomy: Taxonomy) -> list[tuple[str, Sequence[str], int]]:
    order = sorted(found.classes.items(), key=lambda one: (-one[1], one[0]))[:8]
    return [(one, taxonomy.path(one), count) for one, count in order]


def _name(found: Any) -> str:
    return "" if found is None else f"{id(found):x}"
