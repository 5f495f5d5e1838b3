"""Real error bodies of ARM and storage, and what each of them means to us."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.identity import CredentialUnavailableError
from azure.mgmt.core.exceptions import ARMErrorFormat

from pipeline_core.adapters.azure import errors
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    FactoryError,
    NotAllowed,
    NotFound,
    PermanentError,
    StaleWrite,
    TablesLost,
    TransientError,
)


class Answer:
    """As much of an SDK's response as an exception looks at."""

    def __init__(self, status: int, body: str, headers: Mapping[str, str]) -> None:
        self.status_code, self.reason, self._body = status, "Reason", body
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.content_type = "application/json"

    def text(self, encoding: str | None = None) -> str:
        return self._body

    def body(self) -> bytes:
        return self._body.encode()


def arm(status: int, code: str, message: str, **headers: str) -> HttpResponseError:
    body = json.dumps({"error": {"code": code, "message": message}})
    answer: Any = Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})
    return HttpResponseError(response=answer, error_format=ARMErrorFormat)


def storage(status: int, code: str, message: str = "said", **headers: str) -> HttpResponseError:
    """As `create_entity` raises it: the code is in the answer alone."""
    body = json.dumps({"odata.error": {"code": code, "message": {"lang": "en-US", "value": message}}})
    answer: Any = Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})
    return HttpResponseError(message="Operation returned an invalid status", response=answer)


