"""Errors of the Azure SDKs become ours: this module reads an answer out of each. `domain.cloud_errors` explains it.

It must not classify anything itself.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from pipeline_core.domain import cloud_errors
from pipeline_core.domain.cloud_errors import CloudAnswer
from pipeline_core.domain.errors import FactoryError


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn SDK errors into ours. `what` names the action and the thing: "create blob jobs/1.json"."""
    try:
        yield
    except AzureError as error:
        raise translate(error, what) from error


def translate(error: AzureError, what: str) -> FactoryError:
    """Our error for an SDK's error."""
    return cloud_errors.error_of(_answer_of(error), what)


def is_absent(error: AzureError) -> bool:
    """True if the answer says that the thing itself does not exist. Not if its container does not exist."""
    return _answer_of(error).is_absent


def is_definite(error: AzureError) -> bool:
    """True if the answer proves that a write was refused and that no write of ours caused the refusal."""
    return _answer_of(error).is_definite


def _answer_of(error: AzureError) -> CloudAnswer:
    said = getattr(getattr(error, "error", None), "message", None) or error.message or error
    return CloudAnswer(
        status=status_of(error),
        code=code_of(error),
        said=str(said),
        headers=getattr(getattr(error, "response", None), "headers", None) or {},
        no_token=isinstance(error, ClientAuthenticationError),
    )


def status_of(error: AzureError) -> int | None:
    """The HTTP status, or None if no answer came."""
    return error.status_code if isinstance(error, HttpResponseError) else None


def code_of(error: AzureError) -> str:
    """The service's error code (`EntityAlreadyExists`), or empty.

    Storage and ARM keep it in two places of the exception. `TableClient.create_entity` keeps it in none: then
    the answer itself is read.
    """
    code = getattr(error, "error_code", None)
    if code is None:
        code = getattr(getattr(error, "error", None), "code", None)
    if code is None and isinstance(error, HttpResponseError):
        code = _code_of_answer(error.response)
    return str(getattr(code, "value", code) or "")


def _code_of_answer(response: Any) -> str:
    if response is None:
        return ""
    named = response.headers.get("x-ms-error-code")
    if named:
        return str(named)
    try:
        body = json.loads(response.text())
        error = body.get("odata.error") or body.get("error") or {}
        return str(error.get("code") or "")
    except (ValueError, AttributeError, AzureError):
        return ""  # not JSON, or an answer that was not read to its end
