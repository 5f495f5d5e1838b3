"""What an answer of Azure means, as a table; the adapters' own tables read the same answers out of the SDKs' errors."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain.azure_code_table import ROWS
from pipeline_core.domain.cloud_errors import CloudAnswer, error_of, retry_after
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

T, P = TransientError, PermanentError


@pytest.mark.parametrize(
    ("answer", "kind", "wanted"),
    [
        pytest.param(CloudAnswer(status=None), T, ErrorClass.NETWORK, id="no answer"),
        pytest.param(CloudAnswer(status=None, no_token=True), T, ErrorClass.TOKEN, id="no token to ask with"),
        pytest.param(
            CloudAnswer(status=409, code="BlobAlreadyExists"), AlreadyExists, None, id="a blob is there"
        ),
        pytest.param(
            CloudAnswer(status=409, exists=True), AlreadyExists, None, id="the SDK says that it is there"
        ),
        pytest.param(CloudAnswer(status=412), StaleWrite, None, id="a condition was not met"),
        pytest.param(
            CloudAnswer(status=409, code="ConditionNotMet"), StaleWrite, None, id="the same by its code"
        ),
        pytest.param(CloudAnswer(status=409), T, ErrorClass.CONFLICT, id="another operation"),
        pytest.param(CloudAnswer(status=429), T, ErrorClass.THROTTLED, id="a limit of the rate"),
        pytest.param(
            CloudAnswer(status=503, code="ServerBusy"), T, ErrorClass.THROTTLED, id="storage's limit"
        ),
        pytest.param(CloudAnswer(status=401), T, ErrorClass.TOKEN, id="a token ran out"),
        pytest.param(
            CloudAnswer(status=403, code="AuthenticationFailed"), T, ErrorClass.TOKEN, id="at storage"
        ),
        pytest.param(CloudAnswer(status=403), NotAllowed, ErrorClass.PERMISSION, id="a right is missing"),
        pytest.param(CloudAnswer(status=409, code="ScopeLocked"), P, ErrorClass.PERMISSION, id="a lock"),
        pytest.param(
            CloudAnswer(status=403, code="PolicyViolation"), P, ErrorClass.AZURE_POLICY, id="Azure Policy"
        ),
        pytest.param(CloudAnswer(status=404), NotFound, ErrorClass.NOT_FOUND, id="not there"),
        pytest.param(
            CloudAnswer(status=404, code="ParentResourceNotFound"),
            ParentNotFound,
            ErrorClass.NOT_FOUND,
            id="its parent is not there",
        ),
        pytest.param(CloudAnswer(status=408), T, ErrorClass.NETWORK, id="a request that took too long"),
        pytest.param(CloudAnswer(status=500), T, ErrorClass.NETWORK, id="a broken server"),
        pytest.param(CloudAnswer(status=501), P, ErrorClass.TEMPLATE, id="what the service cannot do"),
        pytest.param(CloudAnswer(status=400), P, ErrorClass.TEMPLATE, id="a wrong body"),
        pytest.param(
            CloudAnswer(status=409, code="OperationNotAllowed", said="Cores QUOTA"),
            T,
            ErrorClass.QUOTA,
            id="a quota",
        ),
        *(
            pytest.param(CloudAnswer(status=409, code=code), T, ErrorClass.CAPACITY, id=code)
            for code in sorted(
                row.code for row in ROWS if row.error_class is ErrorClass.CAPACITY and not row.words
            )
        ),
    ],
)
def test_each_answer_has_one_meaning(
    answer: CloudAnswer, kind: type[FactoryError], wanted: ErrorClass | None
) -> None:
    error = error_of(answer, "do it")
    assert type(error) is kind
    assert getattr(error, "error_class", None) is wanted


def test_the_text_says_what_was_tried_and_one_line_of_the_answer() -> None:
    said = "Server  is busy.\nRequestId:7\nTime:now"
    answer = CloudAnswer(status=503, code="ServerBusy", said=said, headers={"retry-after": "7"})
    error = error_of(answer, "read blob a")
    assert str(error) == "read blob a: 503 ServerBusy: Server is busy."
    assert isinstance(error, TransientError)
    assert error.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("answer", "absent", "definite"),
    [
        (CloudAnswer(status=None), False, False),
        (CloudAnswer(status=400), False, True),
        (CloudAnswer(status=404), True, False),
        (CloudAnswer(status=404, code="TableNotFound"), False, False),
        (CloudAnswer(status=409), False, False),
        (CloudAnswer(status=412), False, False),
        (CloudAnswer(status=500), False, False),
    ],
)
def test_what_an_answer_proves(answer: CloudAnswer, absent: bool, definite: bool) -> None:
    assert (answer.is_absent, answer.is_definite) == (absent, definite)


@pytest.mark.parametrize(
    ("code", "said", "wanted"),
    [
        ("QuotaExceeded", "", ErrorClass.QUOTA),
        ("ContainerGroupQuotaReached", "", ErrorClass.QUOTA),
        ("ServiceUnavailable", "container group quota 'ContainerGroups' exceeded", ErrorClass.QUOTA),
        ("ServiceUnavailable", "There is no CAPACITY in this region", ErrorClass.CAPACITY),
        ("ServiceUnavailable", "try later", ErrorClass.NETWORK),
    ],
)
def test_words_decide_where_a_code_is_ambiguous(code: str, said: str, wanted: ErrorClass) -> None:
    error = error_of(CloudAnswer(status=503, code=code, said=said), "create a group")
    assert isinstance(error, TransientError)
    assert error.error_class is wanted


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ({"retry-after": "Sun, 29 Nov 2026 12:00:09 GMT", "date": "Sun, 29 Nov 2026 12:00:00 GMT"}, 9),
        ({"retry-after": "Sun, 29 Nov 2026 11:00:00 GMT", "date": "Sun, 29 Nov 2026 12:00:00 GMT"}, 0),
        ({"retry-after": "soon", "date": "Sun, 29 Nov 2026 12:00:00 GMT"}, None),
        ({"retry-after-ms": "1500"}, 1.5),
        ({}, None),
    ],
)
def test_the_wait_is_read_from_any_form_of_the_header(headers: dict[str, str], wanted: float | None) -> None:
    error = error_of(CloudAnswer(status=429, headers=headers), "list groups")
    assert isinstance(error, TransientError)
    assert error.retry_after == (None if wanted is None else timedelta(seconds=wanted))


@pytest.mark.parametrize(
    "code", ["AuthorizationFailed", "AuthorizationPermissionMismatch", "Forbidden", "NewCode"]
)
def test_a_403_may_be_about_a_role_that_comes_late(code: str) -> None:
    assert isinstance(error_of(CloudAnswer(status=403, code=code), "write it"), NotAllowed)


@pytest.mark.parametrize(
    "code",
    [
        "AccountIsDisabled",
        "ForbiddenByFirewall",
        "ReadOnlyDisabledSubscription",
        "RegionDoesNotAllowProvisioning",
        "SubscriptionNotRegistered",
        "RequestDisallowedByPolicy",
    ],
)
def test_a_403_that_no_role_ends_is_believed_at_once(code: str) -> None:
    assert type(error_of(CloudAnswer(status=403, code=code), "write it")) is PermanentError


def test_a_missing_table_is_lost_state_and_not_a_missing_row() -> None:
    answer = CloudAnswer(status=404, code="TableNotFound", said="The table specified does not exist.")
    error = error_of(answer, "scan index/fleet")
    assert isinstance(error, TablesLost)
    assert "scan index/fleet: the factory's tables are lost: SecOps runs" in str(error)


_days = st.from_regex(
    r"(Mon|Sun), [0-9]{1,2} (Nov|Jan) [0-9]{1,9} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|[+-][0-9]{4})",
    fullmatch=True,
)


@given(then=st.text() | st.from_regex(r"-?[0-9]{1,40}", fullmatch=True) | _days, now=st.text() | _days)
def test_a_header_that_anybody_wrote_asks_for_nothing_up_to_an_hour(then: str, now: str) -> None:
    wait = retry_after({"retry-after": then, "date": now})
    assert wait is None or timedelta(0) <= wait <= timedelta(hours=1)