NO_ROOM = (
    "The requested resource is not available in the location 'westeurope' at this moment. Please retry with a "
    "different resource request or in another location. Resource requested: '1' CPU '2' GB memory 'Linux' OS"
)
CORES = (
    "Operation could not be completed as it results in exceeding approved standardDSv5Family Cores quota. "
    "Additional details - Deployment Model: Resource Manager, Location: westeurope, Current Limit: 10"
)
SKU = (
    "The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: Standard_D2s_v5' "
    "is currently not available in location 'westeurope'."
)
T, P = TransientError, PermanentError
CASES: Mapping[str, tuple[AzureError, type[FactoryError], ErrorClass | None]] = {
    "arm throttles": (arm(429, "TooManyRequests", "throttled"), T, ErrorClass.THROTTLED),
    "arm throttles without a body": (arm(429, "", ""), T, ErrorClass.THROTTLED),
    "arm throttles a subscription": (arm(429, "SubscriptionRequestsThrottled", "m"), T, ErrorClass.THROTTLED),
    "storage is busy": (storage(503, "ServerBusy"), T, ErrorClass.THROTTLED),
    "groups are used up": (arm(409, "ContainerGroupQuotaReached", "exceeded"), T, ErrorClass.QUOTA),
    "cores are used up": (arm(409, "OperationNotAllowed", CORES), T, ErrorClass.QUOTA),
    "a quota by name": (arm(400, "QuotaExceeded", "m"), T, ErrorClass.QUOTA),
    "a quota by a longer name": (arm(403, "ResourceQuotaExceeded", "m"), T, ErrorClass.QUOTA),
    "a quota that is told as throttling": (arm(429, "ContainerGroupQuotaReached", "m"), T, ErrorClass.QUOTA),
    "no room for a group": (arm(409, "ServiceUnavailable", NO_ROOM), T, ErrorClass.CAPACITY),
    "no room for a machine": (arm(409, "SkuNotAvailable", SKU), T, ErrorClass.CAPACITY),
    "an allocation failed": (arm(409, "AllocationFailed", "m"), T, ErrorClass.CAPACITY),
    "an allocation in a zone failed": (arm(409, "ZonalAllocationFailed", "m"), T, ErrorClass.CAPACITY),
    "a service is down": (arm(503, "ServiceUnavailable", "try later"), T, ErrorClass.NETWORK),
    "a server broke": (arm(500, "InternalServerError", "m"), T, ErrorClass.NETWORK),
    "a gateway gave up": (arm(504, "GatewayTimeout", "m"), T, ErrorClass.NETWORK),
    "a request timed out": (arm(408, "RequestTimeout", "m"), T, ErrorClass.NETWORK),
    "another operation": (arm(409, "RetryableErrorDueToAnotherOperation", "m"), T, ErrorClass.CONFLICT),
    "another operation as 400": (arm(400, "RetryableError", "m"), T, ErrorClass.CONFLICT),
    "a concurrent change": (arm(409, "Conflict", "concurrent request"), T, ErrorClass.CONFLICT),
    "a group in transition": (arm(409, "ContainerGroupTransitioning", "m"), T, ErrorClass.CONFLICT),
    "a source that is being made": (arm(409, "OperationNotAllowed", "is Creating"), T, ErrorClass.CONFLICT),
    "a queue on its way out": (storage(409, "QueueBeingDeleted"), T, ErrorClass.CONFLICT),
    "a token ran out": (arm(401, "ExpiredAuthenticationToken", "m"), T, ErrorClass.TOKEN),
    "a token is wrong": (arm(401, "InvalidAuthenticationToken", "m"), T, ErrorClass.TOKEN),
    "storage takes no token": (storage(403, "AuthenticationFailed"), T, ErrorClass.TOKEN),
    "a right is missing": (arm(403, "AuthorizationFailed", "m"), NotAllowed, ErrorClass.PERMISSION),
    "storage's right is missing": (
        storage(403, "AuthorizationPermissionMismatch"),
        NotAllowed,
        ErrorClass.PERMISSION,
    ),
    "storage's wall": (storage(403, "AuthorizationFailure"), NotAllowed, ErrorClass.PERMISSION),
    "azure policy": (arm(403, "RequestDisallowedByPolicy", "m"), P, ErrorClass.AZURE_POLICY),
    "a wrong body": (arm(400, "InvalidParameter", "m"), P, ErrorClass.TEMPLATE),
    "a fixed trait": (arm(409, "PropertyChangeNotAllowed", "m"), P, ErrorClass.TEMPLATE),
    "not emulated": (arm(501, "NotEmulated", "m"), P, ErrorClass.TEMPLATE),
    "a resource is not there": (arm(404, "ResourceNotFound", "m"), NotFound, ErrorClass.NOT_FOUND),
    "a group is not there": (arm(404, "ResourceGroupNotFound", "m"), NotFound, ErrorClass.NOT_FOUND),
    "a table is not there": (storage(404, "TableNotFound"), TablesLost, ErrorClass.NETWORK),
    "a row exists": (storage(409, "EntityAlreadyExists"), AlreadyExists, None),
    "a blob exists": (storage(409, "BlobAlreadyExists"), AlreadyExists, None),
    "a row has changed": (storage(412, "UpdateConditionNotSatisfied"), StaleWrite, None),
    "a blob has changed": (storage(412, "ConditionNotMet"), StaleWrite, None),
    "no way there": (ServiceRequestError("Name or service not known"), T, ErrorClass.NETWORK),
    "cut on the way back": (ServiceResponseError("Connection aborted"), T, ErrorClass.NETWORK),
    "no answer in time": (ServiceResponseTimeoutError("Read timed out"), T, ErrorClass.NETWORK),
    "half an answer": (IncompleteReadError("10 bytes read"), T, ErrorClass.NETWORK),
    "no identity": (CredentialUnavailableError("no managed identity endpoint"), T, ErrorClass.TOKEN),
    "an identity that gave up": (ClientAuthenticationError("no token"), T, ErrorClass.TOKEN),
}


@pytest.mark.parametrize(("error", "kind", "wanted"), CASES.values(), ids=CASES.keys())
def test_each_error_has_its_class(
    error: AzureError, kind: type[FactoryError], wanted: ErrorClass | None
) -> None:
    ours = errors.translate(error, "do it to it")
    assert type(ours) is kind
    assert getattr(ours, "error_class", None) is wanted
    assert str(ours).startswith("do it to it: ")


def test_every_class_sits_on_its_own_axis() -> None:
    for error, _, _ in CASES.values():
        ours = errors.translate(error, "x")
        if isinstance(ours, TransientError):
            assert ours.error_class.is_transient
        if isinstance(ours, PermanentError):
            assert not ours.error_class.is_transient


def test_the_context_translates_azures_errors_and_leaves_others_alone() -> None:
    cause = arm(429, "TooManyRequests", "m")
    with pytest.raises(TransientError) as failed, errors.translated("it"):
        raise cause
    assert failed.value.__cause__ is cause
    with pytest.raises(KeyError), errors.translated("it"):
        raise KeyError("a mistake of ours")


