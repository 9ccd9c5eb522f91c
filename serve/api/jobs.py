"""/v1/jobs: long work, one job at a time."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request, Response

from ..access import Admin, Caller, Reader
from ..job import Control
from ..service import Service
from .class_bodies import AcceptBody
from .common import IdempotencyKey, Json, Served, problems, router, written_once
from .items_in import labelled_of
from .job_bodies import CalibrateBody, DiscoverBody, EvaluateBody, LabelledBody, LearnBody
from .rows import JobRow

__all__ = ["routes"]

routes = router("jobs")

_STARTED: Mapping[str, Any] = {"response_model": JobRow, "status_code": 202, "responses": problems(409)}


@routes.post("/jobs/learn", **_STARTED)
async def learn(
    body: LearnBody, request: Request, service: Served, caller: Admin, key: IdempotencyKey = None
) -> Response:
    """Better class vectors from stored items, confirmed items, examples and labels; kept only if better."""

    def work(control: Control) -> dict[str, Any]:
        def run(labelled: list[Any], reject: Callable[..., None]) -> dict[str, Any]:
            return service.catalog.learn(labelled, dry_run=body.dry_run, on_reject=reject).to_dict()

        return _with_labels(service, control, body.labelled, run)

    return await _started(service, request, caller, key, "learn", work)


@routes.post("/jobs/calibrate", **_STARTED)
async def calibrate(
    body: CalibrateBody, request: Request, service: Served, caller: Admin, key: IdempotencyKey = None
) -> Response:
    """Make confidences honest, and assign only what keeps a precision."""

    def work(control: Control) -> dict[str, Any]:
        def run(labelled: list[Any], reject: Callable[..., None]) -> dict[str, Any]:
            return service.catalog.calibrate(labelled, precision=body.precision, on_reject=reject).to_dict()

        return _with_labels(service, control, body.labelled, run)

    return await _started(service, request, caller, key, "calibrate", work)


@routes.post("/jobs/evaluate", **_STARTED)
async def evaluate(
    body: EvaluateBody, request: Request, service: Served, caller: Reader, key: IdempotencyKey = None
) -> Response:
    """Measure the answers on labelled items; nothing is stored."""

    def work(control: Control) -> dict[str, Any]:
        def run(labelled: list[Any], reject: Callable[..., None]) -> dict[str, Any]:
            return service.catalog.evaluate(labelled, on_reject=reject)[0].to_dict()

        return _with_labels(service, control, body.labelled, run)

    return await _started(service, request, caller, key, "evaluate", work)


@routes.post("/jobs/discover", **_STARTED)
async def discover(
    body: DiscoverBody, request: Request, service: Served, caller: Admin, key: IdempotencyKey = None
) -> Response:
    """Propose classes that may be missing, from stored items that no class fits."""

    def work(_: Control) -> dict[str, Any]:
        found = service.catalog.discover(min_size=body.min_size, review=body.review, weakest=body.weakest)
        return {"proposals": [one.to_dict() for one in found]}

    return await _started(service, request, caller, key, "discover", work)


@routes.post("/jobs/accept", **_STARTED)
async def accept(
    body: AcceptBody, request: Request, service: Served, caller: Admin, key: IdempotencyKey = None
) -> Response:
    """Make a class of a proposal of the latest discovery, and answer the stored items anew."""

    def work(_: Control) -> dict[str, Any]:
        with service.item_lock:
            done = service.catalog.accept(
                body.number, body.name, parent=body.parent, id=body.id, by=caller.label, message=body.message
            )
        path = service.catalog.classes.taxonomy.path(done.spec.id)
        return {"id": done.spec.id, "path": list(path), "assigned": done.assigned, "changed": done.changed}

    return await _started(service, request, caller, key, "accept", work)


@routes.post("/jobs/reassign", **_STARTED)
async def reassign(request: Request, service: Served, caller: Admin, key: IdempotencyKey = None) -> Response:
    """Answer anew every stored item that was assigned before the latest change; nothing is embedded again."""

    def work(control: Control) -> dict[str, Any]:
        steps = service.catalog.stale_items()
        control.step(0, steps)
        with service.item_lock:
            moved = service.catalog.items().reassign(control.step)
        return {"changed": len(moved)}

    return await _started(service, request, caller, key, "reassign", work)


@routes.get("/jobs", response_model=list[JobRow])
async def list_jobs(service: Served, _: Reader) -> Json:
    """All jobs, the newest first, without their results."""
    jobs = await service.pool.run(service.jobs.every)
    return Json([job.to_dict() for job in jobs])


@routes.get("/jobs/{job_id}", response_model=JobRow, responses=problems(404))
async def show(job_id: str, service: Served, _: Reader) -> Json:
    """A job, with its result when it is done."""
    job = await service.pool.run(service.jobs.get, job_id)
    return Json(job.to_dict())


@routes.post("/jobs/{job_id}/cancel", response_model=JobRow, responses=problems(404, 409))
async def cancel(job_id: str, request: Request, service: Served, caller: Admin) -> Json:
    """Tell a job to end at its next step; one that has no more steps ends as it would have."""
    job = await service.pool.run(service.jobs.cancel, job_id)
    note = functools.partial(service.audit.note, "jobs.cancel", by=caller.label, job=job_id)
    await service.pool.run(note, request_id=request.state.request_id)
    return Json(job.to_dict())


async def _started(
    service: Service,
    request: Request,
    caller: Caller,
    key: str | None,
    kind: str,
    work: Callable[[Control], dict[str, Any]],
) -> Response:
    def start() -> dict[str, Any]:
        job = service.jobs.start(kind, caller.label, work)
        service.audit.note(f"jobs.{kind}", by=caller.label, request_id=request.state.request_id, job=job.id)
        return job.to_dict()

    async def act() -> Json:
        row = await service.pool.run(start)
        return Json(row, status_code=202, headers={"Location": f"/v1/jobs/{row['id']}"})

    return await written_once(service, request, caller, key, act)


def _with_labels(
    service: Service,
    control: Control,
    bodies: list[LabelledBody],
    run: Callable[[list[Any], Callable[..., None]], dict[str, Any]],
) -> dict[str, Any]:
    """The result of what reads labelled items, and the items that it could not use."""
    with service.uploads.asking() as upload:
        labelled, errors = labelled_of(bodies, service.catalog.classes.taxonomy, upload)
        control.step(0)

        def reject(row: Any, bad: Any) -> None:
            index = next(at for at, one in enumerate(labelled) if one is row)
            errors.append({"index": index, "id": row.item.id, "code": bad.code, "message": bad.message})

        found = run(labelled, reject)
    return {**found, "errors": errors}
