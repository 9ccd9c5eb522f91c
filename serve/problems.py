"""Errors as callers see them: problem details of RFC 9457, with types that never change."""

import http
from collections.abc import Mapping
from typing import Any, Final

import orjson

from .. import errors

__all__ = ["MEDIA_TYPE", "RETRY_AFTER_S", "TYPES", "Problem", "problem_of"]

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1

_PREFIX: Final = "urn:nearclass:problem:"

_OF_ERRORS: Final[Mapping[type[errors.NearclassError], tuple[int, str]]] = {
    errors.NearclassError: (409, "failed"),
    errors.ConfigError: (500, "configuration"),
    errors.UsageError: (422, "usage"),
    errors.InputError: (422, "input"),
    errors.PictureError: (422, "picture"),
    errors.TaxonomyError: (409, "taxonomy"),
    errors.ClassNotFoundError: (404, "class-not-found"),
    errors.EmptyTaxonomyError: (409, "empty-taxonomy"),
    errors.ItemNotFoundError: (404, "item-not-found"),
    errors.CalibrationError: (409, "calibration"),
    errors.EncoderError: (500, "encoder"),
    errors.ModelNotFoundError: (503, "model-not-found"),
    errors.MismatchError: (409, "mismatch"),
    errors.SpaceMismatchError: (409, "space-mismatch"),
    errors.SchemaMismatchError: (409, "schema-mismatch"),
    errors.StoreError: (500, "store"),
    errors.StoreUnavailableError: (503, "store-unavailable"),
    errors.StoreLockedError: (503, "store-locked"),
    errors.StoreWriteError: (503, "store-write"),
    errors.StoreDamagedError: (500, "store-damaged"),
    errors.CollectionMissingError: (409, "collection-missing"),
}

TYPES: Final[Mapping[str, int]] = {slug: status for status, slug in _OF_ERRORS.values()} | {
    "malformed": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "cross-site": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "job-running": 409,
    "key-in-use": 409,
    "changed-meanwhile": 412,
    "too-large": 413,
    "media-type": 415,
    "validation": 422,
    "key-reused": 422,
    "internal": 500,
    "overloaded": 503,
    "draining": 503,
    "deadline": 503,
}
"""Every type, by the last part of its URN, and its status."""


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """What went wrong with a request.

    Attributes:
        kind: Last part of its type.
        status: Of the response.
        detail: What happened to this request.
        hint: What to do next, or empty.
        headers: Of the response.
        more: Further members.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        hint: str = "",
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.status = TYPES[kind] if status is None else status
        self.detail = detail
        self.hint = hint
        self.headers = dict(headers or {})
        if self.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_S))
        self.more = more

    def to_dict(self, request_id: str) -> dict[str, Any]:
        """The members of the response."""
        found: dict[str, Any] = {
            "type": _PREFIX + self.kind,
            "title": http.HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.hint:
            found["hint"] = self.hint
        return {**found, "request_id": request_id, **self.more}

    def body(self, request_id: str) -> bytes:
        """The response in JSON."""
        return orjson.dumps(self.to_dict(request_id), default=str)


def problem_of(error: errors.NearclassError) -> Problem:
    """An error of nearclass as callers see it; messages of the server's own troubles stay in its log."""
    kinds = (one for one in type(error).__mro__ if one in _OF_ERRORS)
    status, kind = _OF_ERRORS[next(kinds)]
    if status == http.HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem(kind, "the service cannot answer this; its log says why", status=status)
    more: dict[str, Any] = {"code": error.code} if isinstance(error, errors.PictureError) else {}
    return Problem(kind, error.message, hint=error.hint, status=status, **more)
