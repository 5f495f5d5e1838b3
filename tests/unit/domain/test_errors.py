"""The two axes of error carry what a handler needs."""

from datetime import timedelta

from pipeline_core.domain.errors import (
    BeingMade,
    Contended,
    ErrorClass,
    NotFound,
    PermanentError,
    TransientError,
)


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
