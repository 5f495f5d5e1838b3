"""A refusal about what was granted or made just now is asked again for a bounded time, and then believed."""

from datetime import timedelta

import pytest

from pipeline_core.domain import propagation
from pipeline_core.domain.errors import (
    ErrorClass,
    ErrorScope,
    NotAllowed,
    NotFound,
    Owner,
    ParentNotFound,
    PermanentError,
    ScopeKind,
)
from pipeline_core.domain.retry import GiveUp, TryAgain, next_attempt, next_try
from tests.unit.domain.factories import NOW

ALLOWED, PARENT = NotAllowed("write it: 403 AuthorizationFailed"), ParentNotFound("write it: 404")
MOMENT = timedelta(seconds=1)


@pytest.mark.parametrize(("error", "bound"), [(ALLOWED, propagation.GRANT), (PARENT, propagation.PARENT)])
def test_a_refusal_may_end_until_its_bound(error: PermanentError, bound: timedelta) -> None:
    assert propagation.may_end(error, since=NOW, now=NOW)
    assert propagation.may_end(error, since=NOW, now=NOW + bound - MOMENT)
    assert not propagation.may_end(error, since=NOW, now=NOW + bound)


@pytest.mark.parametrize(
    "error",
    [
        NotFound("not there"),
        PermanentError(ErrorClass.PERMISSION, "a lock"),
        PermanentError(ErrorClass.TEMPLATE, "no"),
    ],
)
def test_no_other_error_is_waited_for(error: PermanentError) -> None:
    assert propagation.bound_of(error) is None
    assert not propagation.may_end(error, since=NOW, now=NOW)


def test_a_right_is_waited_for_longer_than_azure_says_it_takes() -> None:
    assert timedelta(minutes=10) < propagation.GRANT


@pytest.mark.parametrize(
    ("error", "error_class", "words"),
    [
        (ALLOWED, ErrorClass.PERMISSION, ("for 15 minutes", "missing role", "infra/roles.tf", "rebuild")),
        (PARENT, ErrorClass.NOT_FOUND, ("for 5 minutes", "its parent is gone", "rebuild")),
        (NotFound("not there"), ErrorClass.NOT_FOUND, ("for 0 minutes",)),
    ],
)
def test_what_is_believed_says_for_how_long_and_what_to_do(
    error: PermanentError, error_class: ErrorClass, words: tuple[str, ...]
) -> None:
    found = propagation.believed(error)
    assert type(found) is PermanentError
    assert found.error_class is error_class
    assert str(found).startswith(str(error))
    assert all(word in str(found) for word in words)


def test_what_is_believed_holds_where_the_refusal_said() -> None:
    refused = NotAllowed("write it: 403 AuthorizationFailed")
    refused.owner, refused.scope = Owner.AZURE, ErrorScope(kind=ScopeKind.SIZE, name="Standard_D4s_v5")
    found = propagation.believed(refused)
    assert (found.owner, found.scope) == (refused.owner, refused.scope)


def test_an_attempt_of_the_builder_waits_for_a_right_by_its_retries() -> None:
    decisions = [next_attempt(ErrorClass.PERMISSION, attempt, 0.0) for attempt in (1, 2, 3, 4)]
    delays = [each.delay for each in decisions if isinstance(each, TryAgain)]
    assert decisions[3] == GiveUp()
    assert timedelta(minutes=10) <= sum(delays, timedelta(0)) <= timedelta(minutes=20)
    assert next_try(ErrorClass.PERMISSION, 1, 0.0) == GiveUp()
    assert next_attempt(ErrorClass.POLICY, 1, 0.0) == GiveUp()
    assert next_attempt(ErrorClass.NETWORK, 1, 0.5) == next_try(ErrorClass.NETWORK, 1, 0.5)
