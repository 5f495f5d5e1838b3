"""The life of a build as a graph: whatever is tried in whatever order, it ends once and `seq` only rises."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain import builds
from pipeline_core.domain.builds import Build, Failure, Phase, Result
from pipeline_core.domain.errors import ErrorClass, UnlistedTransition
from tests.unit.domain import factories as make

FAILURE = Failure(error_class=ErrorClass.COMPLIANCE, message="why")
MINUTE = timedelta(minutes=1)
ACTS = st.one_of(
    st.sampled_from(list(Phase)), st.sampled_from(list(Result)), st.just("give up"), st.just("cancel")
)


def _act(build: Build, act: Phase | Result | str) -> Build:
    at = build.phase_since + MINUTE
    if isinstance(act, Phase):
        return builds.move(build, act, at)
    if isinstance(act, Result):
        return builds.finish(build, act, at)
    if act == "give up":
        return builds.give_up(build, FAILURE)
    request = builds.CancelRequest(actor="a", reason="b", at=at)
    return builds.ask_to_cancel(build, request)


@given(st.lists(ACTS, max_size=30))
def test_no_order_of_events_leaves_the_end_or_lets_seq_fall(acts: list[Phase | Result | str]) -> None:
    build = make.build()
    for act in acts:
        before = build
        try:
            build = _act(build, act)
        except UnlistedTransition:
            assert build is before
            continue
        assert not before.is_finished
        assert build.seq == before.seq + (0 if act == "cancel" else 1)
        assert (build.result is not None) is build.is_finished
        assert build.phase_since >= before.phase_since
        assert list(Phase).index(build.phase) >= list(Phase).index(before.phase)
        assert build.attempt == (before.attempt + 1 if act is before.phase else _attempt(before, build))


def _attempt(before: Build, after: Build) -> int:
    """A new phase begins with its first attempt; an end, a wish and giving up keep the number."""
    return before.attempt if after.is_finished or after.phase is before.phase else 1


@pytest.mark.parametrize("act", [*Phase, *Result, "give up", "cancel"])
def test_nothing_moves_a_build_that_has_ended(act: Phase | Result | str) -> None:
    ended = builds.finish(make.build(Phase.PUBLISHING), Result.SUCCEEDED, make.NOW)
    with pytest.raises(UnlistedTransition):
        _act(ended, act)


def test_every_phase_and_every_listed_transition_is_reached_from_pending() -> None:
    seen: set[tuple[Phase, Phase | Result]] = set()
    reached, waiting = {Phase.PENDING}, [make.build()]
    while waiting:
        build = waiting.pop()
        for act in (*Phase, *Result):
            try:
                after = _act(build, act)
            except UnlistedTransition:
                continue
            seen.add((build.phase, act))
            if after.phase not in reached:
                reached.add(after.phase)
                waiting.append(after)
    assert reached == set(Phase)
    moves = {(before, to) for before, targets in builds._TRANSITIONS.items() for to in targets}
    ends = {(before, result) for before, results in builds._RESULTS.items() for result in results}
    assert seen == {pair for pair in moves if pair[1] is not Phase.FINISHED} | ends
    # The end is listed for a phase where, and only where, some result is.
    assert {before for before, to in moves if to is Phase.FINISHED} == {before for before, _ in ends}
