"""The one place where errors of the Azure SDKs become ours, by status and error code.

It must not decide what to do about an error: that is `domain.retry`.
"""

import email.utils
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    FactoryError,
    NotFound,
    PermanentError,
    StaleWrite,
    TransientError,
)

_EXISTS = frozenset({"EntityAlreadyExists", "BlobAlreadyExists"})
_STALE = frozenset({"ConditionNotMet", "UpdateConditionNotSatisfied"})
_CAPACITY = frozenset(
    {
        "AllocationFailed",
        "OverconstrainedAllocationRequest",
        "OverconstrainedZonalAllocationRequest",
        "SkuNotAvailable",
        "ZonalAllocationFailed",
    }
)
_TOKEN = frozenset(
    {
        "AuthenticationFailed",
        "ExpiredAuthenticationToken",
        "InvalidAuthenticationInfo",
        "InvalidAuthenticationToken",
    }
)
_POLICY = frozenset({"RequestDisallowedByPolicy", "RequestDisallowedByAzure", "PolicyViolation"})
_THROTTLED = frozenset({"ServerBusy", "TooManyRequests", "SubscriptionRequestsThrottled"})
_NEVER = frozenset({"InvalidResourceGroupLocation", "PropertyChangeNotAllowed"})
# Refusals that ARM sends as conflicts, and that last until a person with rights over the scope ends them.
_FORBIDDEN = frozenset(
    {
        "MissingSubscriptionRegistration",
        "ReadOnlyDisabledSubscription",
        "ScopeLocked",
        "SubscriptionNotRegistered",
    }
)
# A 404 that speaks of what should hold the thing: then nothing is known about the thing itself.
_HOLDERS = frozenset(
    {
        "ContainerNotFound",
        "QueueNotFound",
        "ResourceGroupNotFound",
        "SubscriptionNotFound",
        "TableNotFound",
    }
)
_NO_ROOM = ("not available in the location", "capacity", "insufficient")
_LONGEST_WAIT = timedelta(hours=1)
_TEXT_LIMIT = 600  # characters of the platform's own message


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn SDK errors into ours. `what` says what was tried on which thing: "create blob jobs/1.json"."""
    try:
        yield
    except AzureError as error:
        raise translate(error, what) from error


def translate(error: AzureError, what: str) -> FactoryError:
    """Our error for an SDK's."""
    status, code = status_of(error), code_of(error)
    text = f"{what}: {_text(error, status, code)}"
    if status is None:
        # Without an answer it was the network, unless the credential itself gave up.
        lost = ErrorClass.TOKEN if isinstance(error, ClientAuthenticationError) else ErrorClass.NETWORK
        return TransientError(lost, text)
    if code in _EXISTS:
        return AlreadyExists(text)
    if status == 412 or code in _STALE:
        return StaleWrite(text)
    transient = _transient_class(status, code, _said(error).lower())
    if transient is not None:
        return TransientError(transient, text, retry_after=_retry_after(error))
    if status == 404:
        return NotFound(text)
    return PermanentError(_permanent_class(status, code), text)


def is_absent(error: AzureError) -> bool:
    """True where the answer says that the thing itself does not exist, and not that its holder does not."""
    return status_of(error) == 404 and code_of(error) not in _HOLDERS


def is_definite(error: AzureError) -> bool:
    """True where the answer proves that a write was refused and that no write of ours stands behind it."""
    status = status_of(error)
    return status is not None and 400 <= status < 500 and status not in (404, 408, 409, 412)


def status_of(error: AzureError) -> int | None:
    """The HTTP status, or None where no answer came."""
    return error.status_code if isinstance(error, HttpResponseError) else None


def code_of(error: AzureError) -> str:
    """The service's error code (`EntityAlreadyExists`), or empty.

    Storage and ARM keep it in two places of the exception, and `TableClient.create_entity` in none: then the
    answer itself is read.
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
        told = body.get("odata.error") or body.get("error") or {}
        return str(told.get("code") or "")
    except (ValueError, AttributeError, AzureError):
        return ""  # no JSON, or an answer that was never read to its end


def _transient_class(status: int, code: str, said: str) -> ErrorClass | None:
    """By the platform's own words (in lower case) where its code means several things."""
    if "QuotaExceeded" in code or code == "ContainerGroupQuotaReached":
        return ErrorClass.QUOTA
    if code == "OperationNotAllowed" and "quota" in said:
        return ErrorClass.QUOTA
    if code in _CAPACITY:
        return ErrorClass.CAPACITY
    if code == "ServiceUnavailable" and any(words in said for words in _NO_ROOM):
        return ErrorClass.CAPACITY
    if status == 429 or code in _THROTTLED:
        return ErrorClass.THROTTLED
    if status == 401 or code in _TOKEN:
        return ErrorClass.TOKEN
    if code in _NEVER or code in _FORBIDDEN or status == 501:
        return None
    if status == 409 or code.startswith("RetryableError"):
        return ErrorClass.CONFLICT
    return ErrorClass.NETWORK if status == 408 or status >= 500 else None


def _permanent_class(status: int, code: str) -> ErrorClass:
    if code in _POLICY:
        return ErrorClass.POLICY
    return ErrorClass.PERMISSION if status == 403 or code in _FORBIDDEN else ErrorClass.TEMPLATE


def _text(error: AzureError, status: int | None, code: str) -> str:
    """One line of what the platform said; storage appends its request id and the whole body."""
    first = " ".join(_said(error).split("\nRequestId:")[0].split())[:_TEXT_LIMIT]
    answer = " ".join(part for part in (str(status or "no answer"), code) if part)
    return f"{answer}: {first}"


def _said(error: AzureError) -> str:
    return str(getattr(getattr(error, "error", None), "message", None) or error.message or error)


def _retry_after(error: AzureError) -> timedelta | None:
    response = getattr(error, "response", None)
    headers: Mapping[str, str] = getattr(response, "headers", None) or {}
    for name, unit in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if value.isdecimal():
            return min(timedelta(seconds=int(value[:9]) * unit), _LONGEST_WAIT)
    return _until(headers.get("retry-after", ""), headers.get("date", ""))


def _until(then: str, now: str) -> timedelta | None:
    """Retry-After may be a date; the answer's own Date is the clock to hold it against."""
    try:
        wait = email.utils.parsedate_to_datetime(then) - email.utils.parsedate_to_datetime(now)
    except (TypeError, ValueError):
        return None
    return max(timedelta(0), min(wait, _LONGEST_WAIT))
