"""A security change reaches a child at once, whatever else changes meanwhile: a lane belongs to a change."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.reasons import Lane, ReasonKind
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA

WINDOW = "Mon-Fri 06:00-20:00 Europe/Amsterdam"
CLOSING = datetime(2027, 1, 15, 18, 58, tzinfo=UTC)  # a Friday, two minutes before the window closes


def _with_window() -> SimulatedWorld:
    made = scenes.registered({})
    made.register("rhel9-base", None)
    made.register("rhel9-java", "rhel9-base", window=WINDOW)
    made.drain()
    made.ports.clock.set(CLOSING)
    return made


def _built_on(made: SimulatedWorld) -> str:
    current = scenes.head(made, JAVA).current
    return "" if current is None else str(current.inputs.origin)


def _base(made: SimulatedWorld) -> str:
    current = scenes.head(made, BASE).current
    return "" if current is None else f"{BASE}@{current.version}"


def _edited(made: SimulatedWorld) -> None:
    made.register("rhel9-base", None, text="an edit of the base")


def _requested(made: SimulatedWorld) -> None:
    made.factory.requests.request(BASE, scenes.ADMIN, "once more", "key-1")


@pytest.mark.parametrize("meanwhile", [_edited, _requested])
def test_a_release_passes_a_closed_window_though_the_base_was_built_once_more_meanwhile(
    meanwhile: object,
) -> None:
    made = _with_window()
    scenes.released(made)
    scenes.in_phase(made, BASE, Phase.BUILDING)
    assert callable(meanwhile)
    meanwhile(made)
    made.drain()
    assert [build.lane for build in scenes.builds(made, BASE)][1:] == [Lane.SECURITY, Lane.HUMAN]
    assert made.ports.clock.now() < CLOSING + timedelta(hours=6)
    assert _built_on(made) == _base(made)
    assert scenes.builds(made, JAVA)[-1].lane is Lane.SECURITY


def test_an_edit_of_the_base_alone_waits_for_the_window_of_the_child() -> None:
    made = _with_window()
    _edited(made)
    made.drain()
    assert scenes.rest_of(made, JAVA) == "outside-window"


def test_a_change_that_was_seen_once_is_not_urgent_again() -> None:
    made = _with_window()
    scenes.released(made)
    made.drain()
    assert _built_on(made) == _base(made)
    _edited(made)
    made.drain()
    assert scenes.rest_of(made, JAVA) == "outside-window"


def test_going_back_to_a_former_version_has_the_lane_of_that_change() -> None:
    made = _with_window()
    scenes.released(made)
    made.drain()  # the version that is reused below was a security build
    _edited(made)
    made.drain()
    made.register("rhel9-base", None)
    made.drain()
    head = scenes.head(made, BASE)
    assert head.current is not None
    assert (head.current.lane, head.changes.security) == (Lane.HUMAN, 1)
    assert scenes.rest_of(made, JAVA) == "current"  # it was built from that version


def test_a_grandchild_of_a_windowed_child_gets_the_fix_too() -> None:
    made = _with_window()
    made.ports.clock.set(CLOSING - timedelta(days=1))
    made.register("payments-api", "rhel9-java", window=WINDOW)
    made.drain()
    made.ports.clock.set(CLOSING)
    scenes.released(made)
    scenes.in_phase(made, BASE, Phase.BUILDING)
    _edited(made)
    made.drain()
    current, parent = scenes.head(made, scenes.PAYMENTS).current, scenes.head(made, JAVA).current
    assert current is not None
    assert parent is not None
    assert str(current.inputs.origin) == f"{JAVA}@{parent.version}"


def test_a_child_that_is_moved_below_a_base_with_a_newer_fix_does_not_wait() -> None:
    made = _with_window()
    made.register("other-base", None)
    made.drain()
    made.ports.clock.set(CLOSING)
    scenes.released(made)
    made.drain()
    made.register("rhel9-java", "other-base", window=WINDOW)
    assert scenes.rest_of(made, JAVA) == "outside-window"  # it has that fix already
    made.ports.clock.advance(timedelta(minutes=5))
    scenes.released(made, "9.8.2026062324")
    scenes.until(made, lambda: str(scenes.head(made, BASE).current).find("2026062324") > 0)
    made.drain()
    current = scenes.head(made, JAVA).current
    assert current is not None
    assert str(current.inputs.origin).startswith("other-base@")


def _edit_that_waits(made: SimulatedWorld) -> Build:
    """The child's window lets a build of an edit begin, which waits for a slot; two minutes later it is closed."""
    made.register("rhel9-java", "rhel9-base", text="an edit of the child", window=WINDOW)
    scenes.until(made, lambda: scenes.head(made, JAVA).active is not None)
    scenes.lose(made, "dispatch-requests")
    made.ports.clock.advance(timedelta(hours=1))
    return scenes.active(made, JAVA).value


def test_new_platform_steps_open_no_window_for_an_edit_that_waits_without_them() -> None:
    """The child waits for its base, which is built with them first, so nothing replaces the child's build."""
    made = _with_window()
    edit = _edit_that_waits(made)
    scenes.set_platform(made, "new steps")
    scenes.in_phase(made, BASE, Phase.BUILDING)
    made.factory.dispatcher.dispatch()
    ended = scenes.stored(made, edit.id).value
    assert (edit.lane, ended.result, ended.started_at) == (Lane.HUMAN, Result.WITHDRAWN, None)
    made.drain()
    built = scenes.builds(made, JAVA)[2:]
    assert [(each.lane, each.result) for each in built] == [(Lane.SECURITY, Result.SUCCEEDED)]
    assert {reason.kind for reason in built[0].reasons} == {
        ReasonKind.BUNDLE_CHANGED,
        ReasonKind.PARENT_CHANGED,
        ReasonKind.PLATFORM_CHANGED,
    }


def test_a_fix_that_can_begin_takes_the_place_of_the_edit_that_its_window_holds_back() -> None:
    made = scenes.registered({})
    made.register("rhel9-java", None, window=WINDOW)
    made.drain()
    made.ports.clock.set(CLOSING)
    made.register("rhel9-java", None, text="an edit", window=WINDOW)
    scenes.until(made, lambda: scenes.head(made, JAVA).active is not None)
    scenes.lose(made, "dispatch-requests")
    edit = scenes.active(made, JAVA).value
    made.ports.clock.advance(timedelta(hours=1))
    scenes.released(made)
    made.drain()
    replaced, fix = scenes.builds(made, JAVA)[-2:]
    assert (replaced.id, replaced.result) == (edit.id, Result.SUPERSEDED)
    assert (fix.lane, fix.waits_since) == (Lane.SECURITY, edit.waits_since)
