"""Dispatch: slots and team limits hold, the most urgent goes first, and a lost race is looked at again."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Build, CancelRequest, Phase, Result, ask_to_cancel
from pipeline_core.domain.dispatch import GROUPS_PER_BUILD, PendingBuild
from pipeline_core.domain.errors import AlreadyExists, StaleWrite, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import BuildId, CampaignId, ImageName, TeamName
from pipeline_core.domain.reasons import Lane
from pipeline_core.ports import TableWrite
from pipeline_core.state import images as records
from pipeline_core.wire.messages import StepMessage
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

GHOST = BuildId("ghost.000000000000.1")


def _roots(count: int) -> dict[str, str | None]:
    return {f"image-{number:02d}": None for number in range(count)}


def _queued(parents: dict[str, str | None], **options: object) -> SimulatedWorld:
    """A world whose builds all wait for a slot."""
    made = scenes.registered(parents, **options)
    for name in parents:
        scenes.look(made, ImageName(name))
    scenes.lose(made)
    return made


def _started(made: SimulatedWorld) -> list[str]:
    """The images whose build has a slot, in no order."""
    return sorted(str(build.image) for build in scenes.capacity(made).holders())


def _waiting(made: SimulatedWorld) -> list[str]:
    return [str(row.value.build.image) for row in scenes.index(made).pending(limit=100)]


def test_a_pass_starts_as_many_builds_as_there_are_slots_and_no_more() -> None:
    made = _queued(_roots(5), slots=2)
    assert made.factory.dispatcher.dispatch() == 2
    assert made.factory.dispatcher.dispatch() == 0
    assert len(_started(made)) == 2
    assert len(_waiting(made)) == 3
    assert sorted(scenes.phases(made), key=str) == [Phase.BUILDING] * 2 + [Phase.PENDING] * 3


@pytest.mark.slow
def test_slots_are_never_exceeded_while_a_whole_fleet_is_built() -> None:
    made = _queued(_roots(12), slots=3)
    made.factory.dispatcher.dispatch()
    most = 0

    def all_done() -> bool:
        nonlocal most
        groups = [group.tags["imagefactory-build"] for group in made.ports.containers.list_groups()]
        # Verifying may begin while the group that built is still being deleted: no build ever has more.
        assert max(Counter(groups).values(), default=0) <= GROUPS_PER_BUILD
        most = max(most, len(set(groups)))
        assert len(_started(made)) <= 3
        return all(made.versions().values())

    scenes.until(made, all_done)
    assert most == 3


def test_a_started_build_has_a_version_a_step_and_a_line_in_the_journal() -> None:
    made = _queued({"rhel9-base": None})
    made.factory.dispatcher.dispatch()
    build = scenes.active(made, BASE).value
    assert (build.phase, build.seq, build.attempt) == (Phase.BUILDING, 1, 1)
    assert str(build.version) == "9.20261121.1"
    head = scenes.head(made, BASE)
    assert head.last_version == build.version
    assert head.active is not None
    assert head.active.phase is Phase.BUILDING
    (text,) = scenes.texts(made, "build-steps")
    assert StepMessage.from_wire(text).seq == 1
    assert Event.STARTED in scenes.events(made, BASE)


def test_a_team_at_its_limit_is_passed_over_and_others_go_on() -> None:
    made = scenes.settled({"rhel9-base": None})
    for number in range(4):
        scenes.register_for(made, f"a-{number}", "rhel9-base", "greedy")
    made.ports.clock.advance(timedelta(seconds=5))
    scenes.register_for(made, "z-last", "rhel9-base", "modest")
    scenes.limited(made, slots=4, team_slots=2)
    for name in (*(f"a-{number}" for number in range(4)), "z-last"):
        scenes.look(made, ImageName(name))
    scenes.lose(made)
    assert made.factory.dispatcher.dispatch() == 3
    started = _started(made)
    assert "z-last" in started
    assert len([name for name in started if name.startswith("a-")]) == 2


def test_a_team_is_passed_over_across_pages_of_pending_builds() -> None:
    made = scenes.settled({"rhel9-base": None})
    for number in range(7):
        scenes.register_for(made, f"a-{number}", "rhel9-base", "greedy")
    made.ports.clock.advance(timedelta(seconds=5))
    scenes.register_for(made, "z-last", "rhel9-base", "modest")
    scenes.limited(made, slots=2, team_slots=1)
    for name in (*(f"a-{number}" for number in range(7)), "z-last"):
        scenes.look(made, ImageName(name))
    scenes.lose(made)
    assert made.factory.dispatcher.dispatch() == 2
    assert "z-last" in _started(made)


def test_the_parked_builds_of_a_team_start_when_its_slots_are_free_again() -> None:
    made = scenes.settled({"rhel9-base": None})
    for number in range(3):
        scenes.register_for(made, f"a-{number}", "rhel9-base", "greedy")
    scenes.limited(made, slots=4, team_slots=1)
    made.drain()
    assert all(made.versions().values())
    ledger = scenes.capacity(made).read(made.ports.clock.now())
    assert not any(ledger.capacity.by_team.values())
    assert scenes.index(made).parked(TeamName("greedy"), limit=5) == []


def test_the_longest_chain_goes_first_within_a_lane_and_security_before_all() -> None:
    made = scenes.settled({"a-edited": None, "b-root": None, "c-child": "b-root", "d-child": "c-child"})
    scenes.released(made)
    made.ports.clock.advance(timedelta(seconds=1))
    for name in ("a-edited", "b-root"):
        scenes.look(made, ImageName(name))
    assert _waiting(made) == ["b-root", "a-edited"]
    scenes.limited(made, slots=1)
    made.factory.dispatcher.dispatch()
    assert _started(made) == ["b-root"]


def test_an_upstream_change_goes_before_an_edit_that_was_there_first() -> None:
    made = scenes.settled({"a-edited": None, "b-root": None})
    made.register("a-edited", None, text="edited")
    scenes.look(made, ImageName("a-edited"))
    made.ports.clock.advance(timedelta(minutes=1))
    made.register("b-root", None, suspend=False)
    scenes.released(made)
    scenes.look(made, ImageName("b-root"))
    assert _waiting(made) == ["b-root", "a-edited"]
    lanes = {str(name): scenes.active(made, ImageName(name)).value.lane for name in ("a-edited", "b-root")}
    assert lanes == {"a-edited": Lane.HUMAN, "b-root": Lane.SECURITY}


def test_a_pending_row_without_a_build_is_removed_and_takes_no_slot() -> None:
    made = _queued({"rhel9-base": None}, slots=1)
    scenes.index(made).add_pending(PendingBuild(key="0-00-ghost", build=GHOST, team=TeamName("secops")))
    made.factory.dispatcher.dispatch()
    assert str(GHOST) not in [str(build) for build in scenes.capacity(made).holders()]
    made.factory.dispatcher.dispatch()
    assert _waiting(made) == []
    assert _started(made) == ["rhel9-base"]


def test_a_pending_row_of_a_build_that_runs_is_removed_and_its_step_is_sent_again() -> None:
    made = _queued({"rhel9-base": None})
    (row,) = scenes.index(made).pending(limit=1)
    made.factory.dispatcher.dispatch()
    scenes.lose(made)
    scenes.index(made).add_pending(row.value)
    made.ports.clock.advance(timedelta(minutes=1))
    assert made.factory.dispatcher.dispatch() == 0
    assert _waiting(made) == []
    (text,) = scenes.texts(made, "build-steps")
    assert StepMessage.from_wire(text).seq == 1
    assert len(_started(made)) == 1


def test_a_pending_row_of_a_build_that_has_just_started_is_removed_and_one_look_is_asked_for() -> None:
    """The process that started it may have died before its first step; a look that only waits makes no second chain."""
    made = _queued({"rhel9-base": None})
    (row,) = scenes.index(made).pending(limit=1)
    made.factory.dispatcher.dispatch()
    scenes.lose(made)
    scenes.index(made).add_pending(row.value)
    made.factory.dispatcher.dispatch()
    assert _waiting(made) == []
    (text,) = scenes.texts(made, "build-steps")
    assert StepMessage.from_wire(text).once


def test_a_lost_race_for_a_slot_is_looked_at_again_at_once() -> None:
    made = _queued(_roots(2), slots=2)
    other = made.factory
    race = scenes.once(lambda: _run(other.dispatcher.dispatch))

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if table == "capacity":
            race()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    made.factory.dispatcher.dispatch()
    assert len(_started(made)) == 2
    assert _waiting(made) == []
    assert [build.phase for image in ("image-00", "image-01") for build in _of(made, image)] == [
        Phase.BUILDING,
        Phase.BUILDING,
    ]


def test_races_that_are_lost_again_and_again_raise_so_that_the_rest_is_filled_later() -> None:
    made = _queued(_roots(2), slots=2)

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if table == "capacity" and any(write.row.key.startswith("slot:") for write in writes):
            raise AlreadyExists("another pass was faster")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    with pytest.raises(TransientError) as raised:
        made.factory.dispatcher.dispatch()
    assert raised.value.retry_after is not None
    assert _started(made) == []
    assert len(_waiting(made)) == 2


def test_a_build_that_another_pass_started_keeps_its_slot() -> None:
    made = _queued({"rhel9-base": None})
    other = made.factory
    race = scenes.once(lambda: _run(other.dispatcher.dispatch))

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("build:") for write in writes) and table == "images":
            race()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    made.factory.dispatcher.dispatch()
    assert _started(made) == ["rhel9-base"]
    assert scenes.active(made, BASE).value.seq == 1
    assert _waiting(made) == []


def _cannot_begin(made: SimulatedWorld) -> None:
    """Every begin of a build meets somebody else's write."""

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if table == "images":
            raise StaleWrite("moved")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    with pytest.raises(TransientError):
        made.factory.dispatcher.dispatch()
    assert scenes.active(made, BASE).value.phase is Phase.PENDING


