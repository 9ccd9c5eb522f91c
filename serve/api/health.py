"""What watches the service: /healthz, /readyz and /metrics."""

from fastapi import APIRouter, Response

from ..access import Reader
from .common import Json, Served, problems

__all__ = ["routes"]

routes = APIRouter(tags=["health"])


@routes.get("/healthz", responses={})
async def healthz() -> Json:
    """The process is alive."""
    return Json({"status": "ok"})


@routes.get("/readyz", responses={503: {"description": "It cannot answer now; the body says what is missing."}})
async def readyz(service: Served) -> Json:
    """The model is loaded, the store answers, the collections are there, and the service is not about to stop."""
    missing = await service.pool.run(service.problems)
    if missing:
        return Json({"status": "not ready", "missing": missing}, status_code=503, headers={"Retry-After": "1"})
    return Json({"status": "ready"})


@routes.get(
    "/metrics",
    response_class=Response,
    responses={**problems(), 200: {"content": {"text/plain": {}}, "description": "In the format of Prometheus."}},
)
async def metrics(service: Served, _: Reader) -> Response:
    """Figures for Prometheus."""
    service.metrics.queue.labels("answers").set(service.answers.waiting)
    service.metrics.queue.labels("writes").set(service.writes.waiting)
    service.metrics.queue.labels("calls").set(service.pool.taken)
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
