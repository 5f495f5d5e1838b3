"""Wanted at the end, too: what was taken back is not built, and does not enter `latest`."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.journal import Event
from pipeline_core.domain.version_records import Standing
from pipeline_core.state import images as records
from simulation import world
from simulation.world import LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA, SIX

ONE = {"rhel9-base": None}


def _edited(made: SimulatedWorld, text: str = "bad content") -> None:
    made.register("rhel9-base", None, text=text)


def _at(made: SimulatedWorld, phase: Phase) -> None:
    """The build of the edit is in a phase."""
    if phase is Phase.PENDING:
        scenes.until(made, lambda: scenes.head(made, BASE).active is not None)
        scenes.lose(made, "dispatch-requests")
    else:
        scenes.in_phase(made, BASE, phase)


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.BUILDING, Phase.VERIFYING, Phase.PUBLISHING])
def test_a_definition_that_is_reverted_while_its_build_is_on_its_way_never_enters_latest(
    phase: Phase,
) -> None:
    made = scenes.settled(ONE)
    first = scenes.head(made, BASE).current
    assert first is not None
    _edited(made)
    _at(made, phase)
    _edited(made, "content")
    seen = set()

    def watch() -> bool:
        seen.add(made.ports.galleries.latest(LIVE, BASE))
        return False

    with pytest.raises(AssertionError):
        scenes.until(made, watch)
    made.settle()
    assert seen == {first.version}
    assert scenes.head(made, BASE).current == first
    bad = scenes.builds(made, BASE)[-1]
    assert bad.result is Result.WITHDRAWN
    assert Event.WITHDRAWN in scenes.events(made, BASE)
    if phase is Phase.PENDING:
        assert (bad.version, scenes.claim(made, bad).outcome) == (None, Outcome.SUPERSEDED)
        return
    assert bad.version is not None
    assert scenes.claim(made, bad).outcome is Outcome.SUCCEEDED
    record = made.base.records.versions.find(BASE, bad.version)
    assert record is not None
    assert record.value.standing is Standing.SPARE


def test_a_version_that_was_kept_out_is_used_when_its_input_returns() -> None:
    made = scenes.settled(ONE)
    _edited(made)
    _at(made, Phase.VERIFYING)
    _edited(made, "content")
    made.settle()
    kept = scenes.builds(made, BASE)[-1]
    _edited(made)
    made.settle()
    current = scenes.head(made, BASE).current
    assert current is not None
    assert (current.version, current.build) == (kept.version, kept.id)
    assert made.ports.galleries.latest(LIVE, BASE) == kept.version
    assert len(scenes.builds(made, BASE)) == 2


def test_a_build_that_a_newer_change_has_overtaken_is_let_in() -> None:
    made = scenes.settled(ONE)
    _edited(made, "second")
    _at(made, Phase.VERIFYING)
    _edited(made, "third")
    made.settle()
    assert [build.result for build in scenes.builds(made, BASE)] == [Result.SUCCEEDED] * 3


def test_platform_steps_that_are_taken_back_reach_no_image() -> None:
    made = scenes.settled()
    before = made.versions()
    platform = scenes.sources(made).find_platform()
    assert platform is not None
    scenes.set_platform(made, "a bad step")
    scenes.until(made, lambda: scenes.head(made, BASE).active is not None)
    scenes.lose(made, "dispatch-requests")
    world.set_platform(made, platform.digest)
    made.settle()
    assert made.versions() == before
    assert [len(scenes.builds(made, name)) for name in SIX] == [2, 1, 1, 1, 1, 1]
    assert scenes.builds(made, BASE)[-1].result is Result.WITHDRAWN


def test_a_definition_that_is_suspended_while_its_build_waits_starts_nothing() -> None:
    made = scenes.settled(ONE)
    _edited(made)
    _at(made, Phase.PENDING)
    made.register("rhel9-base", None, text="bad content", suspend=True)
    made.settle()
    build = scenes.builds(made, BASE)[-1]
    assert (build.result, build.started_at) == (Result.WITHDRAWN, None)
    assert scenes.entry_of(made, BASE, Event.WITHDRAWN).detail == (
        "its definition is suspended (spec.rebuild.suspend)"
    )
    assert scenes.rest_of(made, BASE) == "suspended"
    made.register("rhel9-base", None, text="bad content")
    made.settle()
    assert scenes.builds(made, BASE)[-1].result is Result.SUCCEEDED


def test_a_definition_that_is_suspended_while_its_build_runs_keeps_the_version_for_later() -> None:
    made = scenes.settled(ONE)
    _edited(made)
    _at(made, Phase.VERIFYING)
    made.register("rhel9-base", None, text="bad content", suspend=True)
    made.settle()
    kept = scenes.builds(made, BASE)[-1]
    assert kept.result is Result.WITHDRAWN
    assert scenes.rest_of(made, BASE) == "suspended"
    assert made.ports.galleries.latest(LIVE, BASE) != kept.version
    made.register("rhel9-base", None, text="bad content")
    made.settle()
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.version == kept.version
    assert len(scenes.builds(made, BASE)) == 2


def test_a_version_becomes_current_only_when_it_is_in_latest_although_the_list_lags() -> None:
    made = scenes.settled(ONE)
    _edited(made)
    _at(made, Phase.VERIFYING)
    made.register("rhel9-base", None, text="bad content", suspend=True)
    made.settle()
    kept = scenes.builds(made, BASE)[-1]
    galleries = made.ports.galleries

    class _Lagging:
        """Its lists do not show the newest version yet."""

        def __getattr__(self, name: str) -> object:
            return getattr(galleries, name)

        def list_versions(self, *place: object) -> list[object]:
            return [each for each in galleries.list_versions(*place) if each.version != kept.version]  # type: ignore[arg-type]  # handed on

    scenes.rewired(made, galleries=_Lagging())
    made.register("rhel9-base", None, text="bad content")
    made.drain()
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.version == kept.version == galleries.latest(LIVE, BASE)


def test_a_window_that_closes_while_a_build_waits_withdraws_it_at_dispatch() -> None:
    made = scenes.settled(ONE)
    now = made.ports.clock.now()
    window = f"{now:%a} {now:%H}:00-{now + timedelta(hours=1):%H}:00 UTC"
    made.register("rhel9-base", None, text="second", window=window)
    _at(made, Phase.PENDING)
    made.ports.clock.advance(timedelta(hours=2))
    made.factory.dispatcher.dispatch()
    build = scenes.builds(made, BASE)[-1]
    assert (build.result, build.started_at) == (Result.WITHDRAWN, None)
    assert list(scenes.index(made).pending(limit=10)) == []
    made.drain()
    assert scenes.head(made, BASE).active is None
    assert list(scenes.index(made).active()) == []
    assert scenes.rest_of(made, BASE) == "outside-window"


def test_a_build_that_began_in_its_window_may_end_outside_it() -> None:
    made = scenes.settled(ONE)
    now = made.ports.clock.now()
    window = f"{now:%a} {now:%H}:00-{now + timedelta(hours=1):%H}:00 UTC"
    made.register("rhel9-base", None, text="second", window=window)
    _at(made, Phase.VERIFYING)
    made.ports.clock.advance(timedelta(hours=2))
    made.settle()
    assert scenes.builds(made, BASE)[-1].result is Result.SUCCEEDED


def test_descendants_that_waited_for_a_withdrawn_build_go_on_without_a_sweep() -> None:
    made = scenes.settled({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    _edited(made)
    _at(made, Phase.PENDING)
    made.register("rhel9-java", "rhel9-base", text="newer java")
    made.drain(limit=0)
    assert scenes.rest_of(made, JAVA) == "waits-for-ancestor"
    _edited(made, "content")
    made.drain()
    assert scenes.builds(made, JAVA)[-1].result is Result.SUCCEEDED
    assert len(scenes.builds(made, JAVA)) == 2


def test_a_withdrawn_end_whose_message_was_lost_is_announced_by_one_sweep() -> None:
    made = scenes.settled({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    _edited(made)
    _at(made, Phase.PENDING)
    made.register("rhel9-java", "rhel9-base", text="newer java")
    scenes.look(made, JAVA)
    _edited(made, "content")
    scenes.look(made, BASE)
    scenes.lose(made)
    made.factory.sweeper.sweep()
    made.drain()
    assert scenes.builds(made, JAVA)[-1].result is Result.SUCCEEDED
    assert list(scenes.index(made).active()) == []


def test_a_build_is_planned_again_where_the_pointer_has_moved_meanwhile() -> None:
    made = scenes.settled(ONE)
    _edited(made)
    _at(made, Phase.PUBLISHING)
    store = scenes.images(made)
    stored = store.get_head(BASE)
    moved = replace(stored.value, pointer_revision=stored.value.pointer_revision + 1)
    store.commit([records.put_head(moved, etag=stored.etag)])
    made.settle()
    build = scenes.builds(made, BASE)[-1]
    assert (build.result, build.planned_on) == (Result.SUCCEEDED, moved.pointer_revision)
    assert scenes.head(made, BASE).pointer_revision == moved.pointer_revision + 1
