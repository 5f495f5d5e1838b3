"""The OpenAPI document: what FastAPI derives, completed by the token and the one shape of errors."""

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
_PROBLEM = {
    "description": "What went wrong, by RFC 9457",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
}

_OVER_LIMIT = {
    **_PROBLEM,
    "description": "A limit of the policy is reached for now; the detail says which one",
    "headers": {
        "Retry-After": {
            "description": "Seconds",
            "schema": {"type": "integer", "minimum": 1},
            "required": True,
        }
    },
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document of `app`, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        for path, operations in made["paths"].items():
            for method, operation in operations.items():
                _complete(operation, is_open=path in OPEN_PATHS, is_change=method not in ("get", "head"))
        components = made.setdefault("components", {})
        components["securitySchemes"] = {"token": _SCHEME}
        schemas = components["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        problem = models.ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs"))
        schemas["ProblemDetails"] = problem
        app.openapi_schema = made
    return app.openapi_schema


def _complete(operation: dict[str, Any], *, is_open: bool, is_change: bool) -> None:
    operation["responses"].pop("422", None)  # FastAPI's own shape of errors is never sent
    if is_change:
        operation["responses"]["429"] = _OVER_LIMIT
    operation["responses"]["default"] = _PROBLEM
    if not is_open:
        operation["security"] = [{"token": []}]