def test_a_build_that_could_not_begin_keeps_its_slot_and_begins_on_it_in_the_next_pass() -> None:
    """Given back, it could be the slot on which another pass is just beginning the build."""
    made = _queued({"rhel9-base": None})
    _cannot_begin(made)
    scenes.rewired(made)
    assert made.factory.dispatcher.dispatch() == 1
    (holder,) = scenes.capacity(made).holders()
    assert holder == scenes.active(made, BASE).value.id


def test_a_pending_build_that_holds_the_last_slot_is_begun_by_the_sweep() -> None:
    made = _queued({"rhel9-base": None}, slots=1)
    _cannot_begin(made)
    scenes.limited(made, slots=1)
    assert made.factory.dispatcher.dispatch() == 0
    made.factory.sweeper.sweep()
    assert _started(made) == ["rhel9-base"]
    assert _waiting(made) == []


def test_a_build_that_was_superseded_before_it_could_begin_gives_its_slot_back() -> None:
    made = _queued({"rhel9-base": None})
    other = made.factory
    edit = scenes.once(lambda: made.register("rhel9-base", None, text="newer"))
    look = scenes.once(lambda: other.reconciler.reconcile(BASE, CampaignId("edited")))

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("build:") for write in writes) and table == "images":
            edit()
            look()

    watched = scenes.WatchedTables(inner=made.ports.tables, before=before)
    store = scenes.images(made)
    (old,) = store.list_builds(BASE, limit=10)
    scenes.rewired(made, tables=watched)
    made.factory.dispatcher.dispatch()
    ended = store.find_build(old.id)
    assert ended is not None
    assert ended.value.result is Result.SUPERSEDED
    assert old.id not in scenes.capacity(made).holders()


