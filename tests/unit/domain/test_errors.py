"""Class, owner and permanence of an error, and what the two kinds of exception carry."""

from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Failure
from pipeline_core.domain.errors import (
    CLASSES,
    BeingMade,
    ClassRule,
    Contended,
    ErrorClass,
    ErrorScope,
    NotFound,
    OverLimit,
    Owner,
    PermanentError,
    QuarantineFull,
    ScopeKind,
    TransientError,
    UnreadableRow,
)

WESTEUROPE = ErrorScope(kind=ScopeKind.REGION, name="westeurope")
TEAM = {"policy", "template", "provisioner", "compliance", "smoke", "hygiene"}
AZURE = {"throttled", "capacity", "network", "token", "conflict", "eviction"}
WAITED_FOR = {*AZURE, "quota", "registry", "mirror", "unknown"}


@pytest.mark.parametrize("error_class", list(ErrorClass))
def test_each_class_has_an_owner_and_a_permanence(error_class: ErrorClass) -> None:
    owner = Owner.PLATFORM
    if error_class is ErrorClass.MIRROR:
        owner = Owner.UPSTREAM
    elif error_class.value in AZURE:
        owner = Owner.AZURE
    elif error_class.value in TEAM:
        owner = Owner.TEAM
    permanent = error_class.value not in WAITED_FOR
    assert CLASSES[error_class] == ClassRule(owner=owner, permanent=permanent)
    assert (error_class.owner, error_class.is_transient) == (owner, not permanent)
    assert error_class.only_waits == (error_class.value in {"capacity", "quota"})


@pytest.mark.parametrize("error_class", list(ErrorClass))
def test_a_failure_that_names_nothing_goes_by_its_class(error_class: ErrorClass) -> None:
    failure = Failure(error_class=error_class, message="x")
    assert (failure.who, failure.stays) == (error_class.owner, not error_class.is_transient)
    assert failure.is_of_team == (error_class.value in TEAM)


@pytest.mark.parametrize("error_class", list(ErrorClass))
@pytest.mark.parametrize("owner", list(Owner))
@pytest.mark.parametrize("permanent", [True, False])
def test_what_a_failure_names_decides(error_class: ErrorClass, owner: Owner, permanent: bool) -> None:
    failure = Failure(error_class=error_class, message="x", owner=owner, permanent=permanent)
    assert (failure.who, failure.stays) == (owner, permanent)
    assert failure.is_of_team == (owner is Owner.TEAM and permanent)


def test_an_error_may_name_its_owner_and_where_it_holds() -> None:
    permanent = PermanentError(ErrorClass.TEMPLATE, "no such size", owner=Owner.PLATFORM, scope=WESTEUROPE)
    transient = TransientError(ErrorClass.CAPACITY, "no room", scope=WESTEUROPE)
    assert (permanent.owner, permanent.scope, transient.scope) == (Owner.PLATFORM, WESTEUROPE, WESTEUROPE)
    assert (NotFound("x").owner, NotFound("x").scope, str(WESTEUROPE)) == (None, None, "region:westeurope")


def test_a_transient_error_says_when_to_come_again() -> None:
    error = TransientError(ErrorClass.THROTTLED, "slow down", retry_after=timedelta(seconds=7))
    assert (error.error_class, error.retry_after, str(error)) == (
        ErrorClass.THROTTLED,
        timedelta(seconds=7),
        "slow down",
    )


def test_what_is_not_found_is_permanent() -> None:
    error = NotFound("image x is not registered")
    assert isinstance(error, PermanentError)
    assert error.error_class is ErrorClass.NOT_FOUND


def test_a_contended_change_is_a_conflict_that_time_helps() -> None:
    error = Contended("app is being changed by others: try again", retry_after=timedelta(seconds=3))
    assert isinstance(error, TransientError)
    assert (error.error_class, error.retry_after) == (ErrorClass.CONFLICT, timedelta(seconds=3))


def test_what_is_being_made_is_a_conflict_that_names_no_time() -> None:
    error = BeingMade("image x in live is being made")
    assert isinstance(error, TransientError)
    assert (error.error_class, error.retry_after) == (ErrorClass.CONFLICT, None)


def test_a_row_that_cannot_be_read_is_the_factorys_own_fault() -> None:
    error = UnreadableRow("row app/head has schema 2", partition="app", key="head")
    assert isinstance(error, PermanentError)
    assert (error.partition, error.key) == ("app", "head")
    assert error.error_class.owner is Owner.PLATFORM


def test_a_full_quarantine_is_no_end_of_quota_for_others() -> None:
    error = QuarantineFull("the gallery has no room", retry_after=timedelta(minutes=5))
    assert (error.error_class, error.retry_after) == (ErrorClass.QUOTA, timedelta(minutes=5))


def test_a_limit_that_is_reached_says_when_it_ends() -> None:
    error = OverLimit("team payments has asked for 500 builds today", retry_after=timedelta(hours=3))
    assert (error.error_class, error.retry_after) == (ErrorClass.THROTTLED, timedelta(hours=3))
    assert str(error) == "team payments has asked for 500 builds today"
