"""The OpenAPI document: what FastAPI derives, completed by the token and by every refusal that an operation may answer.

A status that is not in the document never happens: `tests/unit/triggers/asgi_client.py` holds each answer against it.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from triggers.api import models
from triggers.api.authentication import OPEN_PATHS
from triggers.api.problem import MEDIA_TYPE

_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An Entra ID access token for this API.",
}
# The refusals, by status: their name among the components (that of `HTTPStatus` differs by the version of Python), what
# they mean here, and the headers that come with them.
_REFUSALS: dict[HTTPStatus, tuple[str, str, dict[str, str]]] = {
    HTTPStatus.BAD_REQUEST: ("BadRequest", "A name, a cursor, a number or a header has another form", {}),
    HTTPStatus.UNAUTHORIZED: (
        "Unauthorized",
        "There is no access token, or it is not valid",
        {"WWW-Authenticate": "Which token is asked for"},
    ),
    HTTPStatus.FORBIDDEN: ("Forbidden", "The caller may not do this, or has no role in this factory", {}),
    HTTPStatus.NOT_FOUND: ("NotFound", "It does not exist", {}),
    HTTPStatus.CONFLICT: (
        "Conflict",
        "The state of what is named, or a record that cannot be read, stands against it",
        {},
    ),
    HTTPStatus.PRECONDITION_FAILED: (
        "PreconditionFailed",
        "It was changed, or created, since it was read: read it again",
        {},
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        "ContentTooLarge",
        "The body is larger than this address takes",
        {},
    ),
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: (
        "RangeNotSatisfiable",
        "The range begins behind the end of the file",
        {"Content-Range": "The size of the file", "Accept-Ranges": "bytes"},
    ),
    HTTPStatus.UNPROCESSABLE_ENTITY: (
        "UnprocessableContent",
        "The body, or what it asks for, is refused; `errors` lists all faults",
        {},
    ),
    HTTPStatus.PRECONDITION_REQUIRED: (
        "PreconditionRequired",
        "`If-Match` is missing, or `If-None-Match: *` to create",
        {},
    ),
    HTTPStatus.TOO_MANY_REQUESTS: (
        "TooManyRequests",
        "A limit of the policy is reached for now; the detail says which one",
        {"Retry-After": "Seconds until it ends"},
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: ("InternalServerError", "The factory made a mistake", {}),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "ServiceUnavailable",
        "A service that the factory needs does not answer, or the tables are lost",
        {"Retry-After": "Seconds; not there while the tables are lost"},
    ),
}
_ALWAYS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_CLOSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT)
REFUSALS = "x-refusals"  # of a route: statuses that do not follow from its form


def document(app: FastAPI) -> dict[str, Any]:
    """The document of `app`, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        for path, operations in made["paths"].items():
            for method, operation in operations.items():
                _complete(operation, method, path)
        components = made.setdefault("components", {})
        components["securitySchemes"] = {"token": _SCHEME}
        components["responses"] = {_name(status): _refusal(status) for status in _REFUSALS}
        schemas = components["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        problem = models.ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs"))
        schemas["ProblemDetails"] = problem
        app.openapi_schema = made
    return app.openapi_schema


def _complete(operation: dict[str, Any], method: str, path: str) -> None:
    answers = operation["responses"]
    answers.pop("422", None)  # FastAPI's own shape of errors is never sent
    named = operation.pop(REFUSALS, ())
    for status in sorted({*_refusals(operation, method, path), *map(HTTPStatus, named)}):
        answers[str(status.value)] = {"$ref": f"#/components/responses/{_name(status)}"}
    if path not in OPEN_PATHS:
        operation["security"] = [{"token": []}]


def _refusals(operation: dict[str, Any], method: str, path: str) -> Iterator[HTTPStatus]:
    """What follows from the form of an operation."""
    named = {each["name"] for each in operation.get("parameters", ())}
    yield from _ALWAYS
    if path not in OPEN_PATHS:
        yield from _CLOSED
    if "{" in path or "image" in named or method != "get":
        yield HTTPStatus.NOT_FOUND
    if method != "get":
        yield from (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.TOO_MANY_REQUESTS)
    if "If-Match" in named:
        yield from (HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)
    if "Range" in named:
        # A file that is too large for one answer is refused without a range.
        yield from (HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, HTTPStatus.UNPROCESSABLE_ENTITY)


def _name(status: HTTPStatus) -> str:
    """Of a refusal among the components: `PreconditionFailed`."""
    return _REFUSALS[status][0]


def _refusal(status: HTTPStatus) -> dict[str, Any]:
    _, words, headers = _REFUSALS[status]
    made: dict[str, Any] = {
        "description": words,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
    }
    if headers:
        made["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
        }
    return made
