"""A build that must stop: by a person, or because it cannot succeed."""

import pytest

from pipeline_core.domain import builds
from pipeline_core.domain.builds import CancelRequest, Failure, Phase, Result
from pipeline_core.domain.errors import ErrorClass, UnlistedTransition
from tests.unit.domain import factories as make

REQUEST = CancelRequest(actor="Admin", at=make.NOW, reason="wrong licence")
FAILURE = Failure(error_class=ErrorClass.POLICY, message="denied")
RUNNING = [phase for phase in Phase if phase is not Phase.FINISHED]


@pytest.mark.parametrize("phase", RUNNING)
def test_a_running_build_can_be_asked_to_stop_and_stands_where_it_stood(phase: Phase) -> None:
    build = make.build(phase)
    asked = builds.ask_to_cancel(build, REQUEST)
    assert (build.is_stopping, asked.is_stopping) == (False, True)
    assert (asked.phase, asked.seq, asked.attempt) == (build.phase, build.seq, build.attempt)
    assert asked.cancel == REQUEST


def test_a_finished_build_cannot_be_asked_to_stop() -> None:
    with pytest.raises(UnlistedTransition):
        builds.ask_to_cancel(make.build(Phase.FINISHED), REQUEST)


@pytest.mark.parametrize("phase", Phase)
def test_giving_up_is_a_transition_where_a_build_can_fail(phase: Phase) -> None:
    build = make.build(phase)
    if phase in (Phase.PENDING, Phase.FINISHED):
        with pytest.raises(UnlistedTransition):
            builds.give_up(build, FAILURE)
        return
    given_up = builds.give_up(build, FAILURE)
    assert given_up.is_stopping
    assert (given_up.phase, given_up.failure, given_up.seq) == (phase, FAILURE, build.seq + 1)


def test_a_build_that_has_ended_stops_no_more() -> None:
    asked = builds.ask_to_cancel(make.build(Phase.BUILDING), REQUEST)
    ended = builds.finish(asked, Result.CANCELLED, make.NOW)
    assert ended.cancel == REQUEST
    assert not ended.is_stopping
