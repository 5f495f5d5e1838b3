"""SecOps pause the factory: no container group is created from then on, in whatever order the calls come."""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain import attempts, pauses
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import TransientError, UnreadableRow
from pipeline_core.domain.journal import FACTORY_ITSELF, Event
from pipeline_core.domain.pauses import PauseState
from pipeline_core.services.outages.pauses import PauseView
from pipeline_core.state import creations as spending
from simulation import fleet, sabotage, world
from simulation.faults import Killed
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import losses, scenes, unreadable_rows
from tests.unit.services.meanwhile import Side, slow_step
from tests.unit.services.scenes import BASE, JAVA

ONE = {"rhel9-base": None}
TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
LATER = attempts.CREATION + pauses.CLOCKS + timedelta(seconds=1)


def _pause(made: SimulatedWorld) -> PauseView:
    return made.factory.pauses.pause(ADMIN, "an incident")


def _resume(made: SimulatedWorld) -> PauseView:
    return made.factory.pauses.resume(ADMIN, "it is over")


def _created(made: SimulatedWorld) -> int:
    return made.ports.containers.created


def _goes_on(made: SimulatedWorld, hours: int = 2) -> None:
    """Timers fire and messages are delivered for a while."""
    made.run_until(made.ports.clock.now() + timedelta(hours=hours))


def _is_whole(made: SimulatedWorld) -> None:
    """After the pause everything becomes current, by messages alone and without a second build of anything."""
    _resume(made)
    made.drain()
    assert all(made.versions().values())
    for name in made.registered:
        (build,) = scenes.builds(made, name)
        assert build.result is Result.SUCCEEDED


def _about_to_build(phase: Phase = Phase.BUILDING) -> tuple[SimulatedWorld, Build]:
    """A world whose one build creates the group of this phase in its next step. That of BUILDING is paid for."""
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    if phase is Phase.VERIFYING:
        scenes.step(made, build)
        report = f"{attempts.folder_of(build)}/{attempts.REPORT}"
        while made.ports.blobs.find_facts("builds", report) is None:
            end = made.platform.next_end()
            assert end is not None
            made.ports.clock.set(max(made.ports.clock.now(), end))
            made.platform.advance()
    scenes.lose(made)
    return made, build


# In each case the pause comes whole at another call of the handler that creates the group. A creation whose note is
# the first one is made, and the pause is complete when its call has ended. Any other is not made.
MOMENTS: dict[str, tuple[str, str, Side, PauseState, int]] = {
    "before it looks for the group": ("containers", "find_group", "before", PauseState.PAUSED, 0),
    "before it counts the notes": ("blobs", "list", "before", PauseState.PAUSED, 0),
    "after it has counted the notes": ("blobs", "list", "after", PauseState.PAUSED, 0),
    "before it writes its note": ("blobs", "create", "before", PauseState.PAUSED, 0),
    "after it has written its note": ("blobs", "create", "after", PauseState.PAUSING, 1),
    "before the call": ("containers", "create_group", "before", PauseState.PAUSING, 1),
    "after the call": ("containers", "create_group", "after", PauseState.PAUSED, 1),
}


def _is_note(stage: str) -> Callable[..., bool]:
    """True for the calls of blobs that are about the notes of a stage's first attempt."""
    return lambda container, name, *given, **named: f"/{stage}-1/{attempts.LAUNCH}" in name


def _anything(*given: object, **named: object) -> bool:
    return True


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("phase", [Phase.BUILDING, Phase.VERIFYING])
@pytest.mark.usefixtures("first_steps_by_message")
def test_a_pause_and_a_creation_in_any_order(moment: str, phase: Phase) -> None:
    made, build = _about_to_build(phase)
    port, method, side, state, created = MOMENTS[moment]
    before, seen = _created(made), []

    def pause() -> None:
        seen.append((_pause(made).state, _created(made) - before))

    fits = _is_note(phase.stage) if port == "blobs" else _anything
    slow_step(made, build, port, method, pause, side=side, fits=fits)
    ((answered, made_then),) = seen
    assert (answered, _created(made) - before) == (state, created)
    if answered is PauseState.PAUSED:
        assert _created(made) - before == made_then
    made.ports.clock.advance(LATER)
    assert made.factory.pauses.show().state is PauseState.PAUSED
    _goes_on(made)
    assert _created(made) - before == created
    _is_whole(made)


@pytest.mark.usefixtures("first_steps_by_message")
def test_a_creation_is_made_before_the_pause_or_not_at_all_when_it_must_pay() -> None:
    """The handler reads what was spent, the factory is paused, and only then the handler pays: its ETag is old."""
    made, build = _about_to_build(Phase.VERIFYING)
    before = _created(made)

    def is_payment(table: str, writes: Any) -> bool:
        return table == "capacity" and any(write.row.key == spending.KEY for write in writes)

    slow_step(made, build, "tables", "write", lambda: _pause(made), side="before", fits=is_payment)
    assert made.factory.pauses.show().state is PauseState.PAUSED
    assert _created(made) == before