DATE = "Sat, 21 Nov 2026 09:00:00 GMT"
WAITS: Mapping[str, tuple[dict[str, str], timedelta | None]] = {
    "none": ({}, None),
    "seconds": ({"Retry-After": "17"}, timedelta(seconds=17)),
    "zero": ({"Retry-After": "0"}, timedelta(0)),
    "milliseconds": ({"x-ms-retry-after-ms": "1500"}, timedelta(milliseconds=1500)),
    "milliseconds come first": ({"retry-after-ms": "500", "Retry-After": "9"}, timedelta(milliseconds=500)),
    "a date": ({"Retry-After": "Sat, 21 Nov 2026 09:00:30 GMT", "Date": DATE}, timedelta(seconds=30)),
    "a date that has passed": ({"Retry-After": "Sat, 21 Nov 2026 08:00:00 GMT", "Date": DATE}, timedelta(0)),
    "a date without a clock": ({"Retry-After": DATE}, None),
    "a date without a zone": ({"Retry-After": "Sat, 21 Nov 2026 09:00:30", "Date": DATE}, None),
    "nonsense": ({"Retry-After": "soon"}, None),
    "negative": ({"Retry-After": "-5"}, None),
    "a year": ({"Retry-After": "31536000"}, timedelta(hours=1)),
    "more digits than any number": ({"Retry-After": "9" * 5000}, timedelta(hours=1)),
}


@pytest.mark.parametrize(("headers", "wanted"), WAITS.values(), ids=WAITS.keys())
def test_the_platforms_wait_is_kept_within_reason(headers: dict[str, str], wanted: timedelta | None) -> None:
    ours = errors.translate(arm(429, "TooManyRequests", "m", **headers), "x")
    assert isinstance(ours, TransientError)
    assert ours.retry_after == wanted


@pytest.mark.parametrize(
    ("error", "absent"),
    [
        (arm(404, "ResourceNotFound", "m"), True),
        (arm(404, "NotFound", "m"), True),
        (arm(404, "ResourceGroupNotFound", "m"), False),
        (arm(404, "SubscriptionNotFound", "m"), False),
        (storage(404, "ResourceNotFound"), True),
        (storage(404, "BlobNotFound"), True),
        (storage(404, "TableNotFound"), False),
        (storage(404, "ContainerNotFound"), False),
        (arm(403, "AuthorizationFailed", "m"), False),
        (ServiceRequestError("no way"), False),
    ],
)
def test_absence_is_only_believed_of_the_thing_itself(error: AzureError, absent: bool) -> None:
    assert errors.is_absent(error) is absent


@pytest.mark.parametrize(
    ("make", "definite"),
    [
        (lambda: arm(400, "InvalidInput", "m"), True),
        (lambda: arm(403, "AuthorizationFailed", "m"), True),
        (lambda: arm(429, "TooManyRequests", "m"), True),
        (lambda: arm(404, "ResourceNotFound", "m"), False),
        (lambda: arm(408, "RequestTimeout", "m"), False),
        (lambda: arm(409, "EntityAlreadyExists", "m"), False),
        (lambda: arm(412, "ConditionNotMet", "m"), False),
        (lambda: arm(500, "InternalError", "m"), False),
        (lambda: ServiceResponseError("cut"), False),
    ],
)
def test_only_a_plain_refusal_proves_that_nothing_was_written(
    make: Callable[[], AzureError], definite: bool
) -> None:
    assert errors.is_definite(make()) is definite


@pytest.mark.parametrize("body", ["", "no json", "[]", "null", '{"error": "text"}', '{"error": null}', '"x"'])
def test_an_answer_without_a_code_is_read_without_harm(body: str) -> None:
    answer: Any = Answer(500, body, {})
    error = HttpResponseError(message="broke", response=answer)
    assert errors.code_of(error) == ""
    assert isinstance(errors.translate(error, "x"), TransientError)


def test_a_message_is_one_line_of_bounded_length() -> None:
    said = "first\nsecond\nRequestId:abc\nTime:now" + "x" * 5000
    ours = errors.translate(arm(400, "InvalidParameter", said), "x")
    assert "\n" not in str(ours)
    assert "RequestId" not in str(ours)
    long = errors.translate(arm(400, "InvalidParameter", "y" * 100_000), "x")
    assert len(str(long)) < 700
