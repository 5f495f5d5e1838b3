"""What can go wrong without a message left to notice it, each with its repair: one sweep's look is enough."""

from datetime import timedelta

import pytest

from pipeline_core.domain import attempts, builds, dispatch
from pipeline_core.domain.builds import Build, CancelRequest, Phase, Result
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.errors import ErrorClass
from pipeline_core.domain.journal import Event
from pipeline_core.ports import GroupState
from pipeline_core.services.upkeep.builds import EXPECTED
from pipeline_core.services.upkeep.campaigns import STALLED_AFTER
from pipeline_core.state import images as records
from pipeline_core.state.capacity import SlotTaken
from pipeline_core.wire import messages
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA, PYTHON

ONE = {"rhel9-base": None}
THREE = {"rhel9-base": None, "rhel9-java": "rhel9-base", "rhel9-python": "rhel9-base"}
MINUTE = timedelta(minutes=1)


def _sweep(made: SimulatedWorld, after: timedelta = 10 * MINUTE) -> None:
    """Time passes, one sweep, and then every message that it sent is lost but those that it leads to at once."""
    made.ports.clock.advance(after)
    made.factory.sweeper.sweep()


def _follow(made: SimulatedWorld) -> None:
    """Handle the steps that the sweep sent, and no other message."""
    for message in made.ports.queues.messages(messages.BUILD_STEPS):
        made.ports.queues.delete(messages.BUILD_STEPS, message)
        made.factory.driver.step(messages.StepMessage.from_wire(message.text), redelivered=False)


def _running(phase: Phase = Phase.BUILDING) -> tuple[SimulatedWorld, Build, str]:
    """A world whose one build has a container that runs, and in which every message was lost."""
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, phase)
    scenes.lose(made)
    scenes.step(made, build)
    made.platform.next_end()  # the container starts and leaves its marker
    scenes.lose(made)
    return made, build, attempts.group_of(build)


def _talk(made: SimulatedWorld, build: Build) -> None:
    folder = attempts.folder_of(build)
    made.ports.blobs.append("builds", f"{folder}/log.txt", b"line")


def _is_tried_again(made: SimulatedWorld, build: Build, name: str, *, talks: bool = False) -> bool:
    """Two sweeps alone bring the group's deletion and then the next attempt."""
    for _ in range(2):
        scenes.lose(made)
        made.ports.clock.advance(6 * MINUTE)
        if talks and made.ports.containers.find_group(name) is not None:
            _talk(made, build)
        _sweep(made, timedelta(0))
        _follow(made)
    after = scenes.stored(made, build.id).value
    assert made.ports.containers.find_group(name) is None
    return (after.phase, after.attempt) == (build.phase, 2)


def test_stale_without_a_build() -> None:
    made = scenes.settled(ONE)
    scenes.released(made)
    scenes.lose(made)
    _sweep(made)
    assert scenes.asked(made) == ["rhel9-base"]


def test_pending_without_a_message() -> None:
    made = scenes.registered(ONE)
    scenes.look(made, BASE)
    build = scenes.active(made, BASE).value
    scenes.lose(made)
    scenes.index(made).remove_pending(build.priority)
    _sweep(made)
    assert [stored.value.build for stored in scenes.index(made).pending(limit=5)] == [build.id]
    assert len(scenes.texts(made, messages.DISPATCH_REQUESTS)) == 1


@pytest.mark.parametrize("phase", [Phase.BUILDING, Phase.VERIFYING])
def test_phase_past_its_deadline(phase: Phase) -> None:
    made, build, name = _running(phase)
    steps = 60 * MINUTE  # the definition's
    made.ports.clock.advance(steps + attempts.AFTER_STEPS[phase.stage] + 31 * MINUTE)
    assert _is_tried_again(made, build, name, talks=True)


@pytest.mark.parametrize("phase", [Phase.BUILDING, Phase.VERIFYING])
def test_heartbeat_lost(phase: Phase) -> None:
    made, build, name = _running(phase)
    _talk(made, build)
    _sweep(made, 9 * MINUTE)
    _follow(made)
    assert made.ports.containers.find_group(name) is not None
    assert _is_tried_again(made, build, name)


@pytest.mark.parametrize("phase", [Phase.BUILDING, Phase.VERIFYING])
def test_container_ended_without_an_event(phase: Phase) -> None:
    made, build, name = _running(phase)
    made.ports.containers.set_state(name, GroupState.FAILED, exit_code=137)
    assert _is_tried_again(made, build, name)


def test_a_container_that_reported_and_whose_event_was_lost_is_harvested() -> None:
    made, build, _ = _running()
    made.ports.clock.advance(15 * MINUTE)
    made.platform.advance()
    scenes.lose(made)
    _sweep(made)
    _follow(made)
    assert scenes.stored(made, build.id).value.phase is Phase.VERIFYING


def test_publish_that_finished_after_its_timeout() -> None:
    made = scenes.registered(ONE)
    made.ports.galleries.replication = timedelta(hours=5)
    build = scenes.in_phase(made, BASE, Phase.PUBLISHING)
    scenes.step(made, build)
    for _ in range(29):  # until 10 minutes before the replication ends
        scenes.lose(made)
        _sweep(made)
        _follow(made)
    assert scenes.events(made, BASE).count(Event.LATE) == 1
    assert "the gallery still replicates" in scenes.entry_of(made, BASE, Event.LATE).detail
    assert scenes.stored(made, build.id).value.phase is Phase.PUBLISHING
    scenes.lose(made)
    _sweep(made, 11 * MINUTE)
    _follow(made)
    assert scenes.stored(made, build.id).value.result is Result.SUCCEEDED
    assert scenes.head(made, BASE).current is not None
    assert scenes.events(made, BASE).count(Event.LATE) == 1