def test_a_slot_that_is_taken_while_the_factory_is_paused_goes_back() -> None:
    made = scenes.registered(ONE)
    scenes.look(made, BASE)
    scenes.lose(made)
    pause = scenes.once(lambda: _pause(made))

    def before(table: str, writes: Any) -> None:
        if table == "capacity" and any(write.row.key.startswith("slot:") for write in writes):
            scenes.rewired(made)
            pause()

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    assert made.factory.dispatcher.dispatch() == 0
    assert made.factory.pauses.show().state is PauseState.PAUSED
    assert _created(made) == 0
    assert scenes.capacity(made).holders() == ()
    _goes_on(made)
    assert _created(made) == 0
    _is_whole(made)


@pytest.mark.parametrize("rule", ["", "pause-closes-what-was-paid", "pause-is-kept"])
@pytest.mark.usefixtures("first_steps_by_message")
def test_a_slot_that_was_paid_for_before_the_pause_is_no_creation_after_it(rule: str) -> None:
    made, build = _about_to_build()
    with sabotage.ALL[rule].patch() if rule else contextlib.nullcontext():
        assert _pause(made).state is PauseState.PAUSED
        scenes.step(made, build)
        _goes_on(made)
        assert (_created(made) == 0) is (rule == "")
    _is_whole(made)


def test_a_handler_that_is_slow_for_minutes_creates_nothing_either() -> None:
    """It has counted an old note and asked what was spent before the pause; its clock is ahead, too."""
    made, build = _about_to_build(Phase.VERIFYING)
    note = f"{build.id}/verify-1/{attempts.LAUNCHED}"
    made.ports.blobs.create("builds", note, b"{}", media_type="application/json")
    made.ports.clock.advance(attempts.CREATION + timedelta(seconds=1))
    before = _created(made)

    def late() -> None:
        _pause(made)
        made.ports.clock.advance(timedelta(minutes=9))

    slow_step(made, build, "blobs", "create", late, side="before", fits=_is_note("verify"))
    assert made.factory.pauses.show().state is PauseState.PAUSED
    assert _created(made) == before


def test_a_note_that_may_be_anybodys_is_waited_for() -> None:
    """Two notes, and the group is there: which of the calls made it, nobody knows."""
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    assert _created(made) == 1
    folder = attempts.folder_of(build)
    made.ports.blobs.create("builds", f"{folder}/launched-2.json", b"{}", media_type="application/json")
    assert _pause(made).state is PauseState.PAUSING
    made.ports.clock.advance(pauses.LONGEST)
    assert made.factory.pauses.show().state is PauseState.PAUSED


def test_running_builds_end_their_container_and_wait_for_the_next_one() -> None:
    made = scenes.registered(TWO)
    scenes.in_phase(made, BASE, Phase.BUILDING)
    assert _pause(made).state is PauseState.PAUSED
    _goes_on(made)
    assert scenes.active(made, BASE).value.phase is Phase.VERIFYING
    assert _created(made) == 1
    _is_whole(made)


def test_what_is_verified_is_published_during_the_pause_and_its_children_wait() -> None:
    made = scenes.registered(TWO)
    scenes.in_phase(made, BASE, Phase.PUBLISHING)
    _pause(made)
    created = _created(made)
    _goes_on(made)
    assert made.versions()["rhel9-base"]
    child = scenes.active(made, JAVA).value
    assert (child.phase, _created(made)) == (Phase.PENDING, created)
    _is_whole(made)


def test_polls_registrations_and_requests_go_on_and_say_that_the_factory_is_paused() -> None:
    made = scenes.settled(ONE)
    _pause(made)
    scenes.released(made)
    made.drain()
    assert scenes.active(made, BASE).value.phase is Phase.PENDING
    scenes.lose(made)
    registered = made.factory.registrar.register(
        JAVA,
        fleet.document("rhel9-java", "rhel9-base"),
        world.upload(made, "content"),
        ADMIN,
        expected=None,
        create_only=True,
    )
    said = "the factory is paused since"
    assert any(note.startswith(said) for note in registered.notes)
    _resume(made)
    made.factory.sweeper.sweep()
    made.drain()
    _pause(made)
    answer = made.factory.requests.request(JAVA, ADMIN, "a new agent", "key")
    assert answer.build is not None
    assert answer.detail.startswith("a new agent; the factory is paused since")


@pytest.mark.usefixtures("first_steps_by_message")
def test_a_restart_keeps_the_pause() -> None:
    made, _ = _about_to_build()
    _pause(made)
    scenes.rewired(made)
    view = made.factory.pauses.show()
    assert view.pause is not None
    assert (view.state, view.pause.reason, view.pause.actor) == (PauseState.PAUSED, "an incident", "Admin")
    made.factory.sweeper.sweep()
    _goes_on(made)
    assert _created(made) == 0


