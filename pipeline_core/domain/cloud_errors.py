"""What an answer of Azure means: its status, error code and words become one of our errors.

Pure, and the only place for this decision. The service's adapters and the builder read an answer from the
exceptions of their SDKs and ask here. This module must not decide what to do about an error: `domain.retry` does.
"""

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from pipeline_core.domain import azure_codes
from pipeline_core.domain.azure_code import Occasion
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    FactoryError,
    NotAllowed,
    NotFound,
    ParentNotFound,
    PermanentError,
    StaleWrite,
    TablesLost,
    TransientError,
)

_EXISTS = frozenset({"EntityAlreadyExists", "BlobAlreadyExists"})
_STALE = frozenset({"ConditionNotMet", "UpdateConditionNotSatisfied"})
# A 404 with one of these codes is about the holder of the thing. Nothing is known about the thing itself.
_HOLDERS = frozenset(
    {
        "ContainerNotFound",
        "QueueNotFound",
        "ResourceGroupNotFound",
        "SubscriptionNotFound",
        "TableNotFound",
    }
)
_STATUSES = {
    401: ErrorClass.TOKEN,
    403: ErrorClass.PERMISSION,
    404: ErrorClass.NOT_FOUND,
    408: ErrorClass.NETWORK,
    409: ErrorClass.CONFLICT,
    429: ErrorClass.THROTTLED,
    501: ErrorClass.TEMPLATE,
}
_NO_TABLE = "TableNotFound"
_NO_PARENT = "ParentResourceNotFound"
# A 403 with one of these codes is about the subscription, the account or the network. No role that comes later ends it.
_NO_ROLE = frozenset(
    {
        "AccountIsDisabled",
        "ForbiddenByFirewall",
        "ReadOnlyDisabledSubscription",
        "RegionDoesNotAllowProvisioning",
        "SubscriptionNotRegistered",
    }
)
_LONGEST_WAIT = timedelta(hours=1)
_TEXT_LIMIT = 600  # characters of the platform's own message


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudAnswer:
    """What came back. `status` is None where no answer came; then `no_token` says that the credential
    gave no token, so no request was sent.

    `code` is the service's error code (`EntityAlreadyExists`) or empty, `said` its words, `headers` the answer's, by
    names in lower case. `exists` is true where the SDK itself says that the thing exists already.
    """

    status: int | None
    code: str = ""
    said: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    no_token: bool = False
    exists: bool = False

    @property
    def is_absent(self) -> bool:
        """True where the thing itself does not exist; false where its holder does not exist."""
        return self.status == 404 and self.code not in _HOLDERS

    @property
    def is_definite(self) -> bool:
        """True where the answer proves that a write was refused and that no earlier try of ours has written."""
        return (
            self.status is not None and 400 <= self.status < 500 and self.status not in (404, 408, 409, 412)
        )


def error_of(answer: CloudAnswer, what: str) -> FactoryError:
    """Our error; `what` says what was tried on which thing: "create blob jobs/1.json"."""
    status, code = answer.status, answer.code
    text = f"{what}: {_text(answer)}"
    if status is None:
        # Without an answer it was the network, unless the credential itself gave up.
        return TransientError(ErrorClass.TOKEN if answer.no_token else ErrorClass.NETWORK, text)
    if code == _NO_TABLE:
        return TablesLost(f"{what}: the factory's tables are lost")
    if answer.exists or code in _EXISTS:
        return AlreadyExists(text)
    if status == 412 or code in _STALE:
        return StaleWrite(text)
    error_class = _class_of(answer, status)
    if error_class.is_transient:
        return TransientError(error_class, text, retry_after=retry_after(answer.headers))
    if status == 404:
        return ParentNotFound(text) if code == _NO_PARENT else NotFound(text)
    remedy = azure_codes.remedy_of(error_class)
    text = f"{text}; {remedy}" if remedy else text
    if status == 403 and error_class is ErrorClass.PERMISSION and code not in _NO_ROLE:
        return NotAllowed(text)
    return PermanentError(error_class, text)


def _class_of(answer: CloudAnswer, status: int) -> ErrorClass:
    """What the table says of the code. The status decides if it does not know the code, or the code is vague."""
    row = azure_codes.find(answer.code, answer.said, Occasion.CALL)
    known = None if row is None or row.is_vague else row.error_class
    if known is None or (status == 429 and known not in (ErrorClass.QUOTA, ErrorClass.CAPACITY)):
        return _STATUSES.get(status, ErrorClass.NETWORK if status >= 500 else ErrorClass.TEMPLATE)
    return known


def _text(answer: CloudAnswer) -> str:
    """One line of what the platform said; storage appends its request id and the whole body."""
    first = " ".join(answer.said.split("\nRequestId:")[0].split())[:_TEXT_LIMIT]
    answered = " ".join(part for part in (str(answer.status or "no answer"), answer.code) if part)
    return f"{answered}: {first}"


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """How long an answer asks to wait: between nothing and an hour, None where it does not say.

    `headers` have names in lower case. Seconds and dates are understood.
    """
    for name, unit in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if value.isdecimal():
            return min(timedelta(seconds=int(value[:9]) * unit), _LONGEST_WAIT)
    return _until(headers.get("retry-after", ""), headers.get("date", ""))


def _until(then: str, now: str) -> timedelta | None:
    """The wait where Retry-After is a date. It is compared with the answer's own Date, not with our clock."""
    try:
        wait = email.utils.parsedate_to_datetime(then) - email.utils.parsedate_to_datetime(now)
    except (TypeError, ValueError, OverflowError):
        return None
    return max(timedelta(0), min(wait, _LONGEST_WAIT))