def test_slot_whose_holder_is_gone() -> None:
    made = scenes.settled(ONE)
    (build,) = scenes.builds(made, BASE)
    capacity = scenes.capacity(made)
    pending = PendingBuild(key="k", build=build.id, team=build.team)
    assert capacity.take(3, pending, capacity.read(made.ports.clock.now())) is SlotTaken.TAKEN
    _sweep(made)
    assert capacity.holders() == ()
    assert len(scenes.texts(made, messages.DISPATCH_REQUESTS)) == 1


def _cascading() -> SimulatedWorld:
    """A base that has just been published again, and two children that wait for a slot."""
    made = scenes.limited(scenes.settled(THREE), slots=1)
    scenes.released(made)
    scenes.until(made, lambda: all(scenes.head(made, name).active is not None for name in (JAVA, PYTHON)))
    return made


def test_campaign_without_progress() -> None:
    made = _cascading()
    campaign = str(scenes.active(made, JAVA).value.campaign)
    scenes.lose(made)
    _sweep(made, STALLED_AFTER - MINUTE)
    assert not scenes.logged(made, "campaign-stalled")
    scenes.lose(made)
    _sweep(made, MINUTE)
    assert scenes.logged(made, "campaign-stalled", campaign=campaign)
    asked = [
        messages.RebuildMessage.from_wire(text) for text in scenes.texts(made, messages.REBUILD_REQUESTS)
    ]
    assert {(message.image, message.campaign) for message in asked} == {
        ("rhel9-java", campaign),
        ("rhel9-python", campaign),
    }
    for _ in range(5):
        scenes.lose(made)
        _sweep(made)
    shown = [name for name in (JAVA, PYTHON) if Event.CAMPAIGN_STALLED in scenes.events(made, name)]
    assert len(shown) == 1
    assert scenes.entry_of(made, shown[0], Event.CAMPAIGN_STALLED).campaign == campaign
    made.drain()
    assert [len(scenes.builds(made, name)) for name in (BASE, JAVA, PYTHON)] == [2, 2, 2]


def test_a_campaign_that_moves_is_not_stalled() -> None:
    made = _cascading()
    made.ports.clock.advance(STALLED_AFTER - MINUTE)
    made.factory.dispatcher.dispatch()
    scenes.lose(made)
    made.ports.clock.advance(STALLED_AFTER - MINUTE)
    assert made.factory.sweeper.sweep().stalled == 0


def test_a_build_that_waits_long_for_a_slot_is_shown_once_and_waits_on() -> None:
    made = scenes.registered(ONE)
    scenes.look(made, BASE)
    scenes.wants(made, BASE, Event.LATE)
    scenes.lose(made)
    _sweep(made, EXPECTED[Phase.PENDING] - MINUTE)
    assert not scenes.logged(made, "build-late")
    for _ in range(3):
        _sweep(made, MINUTE)
    assert scenes.logged(made, "build-late", image="rhel9-base", phase="pending")
    assert scenes.events(made, BASE).count(Event.LATE) == 1
    (told,) = scenes.texts(made, messages.NOTIFICATION_REQUESTS)
    entry = messages.NotificationMessage.from_wire(told).entry
    assert entry == scenes.entry_of(made, BASE, Event.LATE).key
    assert scenes.active(made, BASE).value.phase is Phase.PENDING


def test_a_wait_that_nobody_wants_to_hear_of_is_sent_to_nobody() -> None:
    made = scenes.registered(ONE)
    scenes.look(made, BASE)
    scenes.lose(made)
    made.ports.clock.advance(EXPECTED[Phase.PENDING])
    assert made.factory.sweeper.sweep().late == 1
    assert Event.LATE in scenes.events(made, BASE)
    assert scenes.texts(made, messages.NOTIFICATION_REQUESTS) == []


def test_a_build_that_waited_long_is_put_into_the_line_of_those_that_have() -> None:
    made = scenes.registered(ONE)
    scenes.look(made, BASE)
    scenes.lose(made)
    _sweep(made, dispatch.LATE_AFTER)
    build = scenes.active(made, BASE).value
    (row,) = scenes.index(made).late(limit=5)
    assert row.value == dispatch.row_of(build, made.ports.clock.now())


def test_a_pending_build_that_is_to_be_stopped_is_driven_on_and_not_queued() -> None:
    made = scenes.registered(ONE)
    scenes.look(made, BASE)
    stored = scenes.active(made, BASE)
    request = CancelRequest(actor="somebody", at=made.ports.clock.now(), reason="no need")
    stopping = builds.ask_to_cancel(stored.value, request)
    scenes.images(made).commit([records.put_build(stopping, etag=stored.etag)])
    scenes.index(made).remove_pending(stopping.priority)
    scenes.lose(made)
    _sweep(made)
    assert list(scenes.index(made).pending(limit=5)) == []
    _follow(made)
    assert scenes.stored(made, stopping.id).value.result is Result.CANCELLED


def test_each_phase_has_a_time_after_which_it_is_shown() -> None:
    assert set(EXPECTED) == set(Phase) - {Phase.FINISHED}


def test_a_failed_input_is_blocked_and_swept_without_a_build() -> None:
    made = scenes.registered(ONE, failing={("rhel9-base", "build"): ErrorClass.PROVISIONER.value})
    made.drain()
    for _ in range(5):
        _sweep(made)
        made.drain()
    (build,) = scenes.builds(made, BASE)
    assert build.result is Result.FAILED
    assert scenes.rest_of(made, BASE) == "blocked"