def test_nothing_starts_while_the_hourly_budget_is_used_up() -> None:
    made = _queued(_roots(3), creates_per_hour=2)
    assert made.factory.dispatcher.dispatch() == 2
    made.ports.clock.advance(timedelta(minutes=60))
    assert made.factory.dispatcher.dispatch() == 0
    made.ports.clock.advance(timedelta(minutes=1))
    assert made.factory.dispatcher.dispatch() == 1


def test_nothing_starts_while_creations_are_paused() -> None:
    made = _queued(_roots(2))
    scenes.capacity(made).pause_creations(made.ports.clock.now())
    assert made.factory.dispatcher.dispatch() == 0
    made.ports.clock.advance(timedelta(minutes=5))
    assert made.factory.dispatcher.dispatch() == 2


def test_a_build_that_is_to_be_cancelled_is_not_started() -> None:
    made = _queued({"rhel9-base": None})
    build = scenes.active(made, BASE)
    request = CancelRequest(actor="ann", at=made.ports.clock.now(), reason="no")
    scenes.images(made).commit([records.put_build(ask_to_cancel(build.value, request), etag=build.etag)])
    assert made.factory.dispatcher.dispatch() == 0
    assert _waiting(made) == []
    assert _started(made) == []


def test_a_started_build_notes_when_and_a_published_one_how_long_it_took() -> None:
    made = _queued({"rhel9-base": None})
    began = made.ports.clock.now()
    made.factory.dispatcher.dispatch()
    assert scenes.active(made, BASE).value.started_at == began
    made.drain()
    head = scenes.head(made, BASE)
    assert head.current is not None
    assert head.build_seconds == round((head.current.published_at - began).total_seconds())


def _of(made: SimulatedWorld, name: str) -> list[Build]:
    return scenes.builds(made, ImageName(name))


def _run(action: Callable[[], int]) -> None:
    action()
