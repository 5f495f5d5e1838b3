"""The sweep itself: bounded in cost, harmless when killed anywhere, stopped by nothing that is broken."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.domain.fingerprint import fingerprint
from pipeline_core.domain.images import ActiveBuild, ImageHead
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.ports import Row, TableWrite, WriteKind
from pipeline_core.state import images as records
from pipeline_core.wire import messages
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA, PYTHON, SIX

TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
TEN_MINUTES = timedelta(minutes=10)


class KilledError(BaseException):
    """The process ends here."""


@dataclass(slots=True)
class Deadly:
    """A port whose calls count towards the end of the process; `left` is shared by all ports of a sweep."""

    inner: Any
    left: list[int]

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)

        def call(*given: Any, **named: Any) -> Any:
            if self.left[0] == 0:
                raise KilledError
            self.left[0] -= 1
            return method(*given, **named)

        return call if callable(method) else method


def _broken(made: SimulatedWorld) -> SimulatedWorld:
    """Everything at once: a stale image, a build that stands, a pending row and a copy that are lost."""
    scenes.limited(made, slots=1)
    scenes.released(made)
    scenes.until(made, lambda: scenes.head(made, JAVA).active is not None)
    scenes.lose(made)
    waiting = scenes.active(made, JAVA).value
    scenes.index(made).remove_pending(waiting.priority)
    scenes.index(made).remove_active(waiting.id)
    made.ports.clock.advance(timedelta(hours=7))
    return made


def _swept_to_the_end(made: SimulatedWorld) -> dict[str, str]:
    for _ in range(4):
        made.ports.clock.advance(TEN_MINUTES)
        made.factory.sweeper.sweep()
        made.drain()
    assert [len(scenes.builds(made, image)) for image in SIX] == [2] * 6
    assert all(scenes.rest_of(made, image) == "current" for image in SIX)
    assert list(scenes.index(made).active()) == []
    assert scenes.capacity(made).holders() == ()
    return made.versions()


@pytest.mark.slow
def test_a_sweep_that_is_killed_at_any_call_is_repeated_harmlessly() -> None:
    kill_at, is_over = 0, False
    while not is_over:
        made = _broken(scenes.settled())
        left = [kill_at]
        scenes.rewired(made, tables=Deadly(made.ports.tables, left), queues=Deadly(made.ports.queues, left))
        try:
            made.factory.sweeper.sweep()
            is_over = True
        except KilledError:
            pass
        scenes.limited(made, slots=1)
        _swept_to_the_end(made)
        kill_at += 1
    assert kill_at > 20


def _spoil(made: SimulatedWorld, table: str, partition: str, key: str) -> None:
    """A row that no version of this factory has written."""
    row = made.ports.tables.find(table, partition, key)
    assert row is not None
    spoilt = replace(row, cells={"schema": 1, "value": "{"})
    made.ports.tables.write(table, [TableWrite(verb=WriteKind.REPLACE, row=spoilt)])


def test_a_copy_that_cannot_be_read_is_written_again_and_its_image_is_swept() -> None:
    made = scenes.settled()
    scenes.released(made)
    scenes.lose(made)
    _spoil(made, "index", "fleet", "rhel9-base")
    made.factory.sweeper.sweep()
    assert scenes.asked(made) == ["rhel9-base"]
    assert made.ports.tables.find("index", "fleet", "rhel9-base") is not None
    assert len(scenes.index(made).fleet().heads) == 6


def test_an_image_that_cannot_be_read_keeps_no_other_from_being_swept() -> None:
    made = scenes.settled()
    scenes.set_platform(made, "new steps")
    _spoil(made, "index", "fleet", "rhel9-java")
    _spoil(made, "images", "rhel9-java", "head")
    report = made.factory.sweeper.sweep()
    assert report.failures >= 1
    assert scenes.logged(made, "sweep-failed-at", subject="rhel9-java")
    assert "rhel9-base" in scenes.asked(made)


def test_a_build_that_cannot_be_read_keeps_no_other_from_being_swept() -> None:
    made = scenes.settled()
    scenes.set_platform(made, "new steps")
    made.factory.sweeper.sweep()
    scenes.in_phase(made, JAVA, Phase.BUILDING)
    scenes.in_phase(made, PYTHON, Phase.BUILDING)
    scenes.lose(made)
    broken, whole = scenes.active(made, JAVA).value, scenes.active(made, PYTHON).value
    _spoil(made, "images", "rhel9-java", f"build:{broken.id}")
    made.ports.clock.advance(TEN_MINUTES)
    report = made.factory.sweeper.sweep()
    assert report.failures >= 1
    assert scenes.logged(made, "sweep-failed-at", subject=str(broken.id))
    steps = [messages.StepMessage.from_wire(text).build for text in scenes.texts(made, messages.BUILD_STEPS)]
    assert str(whole.id) in steps
    assert str(broken.id) not in steps


def test_an_end_that_cannot_be_reported_keeps_no_build_from_going_on() -> None:
    made = scenes.registered({"rhel9-base": None, "tools": None})
    tools = ImageName("tools")
    scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.in_phase(made, tools, Phase.BUILDING)
    scenes.lose(made)
    made.ports.clock.advance(TEN_MINUTES)
    refusing = scenes.Failing(
        inner=made.ports.queues,
        name="send",
        errors=[PermanentError(ErrorClass.PERMISSION, "no right to send")],
    )
    scenes.rewired(made, queues=refusing)
    report = made.factory.sweeper.sweep()
    assert (report.builds, report.failures) == (1, 1)
    assert len(scenes.texts(made, messages.BUILD_STEPS)) == 1


def _refuse(made: SimulatedWorld, table: str, partition: str) -> None:
    """Scans of one partition fail from now on."""

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(made.ports.tables, name)

        def scan(self, name: str, of: str, **bounds: Any) -> Any:
            if (name, of) == (table, partition):
                raise scenes.transient()
            return made.ports.tables.scan(name, of, **bounds)

    scenes.rewired(made, tables=Refusing())


@pytest.mark.parametrize(
    ("table", "partition"), [("index", "fleet"), ("index", "sources"), ("capacity", "slots")]
)
def test_a_part_that_fails_as_a_whole_is_raised_after_the_others_are_done(table: str, partition: str) -> None:
    made = scenes.registered(TWO)
    scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    made.ports.clock.advance(TEN_MINUTES)
    _refuse(made, table, partition)
    with pytest.raises(TransientError):
        made.factory.sweeper.sweep()
    assert len(scenes.texts(made, messages.BUILD_STEPS)) == 1
    assert len(scenes.texts(made, messages.DISPATCH_REQUESTS)) == 1


def test_a_service_that_is_down_is_not_asked_for_every_image() -> None:
    made = scenes.registered({f"image-{number}": None for number in range(60)})
    scenes.lose(made)
    errors: list[Exception] = [scenes.transient() for _ in range(1000)]
    scenes.rewired(made, queues=scenes.Failing(inner=made.ports.queues, name="send", errors=errors))
    with pytest.raises(TransientError):
        made.factory.sweeper.sweep()
    assert 1000 - len(errors) < 30


def _lagging(made: SimulatedWorld, image: ImageName, change: Callable[[ImageHead], ImageHead]) -> None:
    """The fleet's copy of an image says something else than the image's own head."""
    scenes.index(made).project(image, change(scenes.head(made, image)))


def test_a_copy_that_shows_a_build_which_has_ended_is_repaired() -> None:
    made = scenes.registered(TWO)
    scenes.in_phase(made, BASE, Phase.BUILDING)
    seen = scenes.head(made, BASE)
    made.drain()
    scenes.set_platform(made, "new steps")
    scenes.lose(made)
    _lagging(made, BASE, lambda head: replace(head, active=seen.active))
    made.factory.sweeper.sweep()
    assert scenes.asked(made) == ["rhel9-base"]  # its child waits for it
    (copy, _) = scenes.index(made).fleet().heads
    assert copy.active is None


def test_a_copy_that_shows_an_older_version_is_repaired_and_nobody_is_asked_to_look() -> None:
    made = scenes.settled(TWO)
    _lagging(made, BASE, lambda head: replace(head, current=None))
    report = made.factory.sweeper.sweep()
    assert report.stale == 0
    assert scenes.asked(made) == []
    assert scenes.index(made).fleet().heads[0].current == scenes.head(made, BASE).current


def test_a_copy_that_hides_a_change_is_found_within_a_turn_of_the_fleet() -> None:
    made = scenes.settled(TWO)
    found = scenes.images(made).get_head(BASE)
    changed = replace(found.value.registration, major=10)
    scenes.images(made).commit(
        [records.put_head(replace(found.value, registration=changed), etag=found.etag)]
    )
    made.factory.sweeper.sweep()
    assert scenes.index(made).fleet().heads[0].registration.major == 10


def test_a_build_that_only_its_image_knows_goes_on() -> None:
    made = scenes.registered({"rhel9-base": None})
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    scenes.index(made).remove_active(build.id)
    made.ports.clock.advance(TEN_MINUTES)
    made.factory.sweeper.sweep()
    assert list(scenes.index(made).active()) == [build.id]
    assert len(scenes.texts(made, messages.BUILD_STEPS)) == 1


def _fleet_of(count: int) -> SimulatedWorld:
    """A quiet fleet: `count` images that are copies of one that was built, each current."""
    made = scenes.settled({"rhel9-base": None})
    head = scenes.head(made, BASE)
    for number in range(1, count):
        name = ImageName(f"image-{number:05d}")
        registration = replace(head.registration, name=name)
        assert head.current is not None
        inputs = replace(head.current.inputs, image=name)
        current = replace(head.current, inputs=inputs, fingerprint=fingerprint(inputs))
        copy = replace(head, registration=registration, current=current)
        scenes.images(made).commit([records.put_head(copy, etag=None)])
        made.base.records.index_origin(name, registration.origin)
        scenes.index(made).project(name, copy)
    made.ports.clock.advance(TEN_MINUTES)
    return made


def test_every_copy_that_shows_a_build_nobody_knows_is_repaired_at_once() -> None:
    made = _fleet_of(120)
    for head in scenes.index(made).fleet().heads:
        ghost = ActiveBuild(
            build=BuildId(f"{head.name}.000000000000.1"),
            fingerprint=fingerprint(scenes.builds(made, BASE)[0].inputs),
            phase=Phase.BUILDING,
        )
        scenes.index(made).project(head.name, replace(head, active=ghost))
    made.factory.sweeper.sweep()
    assert [head.name for head in scenes.index(made).fleet().heads if head.active] == []


def _cost(count: int) -> int:
    made = _fleet_of(count)
    before = made.ports.tables.operations
    report = made.factory.sweeper.sweep()
    assert (report.images, report.stale) == (count, 0)
    assert made.ports.queues.names() == []
    return made.ports.tables.operations - before


def test_the_cost_of_a_quiet_image_is_bounded_and_falls_with_the_size_of_the_fleet() -> None:
    """In table operations: 10 for the sweep, one per 1,000 images, and 8 images compared, or 1/36 of them."""
    costs = {count: _cost(count) for count in (10, 100, 1000)}
    assert costs == {10: 10 + 8, 100: 10 + 8, 1000: 11 + 28}
    per_image = {count: cost / count for count, cost in costs.items()}
    assert per_image[1000] <= 0.039
    assert per_image[1000] < per_image[100] / 4


def test_every_image_of_a_large_fleet_has_its_turn_within_six_hours() -> None:
    made = _fleet_of(120)
    read: set[str] = set()

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(made.ports.tables, name)

        def find(self, table: str, partition: str, key: str) -> Row | None:
            read.add(f"{table}/{partition}/{key}")
            return made.ports.tables.find(table, partition, key)

    scenes.rewired(made, tables=Watched())
    for sweeps in range(1, 16):
        made.factory.sweeper.sweep()
        made.ports.clock.advance(TEN_MINUTES)
        assert len({place for place in read if place.endswith("/head")}) == min(8 * sweeps, 120)
