"""Sweep: whatever message is lost, one pass sets it going again; and a quiet fleet costs nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.names import LIVE, BuildId, TeamName
from pipeline_core.domain.reasons import ReasonKind
from pipeline_core.domain.sources import ParentReference
from pipeline_core.services.images import cascade
from pipeline_core.state import images as records
from pipeline_core.state.capacity import SlotTaken
from pipeline_core.wire import messages
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA, SIX

ONE = {"rhel9-base": None}
TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
QUIET = timedelta(minutes=5)


def _swept(made: SimulatedWorld) -> None:
    """One sweep, ten minutes on, and everything that follows of it."""
    made.ports.clock.advance(timedelta(minutes=10))
    made.factory.sweeper.sweep()
    made.drain()


def test_a_lost_rebuild_message_is_repaired() -> None:
    made = scenes.settled()
    scenes.released(made)
    scenes.lose(made, messages.REBUILD_REQUESTS)
    _swept(made)
    assert [len(scenes.builds(made, image)) for image in SIX] == [2] * 6


def test_lost_news_of_a_publication_are_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cascade, "MOST_TOGETHER", 0)  # else a message is sent to many children only
    made = scenes.settled(TWO)
    scenes.released(made)
    scenes.until(made, lambda: bool(scenes.texts(made, messages.IMAGE_PUBLISHED)))
    scenes.lose(made)
    made.drain()
    assert len(scenes.builds(made, JAVA)) == 1
    _swept(made)
    assert len(scenes.builds(made, JAVA)) == 2
    assert scenes.rest_of(made, JAVA) == "current"


@pytest.mark.parametrize("phase", [Phase.BUILDING, Phase.VERIFYING, Phase.PUBLISHING])
def test_lost_step_messages_are_repaired(phase: Phase) -> None:
    made = scenes.registered(ONE)
    scenes.in_phase(made, BASE, phase)
    scenes.lose(made)
    for _ in range(4):  # each phase that waits needs a look of its own
        _swept(made)
    (build,) = scenes.builds(made, BASE)
    assert build.result is Result.SUCCEEDED
    assert scenes.rest_of(made, BASE) == "current"


def test_a_lost_dispatch_message_is_repaired() -> None:
    made = scenes.registered(ONE)
    scenes.look(made, BASE)
    scenes.lose(made)
    _swept(made)
    assert [build.result for build in scenes.builds(made, BASE)] == [Result.SUCCEEDED]


def test_a_pending_build_that_the_dispatcher_cannot_see_is_repaired() -> None:
    made = scenes.registered(ONE)
    scenes.look(made, BASE)
    scenes.lose(made)
    build = scenes.active(made, BASE).value
    scenes.index(made).remove_pending(build.priority)
    _swept(made)
    assert scenes.stored(made, build.id).value.result is Result.SUCCEEDED


def test_an_end_that_was_not_reported_is_reported() -> None:
    made = scenes.registered(TWO)
    build = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    scenes.step(made, build)
    made.ports.clock.advance(timedelta(minutes=10))
    error = TransientError(ErrorClass.NETWORK, "the process ends here")

    class Mute:
        def send(self, queue: str, text: str, *, delay: timedelta = timedelta(0)) -> None:
            if queue != messages.BUILD_STEPS:
                raise error
            made.ports.queues.send(queue, text, delay=delay)

    scenes.rewired(made, queues=Mute())
    scenes.step(made, build)
    scenes.rewired(made)
    scenes.lose(made)
    assert not scenes.is_announced(made, build.id)
    made.ports.clock.advance(timedelta(minutes=10))
    made.factory.sweeper.sweep()
    assert len(scenes.texts(made, messages.IMAGE_PUBLISHED)) == 1
    assert scenes.is_announced(made, build.id)
    made.drain()
    assert scenes.head(made, JAVA).current is not None
    assert list(scenes.index(made).active()) == []


def test_the_slot_of_an_ended_build_is_taken_back() -> None:
    made = scenes.settled(ONE)
    (build,) = scenes.builds(made, BASE)
    capacity = scenes.capacity(made)
    pending = PendingBuild(key="k", build=build.id, team=build.team)
    assert capacity.take(3, pending, capacity.read(made.ports.clock.now())) is SlotTaken.TAKEN
    report = made.factory.sweeper.sweep()
    assert report.slots == 1
    assert capacity.holders() == ()


def test_the_slot_of_a_build_that_never_was_is_taken_back() -> None:
    made = scenes.registered(ONE)
    ghost = PendingBuild(key="k", build=BuildId("ghost.000000000000.1"), team=TeamName("secops"))
    capacity = scenes.capacity(made)
    assert capacity.take(3, ghost, capacity.read(made.ports.clock.now())) is SlotTaken.TAKEN
    assert made.factory.sweeper.sweep().slots == 1
    assert capacity.holders() == ()


def test_the_slot_of_a_running_build_is_left_alone() -> None:
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    made.ports.clock.advance(timedelta(hours=1))
    assert made.factory.sweeper.sweep().slots == 0
    assert scenes.capacity(made).holds(build.id)


def test_a_quiet_fleet_is_swept_without_a_write_or_a_message() -> None:
    made = scenes.settled()
    made.factory.sweeper.sweep()  # learns how long the builds took
    tables = ("images", "index", "capacity")
    before = [made.ports.tables.rows(table) for table in tables]
    made.ports.clock.advance(timedelta(minutes=10))
    report = made.factory.sweeper.sweep()
    assert (report.images, report.stale, report.builds, report.slots) == (6, 0, 0, 0)
    assert [made.ports.tables.rows(table) for table in tables] == before
    assert made.ports.queues.names() == []


def test_a_young_build_is_left_alone() -> None:
    made = scenes.registered(ONE)
    scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    made.ports.clock.advance(QUIET - timedelta(seconds=1))
    assert made.factory.sweeper.sweep().builds == 0
    assert scenes.texts(made, messages.BUILD_STEPS) == []
    made.ports.clock.advance(timedelta(seconds=1))
    assert made.factory.sweeper.sweep().builds == 1
    (text,) = scenes.texts(made, messages.BUILD_STEPS)
    assert messages.StepMessage.from_wire(text).once


def test_an_image_whose_build_is_on_its_way_is_not_asked_for() -> None:
    made = scenes.registered(ONE)
    scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    assert made.factory.sweeper.sweep().stale == 0
    assert scenes.asked(made) == []


def test_sweeps_beside_a_chain_that_lives_do_not_multiply_it() -> None:
    made = scenes.registered(ONE)
    made.ports.galleries.replication = timedelta(hours=5)
    build = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    scenes.lose(made)
    scenes.step(made, build)
    assert len(scenes.texts(made, messages.BUILD_STEPS)) == 1
    for _ in range(10):
        made.ports.clock.advance(timedelta(minutes=10))
        made.factory.sweeper.sweep()
        for message in made.ports.queues.messages(messages.BUILD_STEPS):
            step = messages.StepMessage.from_wire(message.text)
            if step.once:
                made.ports.queues.delete(messages.BUILD_STEPS, message)
                made.factory.driver.step(step, redelivered=False)
    assert len(scenes.texts(made, messages.BUILD_STEPS)) == 1


def test_an_active_row_without_a_build_is_removed() -> None:
    made = scenes.registered({})
    scenes.index(made).add_active(BuildId("ghost.000000000000.1"))
    made.factory.sweeper.sweep()
    assert list(scenes.index(made).active()) == []


def test_a_platform_change_is_found_by_the_sweep_and_goes_down_from_the_root() -> None:
    made = scenes.settled()
    scenes.set_platform(made, "new steps")
    _swept(made)
    assert [len(scenes.builds(made, image)) for image in SIX] == [2] * 6
    kinds = {reason.kind for reason in scenes.builds(made, BASE)[1].reasons}
    assert kinds == {ReasonKind.PLATFORM_CHANGED}


def test_max_age_makes_an_image_stale_once_per_period() -> None:
    made = scenes.registered({})
    made.register("rhel9-base", None, maxAge="7d")
    made.drain()
    began = scenes.head(made, BASE).period
    for _ in range(3 * 7 * 2):
        made.ports.clock.advance(timedelta(hours=12))
        made.factory.sweeper.sweep()
        made.drain()
    assert scenes.head(made, BASE).period == began + 3 * 7 * 86_400
    refreshed = scenes.builds(made, BASE)[1:]
    assert len(refreshed) == 3
    assert {reason.kind for build in refreshed for reason in build.reasons} == {ReasonKind.REFRESH_DUE}


def test_a_refresh_of_a_root_refreshes_its_children_in_the_same_cascade() -> None:
    made = scenes.registered({})
    made.register("rhel9-base", None, maxAge="7d")
    made.register("rhel9-java", "rhel9-base", maxAge="7d")
    made.drain()
    made.ports.clock.advance(timedelta(days=7))
    _swept(made)
    assert [len(scenes.builds(made, image)) for image in (BASE, JAVA)] == [2, 2]


def test_a_period_never_goes_back_with_the_clock() -> None:
    made = scenes.registered({})
    made.register("rhel9-base", None, maxAge="7d")
    made.drain()
    made.ports.clock.advance(timedelta(days=7))
    _swept(made)
    period = scenes.head(made, BASE).period
    made.ports.clock.advance(-timedelta(days=21))
    scenes.look(made, BASE)
    made.factory.sweeper.sweep()
    assert scenes.texts(made, messages.REBUILD_REQUESTS) == []
    assert scenes.head(made, BASE).period == period
    assert scenes.rest_of(made, BASE) == "current"
    assert len(scenes.builds(made, BASE)) == 2


def test_a_chain_that_bites_its_tail_does_not_hang_the_sweep() -> None:
    made = scenes.settled(TWO)
    found = scenes.images(made).get_head(BASE)
    origin = ParentReference(image=JAVA, channel=LIVE)
    looped = replace(found.value, registration=replace(found.value.registration, origin=origin))
    scenes.images(made).commit([records.put_head(looped, etag=found.etag)])
    scenes.index(made).project(BASE, looped)
    assert made.factory.sweeper.sweep().images == 2