@pytest.mark.parametrize("tables", [losses.TABLES, ("capacity",)], ids=["all tables", "the capacity alone"])
def test_lost_tables_end_no_pause(tables: tuple[str, ...]) -> None:
    made = scenes.settled(ONE)
    _pause(made)
    losses.lose_tables(made, *tables)
    losses.recover(made, force=True)
    scenes.released(made)
    _goes_on(made)
    view = made.factory.pauses.show()
    assert view.pause is not None
    assert (view.state, view.pause.reason) == (PauseState.PAUSED, "an incident")
    created = _created(made)
    made.factory.requests.request(BASE, ADMIN, "again", "key")
    _goes_on(made)
    assert _created(made) == created
    _resume(made)
    made.drain()
    assert _created(made) > created
    losses.lose_tables(made, "capacity")
    assert made.factory.pauses.show().state is PauseState.RUNNING


def test_a_pause_without_a_row_is_written_again_by_the_next_one() -> None:
    made = scenes.settled(ONE)
    first = _pause(made)
    losses.lose_tables(made, "capacity")
    second = _pause(made)
    assert (first.pause, second.pause) != (None, None)
    assert first.pause is not None and second.pause is not None  # noqa: PT018 - for the type checker
    assert second.pause.revision == first.pause.revision + 1
    assert scenes.capacity(made).look(made.ports.clock.now()).is_halted


def test_a_copy_that_cannot_be_read_pauses_the_factory() -> None:
    made = scenes.registered(ONE)
    name = "chronicle/pauses/9999999998.json"
    made.ports.blobs.create("definitions", name, b"{}", media_type="application/json")
    made.drain()
    assert _created(made) == 0
    with pytest.raises(UnreadableRow):
        made.factory.pauses.show()


def test_a_build_that_cannot_be_read_stops_neither_the_pause_nor_its_end() -> None:
    made, build = _about_to_build()
    row = unreadable_rows.make_unreadable(made, "images", str(build.image), f"build:{build.id}")
    assert _pause(made).state is not PauseState.RUNNING
    assert _resume(made).state is PauseState.RUNNING
    unreadable_rows.put(made, "images", row)
    _goes_on(made)
    assert all(made.versions().values())


def _killed_at(made: SimulatedWorld, port: str, method: str, at: int) -> bool:
    """The pause's process dies at this call. False where it makes fewer."""
    inner, left = getattr(made.ports, port), [at]

    class _Deadly:
        def __getattr__(self, name: str) -> Any:
            if name == method:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
            return getattr(inner, name)

    scenes.rewired(made, **{port: _Deadly()})
    try:
        _pause(made)
    except Killed:
        return True
    finally:
        scenes.rewired(made)
    return False


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize(("port", "method"), [("tables", "write"), ("blobs", "create")])
@pytest.mark.usefixtures("first_steps_by_message")
def test_a_pause_whose_process_dies_is_completed_by_the_sweep_or_was_never_one(
    port: str, method: str, at: int
) -> None:
    made, _ = _about_to_build()
    _killed_at(made, port, method, at)
    was_begun = scenes.capacity(made).look(made.ports.clock.now()).is_halted
    made.factory.sweeper.sweep()
    made.ports.clock.advance(LATER)
    assert made.factory.pauses.show().state is (PauseState.PAUSED if was_begun else PauseState.RUNNING)
    if was_begun:
        _goes_on(made)
        assert _created(made) == 0
        assert [entry.event for entry in scenes.images(made).list_journal(FACTORY_ITSELF, limit=9)] == [
            Event.FACTORY_PAUSED
        ]
        _is_whole(made)


def test_a_resume_whose_process_dies_is_over_for_good_when_it_is_repeated() -> None:
    made = scenes.settled(ONE)
    _pause(made)
    scenes.rewired(
        made, blobs=scenes.Failing(inner=made.ports.blobs, name="create", errors=[scenes.transient()])
    )
    with pytest.raises(TransientError):
        _resume(made)
    scenes.rewired(made)
    assert made.factory.pauses.show().state is PauseState.RUNNING
    assert _resume(made).state is PauseState.RUNNING
    losses.lose_tables(made, "capacity")
    assert made.factory.pauses.show().state is PauseState.RUNNING


def test_many_notes_at_once_ask_to_pause_again() -> None:
    made, _ = _about_to_build()
    inner = made.ports.blobs

    class _Busy:
        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def list(self, container: str, prefix: str, **named: Any) -> Any:
            found = inner.list(container, prefix, **named)
            if container == "builds":
                name = f"{prefix.rpartition('/')[0]}/{attempts.launched(len(found) + 1)}"
                inner.create(container, name, b"{}", media_type="application/json")
            return found

    scenes.rewired(made, blobs=_Busy())
    with pytest.raises(TransientError, match="pause again"):
        _pause(made)
    scenes.rewired(made)
    assert _pause(made).state is PauseState.PAUSING
    made.ports.clock.advance(LATER)
    assert made.factory.pauses.show().state is PauseState.PAUSED
