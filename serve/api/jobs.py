"""/v1/jobs: long work, one job at a time."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request, Response

from .. import works
from ..access import Admin, Reader
from ..job import Control
from ..service import Service
from .asked import JobStart, JobStartByReader
from .class_bodies import AcceptBody
from .common import Json, Served, problems, router
from .items_in import labelled_of
from .job_bodies import CalibrateBody, DiscoverBody, EvaluateBody, LabelledBody, LearnBody, ReembedBody
from .rows import JobRow, MoveRow

__all__ = ["routes"]

routes = router("jobs")

_STARTED: Mapping[str, Any] = {"response_model": JobRow, "status_code": 202, "responses": problems(409)}


@routes.post("/jobs/learn", **_STARTED)
async def learn(body: LearnBody, job: JobStart) -> Response:
    """Better class vectors from stored items, confirmed items, examples and labels; kept only if better."""
    catalog = job.service.catalog

    def run(labelled: list[Any], reject: Callable[..., None], control: Control) -> dict[str, Any]:
        return catalog.learn(labelled, dry_run=body.dry_run, on_reject=reject, on_progress=control.at).to_dict()

    return await job.start("learn", _with_labels(job.service, body.labelled, run))


@routes.post("/jobs/calibrate", **_STARTED)
async def calibrate(body: CalibrateBody, job: JobStart) -> Response:
    """Make confidences honest, and assign only what keeps a precision."""
    catalog = job.service.catalog

    def run(labelled: list[Any], reject: Callable[..., None], control: Control) -> dict[str, Any]:
        report = catalog.calibrate(labelled, precision=body.precision, on_reject=reject, on_progress=control.at)
        return report.to_dict()

    return await job.start("calibrate", _with_labels(job.service, body.labelled, run))


@routes.post("/jobs/evaluate", **_STARTED)
async def evaluate(body: EvaluateBody, job: JobStartByReader) -> Response:
    """Measure the answers on labelled items; nothing is stored."""
    catalog = job.service.catalog

    def run(labelled: list[Any], reject: Callable[..., None], control: Control) -> dict[str, Any]:
        return catalog.evaluate(labelled, on_reject=reject, on_progress=control.at)[0].to_dict()

    return await job.start("evaluate", _with_labels(job.service, body.labelled, run))


@routes.post("/jobs/discover", **_STARTED)
async def discover(body: DiscoverBody, job: JobStart) -> Response:
    """Propose classes that may be missing, from stored items that no class fits."""
    work = works.discover(job.service, min_size=body.min_size, review=body.review, weakest=body.weakest)
    return await job.start("discover", work)


@routes.post("/jobs/accept", **_STARTED)
async def accept(body: AcceptBody, job: JobStart) -> Response:
    """Make a class of a proposal of the latest discovery, and answer the stored items anew."""
    work = works.accept(
        job.service,
        body.number,
        body.name,
        by=job.caller.label,
        parent=body.parent,
        class_id=body.id,
        message=body.message,
    )
    return await job.start("accept", work)


@routes.post("/jobs/reassign", **_STARTED)
async def reassign(job: JobStart) -> Response:
    """Answer anew every stored item that was assigned before the latest change; nothing is embedded again."""
    return await job.start("reassign", works.reassign(job.service))


@routes.post("/jobs/reembed", **_STARTED)
async def reembed(body: ReembedBody, job: JobStart) -> Response:
    """A step of the move to another text encoder, while the catalogue answers.

    ``plan`` says what it would take; ``run`` fills the new space beside the old one, and goes on where it was cut off;
    ``swap`` answers from the new one, all at once; ``rollback`` goes back; ``drop`` frees the old one for good.
    """
    service = job.service
    if body.step == "plan" and body.encoder is not None:
        return await job.start("reembed-plan", works.plan(service, body.encoder))
    if body.step != "run":
        return await job.start(f"reembed-{body.step}", works.moving(service, body.step))

    def run(labelled: list[Any], _: Callable[..., None], control: Control) -> dict[str, Any]:
        return works.filling(service, body.encoder, body.rate, labelled)(control)

    return await job.start("reembed-run", _with_labels(service, body.labelled, run))


@routes.get("/reembed", response_model=MoveRow)
async def reembed_status(service: Served, _: Reader) -> Json:
    """Where the move to another text encoder stands, and what to do next."""
    found = await service.pool.run(service.catalog.reembedding.status)
    return Json(found.to_dict())


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


def _with_labels(
    service: Service,
    bodies: list[LabelledBody],
    run: Callable[[list[Any], Callable[..., None], Control], dict[str, Any]],
) -> works.Work:
    """Work on labelled items, whose result also has the items that could not be used."""

    def work(control: Control) -> dict[str, Any]:
        with service.uploads.asking() as upload:
            labelled, errors = labelled_of(bodies, service.catalog.classes.taxonomy, upload)
            control.step(0)

            def reject(row: Any, bad: Any) -> None:
                index = next(at for at, one in enumerate(labelled) if one is row)
                errors.append({"index": index, "id": row.item.id, "code": bad.code, "message": bad.message})

            found = run(labelled, reject, control)
        return {**found, "errors": errors}

    return work
