"""What a pause of the factory holds back, by its record and the clock."""

from datetime import timedelta

import pytest

from pipeline_core.domain import pauses
from pipeline_core.domain.actors import Actor
from pipeline_core.domain.pauses import FactoryPause, PauseState
from tests.unit.domain.factories import NOW

SOON = NOW + timedelta(minutes=2)


def pause(**changes: object) -> FactoryPause:
    known = {"revision": 1, "is_paused": True, "reason": "an incident", "actor": "Ada", "at": NOW}
    return FactoryPause(**(known | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "state"),
    [
        (None, PauseState.RUNNING),
        (pause(is_paused=False, settles_at=NOW), PauseState.RUNNING),
        (pause(), PauseState.PAUSING),
        (pause(settles_at=SOON), PauseState.PAUSING),
        (pause(settles_at=NOW), PauseState.PAUSED),
    ],
    ids=["never", "ended", "nobody has looked", "a creation is under way", "certain"],
)
def test_nothing_is_created_from_the_moment_on_that_the_record_names(
    known: FactoryPause | None, state: PauseState
) -> None:
    assert pauses.state_of(known, NOW) is state
    assert pauses.text_of(known, NOW).startswith(f"the factory is {state.value} since") == (
        state is not PauseState.RUNNING
    )


def test_a_pause_says_who_why_and_since_when() -> None:
    text = pauses.text_of(pause(settles_at=NOW), NOW)
    assert text.endswith(f"since {NOW:%Y-%m-%d %H:%M} UTC by Ada: an incident")


def test_who_paused_is_an_identity_where_the_record_has_one() -> None:
    assert pause(identity="user:1@t").by == Actor(name="Ada", identity="user:1@t")
    assert pause().by == Actor(name="Ada")
