"""Answer errors with problem documents (RFC 9457), with the same stable codes as everywhere."""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException

from producer.api.limits import TooManyRequests
from shared.errors import (
    AtelierError,
    Conflict,
    InvalidInput,
    ManifestError,
    MissingObject,
    NotAllowed,
    NotFound,
    Unauthenticated,
    Unavailable,
)

log = structlog.get_logger()


PROBLEMS = "/problems/"
"""Path below which the API explains each code."""


class Problem(BaseModel):
    """Problem. ``code`` is stable; ``retryable`` says whether the same request may succeed later.

    ``type`` is an address of this API that explains the code, relative to it (RFC 9457, section 3.1.1).
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool = False


class TooLarge(InvalidInput):
    """A request's body exceeds the limit."""

    code = "too_large"


def status_of(error: AtelierError) -> int:
    """Return the HTTP status of an error. This is the only such mapping."""
    match error:
        case NotFound() | MissingObject():
            return 404
        case TooLarge():
            return 413
        case ManifestError():
            return 422
        case InvalidInput():
            return 400
        case Conflict():
            return 409
        case Unauthenticated():
            return 401
        case NotAllowed():
            return 403
        case TooManyRequests():
            return 429
        case Unavailable():
            return 503
    return 500


INSIDE = {
    "database_unavailable": "Postgres does not answer at present",
    "statement_timeout": "Postgres took too long and the request was stopped; nothing was changed",
    "broker_unavailable": "Redis does not answer at present",
    "store_unavailable": "the object store does not answer at present",
    "store_denied": "the object store denies access to the service",
}
"""Texts for callers instead of messages that name internal servers; those are only logged."""


def is_inside(error: AtelierError) -> bool:
    """Return whether an error is between this service and another of ours, whatever its status would be."""
    return error.code in INSIDE


TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    422: "Not valid",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}


def problem_of(error: AtelierError | DataError | RequestValidationError | HTTPException) -> Problem:
    """Return the problem of an error, in words that callers may see."""
    match error:
        case AtelierError() if is_inside(error):
            log.warning("service_failed", code=error.code, error=str(error))
            return _problem(503, INSIDE.get(error.code, "a service does not answer"), error.code, retryable=True)
        case AtelierError():
            return _problem(status_of(error), str(error), error.code, retryable=error.retryable)
        case DataError():
            return _problem(422, "a value is out of range, or holds what cannot be stored", "out_of_range")
        case RequestValidationError():
            wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:10])
            return _problem(422, wrong, "invalid_request")
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
    return _problem(error.status_code, str(error.detail), code)


def _problem(status: int, detail: str, code: str, *, retryable: bool = False) -> Problem:
    return Problem(
        type=f"{PROBLEMS}{code}",
        title=TITLES.get(status, "Error"),
        status=status,
        detail=detail,
        code=code,
        retryable=retryable,
    )


def problem(status: int, detail: str, code: str, *, retryable: bool = False) -> JSONResponse:
    """Return a problem as a response."""
    return answer(_problem(status, detail, code, retryable=retryable))


def answer(found: Problem) -> JSONResponse:
    """Return a problem as a response."""
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}.get(found.status)
    return JSONResponse(found.model_dump(), found.status, headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Answer every error with a problem. That of a bug reveals no detail."""

    @app.exception_handler(AtelierError)
    @app.exception_handler(DataError)
    @app.exception_handler(RequestValidationError)
    def ours(_: Request, error: AtelierError | DataError | RequestValidationError) -> JSONResponse:
        response = answer(problem_of(error))
        if isinstance(error, TooManyRequests):
            response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response

    @app.exception_handler(HTTPException)
    def http(_: Request, error: HTTPException) -> JSONResponse:
        found = answer(problem_of(error))
        found.headers.update(error.headers or {})
        return found


def bug() -> JSONResponse:
    """Return the response to a bug."""
    return problem(
        500, "an internal error occurred; find it in the log by the request's id", "internal_error", retryable=True
    )
