"""The one place that turns the factory's errors into HTTP answers. It never shows an unknown error."""

import logging
import math
from datetime import timedelta
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pipeline_core.domain.byte_ranges import UnsatisfiableRange
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    FactoryError,
    InvalidValue,
    OverLimit,
    Owner,
    PermanentError,
    StaleWrite,
    TablesLost,
    TransientError,
)
from pipeline_core.telemetry import correlation_id
from pipeline_core.wire.problems import InvalidDocument
from triggers.api.problem import InvalidField, ProblemResponse, Refusal

_REQUEST = "request"  # the place of a fault that has no field of its own
_RETRY_AFTER = 5  # seconds, where the error names no time
_TEAM_CAUSED = frozenset(kind for kind in ErrorClass if kind.owner is Owner.TEAM)
_LOG = logging.getLogger("imagefactory.api")

Answered = Refusal | FactoryError | RequestValidationError | HTTPException


def install(app: FastAPI) -> None:
    """Make `app` answer every known error as a problem. `correlation.Correlation` answers the unknown ones."""

    async def respond(request: Request, error: Exception) -> Response:
        if not isinstance(error, Refusal | FactoryError | RequestValidationError | HTTPException):
            raise error
        return answer(request, error)

    for kind in (Refusal, FactoryError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, respond)


def answer(request: Request, error: Answered) -> Response:
    """The answer to one request that ended in `error`."""
    refusal = _refusal(request, error)
    if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _LOG.warning(
            "request not served",
            extra={
                "event": "request-not-served",
                "correlation_id": correlation_id.get(),
                "error": f"{type(error).__name__}: {error}"[:500],
            },
        )
    return ProblemResponse(
        status=refusal.status,
        slug=refusal.slug,
        detail=refusal.detail,
        instance=request.url.path,
        correlation_id=correlation_id.get(),
        faults=refusal.faults,
        headers=refusal.headers,
    ).response()


def _refusal(request: Request, error: Answered) -> Refusal:
    match error:
        case Refusal():
            return error
        case RequestValidationError():
            return _of_validation(error)
        case HTTPException():
            return _of_framework(error)
        case InvalidDocument():
            faults = [
                InvalidField(path=problem.path, message=problem.message, remedy=problem.remedy)
                for problem in error.problems
            ]
            count = "1 thing is" if len(faults) == 1 else f"{len(faults)} things are"
            detail = f"{count} wrong; nothing was stored"
            return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-document", detail, faults=faults)
        case InvalidValue():
            # A text that no parameter holds: `forms.form` names the place of the others.
            fault = InvalidField(path=_REQUEST, message=str(error), remedy=f"give {error.rule}")
            return Refusal(HTTPStatus.BAD_REQUEST, "invalid-request", str(error), faults=[fault])
        case TablesLost():
            return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "tables-lost", str(error))
        case OverLimit():
            return _over_limit(error)
        case TransientError():
            return _of_transient(error)
        case StaleWrite():
            return Refusal(HTTPStatus.PRECONDITION_FAILED, "version-conflict", str(error))
        case AlreadyExists() if "If-None-Match" in request.headers:
            return Refusal(HTTPStatus.PRECONDITION_FAILED, "version-conflict", str(error))
        case AlreadyExists():
            return Refusal(HTTPStatus.CONFLICT, "conflict", str(error))
        case UnsatisfiableRange():
            headers = {"Content-Range": f"bytes */{error.size}", "Accept-Ranges": "bytes"}
            status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            return Refusal(status, "no-such-range", str(error), headers=headers)
        case PermanentError():
            return _of_permanent(error)
    return Refusal(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal",
        "the factory made a mistake; give the correlation id to its operators",
    )


def _of_permanent(error: PermanentError) -> Refusal:
    if error.error_class is ErrorClass.NOT_FOUND:
        return Refusal(HTTPStatus.NOT_FOUND, "not-found", str(error))
    if error.error_class is ErrorClass.PERMISSION:
        return Refusal(HTTPStatus.FORBIDDEN, "forbidden", str(error))
    if error.error_class in _TEAM_CAUSED:
        return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "refused", str(error))
    return Refusal(HTTPStatus.CONFLICT, "conflict", str(error))


def _over_limit(error: OverLimit) -> Refusal:
    seconds = math.ceil((error.retry_after or timedelta(seconds=_RETRY_AFTER)).total_seconds())
    return Refusal(
        HTTPStatus.TOO_MANY_REQUESTS,
        "over-limit",
        f"{error}: try again in {max(1, seconds)} s",
        headers={"Retry-After": str(max(1, seconds))},
    )


def _of_transient(error: TransientError) -> Refusal:
    seconds = _RETRY_AFTER if error.retry_after is None else max(1, round(error.retry_after.total_seconds()))
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        f"a service that the factory needs does not answer ({error.error_class.value}): try again",
        headers={"Retry-After": str(seconds)},
    )


_PATH_LIMIT = 200  # characters: a deeply nested body must not make a long answer


def _of_validation(error: RequestValidationError) -> Refusal:
    faults = []
    in_body = False
    for item in error.errors()[:50]:
        place, *rest = item["loc"]
        is_json = item["type"] == "json_invalid"
        in_body = in_body or (place == "body" and not is_json)
        path = place if is_json else ".".join(str(part) for part in rest) or str(place)
        faults.append(
            InvalidField(path=str(path)[:_PATH_LIMIT], message=item["msg"], remedy="see /api/openapi.json")
        )
    if in_body:
        detail = "the body is not what this address takes"
        return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-document", detail, faults=faults)
    return Refusal(HTTPStatus.BAD_REQUEST, "invalid-request", "the request cannot be read", faults=faults)


_FRAMEWORK = {
    HTTPStatus.NOT_FOUND: ("not-found", "there is nothing at this address; see /api/openapi.json"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method-not-allowed", "this address does not take this method"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("too-large", ""),
}


def _of_framework(error: HTTPException) -> Refusal:
    status = HTTPStatus(error.status_code)
    slug, detail = _FRAMEWORK.get(status, ("invalid-request", ""))
    return Refusal(status, slug, detail or str(error.detail), headers=error.headers)
