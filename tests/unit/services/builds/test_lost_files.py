"""The file of a tool is lost, or refused, while a build that needs it is on its way. Nobody's build fails by that."""

import pytest

from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.tools import QUARANTINE, SERVED, ToolState
from simulation import fleet
from simulation.world import SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.builds.test_tools_of_builds import (
    AGENT,
    DIGESTS,
    GOSS,
    GUIDE,
    HOUR,
    become,
    factory,
    running,
)
from tests.unit.services.scenes import BASE


def lose_copy(made: SimulatedWorld, tool: str, *containers: str) -> None:
    for container in containers or (SERVED,):
        made.ports.blobs.lose(container, str(DIGESTS[tool]))


def hide(made: SimulatedWorld, tool: str, state: ToolState) -> None:
    """The factory has the file in neither container, and its record says so."""
    lose_copy(made, tool, SERVED, QUARANTINE)
    become(made, tool, state)


def show(made: SimulatedWorld, tool: str) -> None:
    """Somebody brings the file."""
    content = fleet.file_of(tool, "1.0.0")
    made.ports.blobs.create(QUARANTINE, str(DIGESTS[tool]), content, media_type="text/plain")


def state_of(made: SimulatedWorld, tool: str) -> ToolState:
    stored = made.base.records.tools.find(DIGESTS[tool])
    assert stored is not None
    return stored.value.state


def ended(made: SimulatedWorld) -> list[Result | None]:
    return [each.result for each in scenes.builds(made, BASE) if each.is_finished]


def is_counted_to_nobody(made: SimulatedWorld) -> bool:
    head = scenes.head(made, BASE)
    return (head.failures, head.breaker, made.base.records.breakers.list()) == (0, None, [])


@pytest.mark.parametrize("lost", [AGENT, GUIDE])
def test_a_lost_copy_is_made_again_and_the_build_waits_for_it(lost: str) -> None:
    made = factory(base=(AGENT,))
    scenes.until(made, lambda: bool(scenes.builds(made, BASE)))
    lose_copy(made, lost)
    scenes.until(made, lambda: state_of(made, lost) is not ToolState.ADMITTED)
    stored = made.base.records.tools.find(DIGESTS[lost])
    assert stored is not None
    assert (stored.value.state, stored.value.reason) == (ToolState.QUARANTINED, "its copy is lost")
    scenes.until(made, lambda: ended(made) == [Result.WITHDRAWN])
    assert scenes.events(made, BASE).count(Event.WITHDRAWN) == 1
    made.run_until(made.ports.clock.now() + 2 * HOUR)  # the timer copies it, and the image looks
    made.settle()
    assert state_of(made, lost) is ToolState.ADMITTED
    assert ended(made) == [Result.WITHDRAWN, Result.SUCCEEDED]
    assert is_counted_to_nobody(made)


def test_a_file_that_is_lost_everywhere_is_asked_for_and_stops_no_build_but_those_that_need_it() -> None:
    made = factory(base=(AGENT,))
    for number in range(5):
        made.register(f"with-{number}", None, catalog=[AGENT])
    made.register("without", None)
    scenes.until(made, lambda: bool(scenes.builds(made, BASE)))
    lose_copy(made, AGENT, SERVED, QUARANTINE)
    made.run_until(made.ports.clock.now() + 2 * HOUR)
    assert state_of(made, AGENT) is ToolState.REQUESTED
    assert scenes.rest_of(made, BASE) == "not-admitted"
    assert is_counted_to_nobody(made)
    (built,) = scenes.builds(made, ImageName("without"))
    assert built.result is Result.SUCCEEDED
    assert scenes.capacity(made).holders() == ()


def building(made: SimulatedWorld) -> Build:
    """The base's build, whose container has fetched its files and runs."""
    build = running(made)
    assert made.platform.next_end() is not None
    return build


def verifying(made: SimulatedWorld) -> Build:
    """The base's build, whose machine is about to be verified in a container."""
    build = scenes.in_phase(made, BASE, Phase.VERIFYING)
    scenes.lose(made)
    return build


@pytest.mark.parametrize("times", [1, 3])
def test_a_version_whose_test_lost_its_file_keeps_its_slot_and_is_verified_later(times: int) -> None:
    """However often: a second attempt that fails of something else counts towards the platform's breaker."""
    made = factory(base=(AGENT,))
    build = verifying(made)
    for _ in range(times):
        while state_of(made, GOSS) is not ToolState.ADMITTED:  # nothing else happens meanwhile
            made.factory.admission.look()
        lose_copy(made, GOSS)
        scenes.step(made, build)  # its container begins, and finds no file
        scenes.until(made, lambda: state_of(made, GOSS) is not ToolState.ADMITTED)
    waiting = scenes.stored(made, build.id).value
    assert (waiting.phase, waiting.result) == (Phase.VERIFYING, None)
    made.run_until(made.ports.clock.now() + 2 * HOUR)
    made.settle()
    assert ended(made) == [Result.SUCCEEDED]
    assert is_counted_to_nobody(made)


@pytest.mark.parametrize("state", [ToolState.REQUESTED, ToolState.QUARANTINED])
def test_a_version_waits_for_a_file_that_is_only_not_admitted_yet(state: ToolState) -> None:
    """As after an upgrade from a release that fetched the tools: the files are submitted a little later."""
    made = factory(base=(AGENT,))
    build = building(made)
    before = scenes.events(made, BASE)
    hide(made, GOSS, state)
    made.run_until(made.ports.clock.now() + 3 * HOUR)
    assert scenes.stored(made, build.id).value.phase is Phase.VERIFYING
    assert scenes.capacity(made).holders() == (build.id,)
    assert scenes.events(made, BASE) == before
    show(made, GOSS)
    made.run_until(made.ports.clock.now() + 2 * HOUR)
    made.settle()
    assert ended(made) == [Result.SUCCEEDED]


def test_a_lost_file_that_is_in_a_version_already_harms_it_not() -> None:
    made = factory(base=(AGENT,))
    building(made)
    hide(made, AGENT, ToolState.REQUESTED)
    made.settle()
    assert ended(made) == [Result.SUCCEEDED]


@pytest.mark.parametrize("late", [False, True], ids=["before it is verified", "before it is published"])
@pytest.mark.parametrize("refused", [AGENT, GUIDE])
def test_a_version_with_a_refused_file_in_it_is_not_published(refused: str, late: bool) -> None:
    made = factory(base=(AGENT,))
    build = verifying(made) if late else building(made)
    become(made, refused, ToolState.REFUSED)
    scenes.step(made, build)
    made.settle()
    assert ended(made) == [Result.WITHDRAWN]
    assert scenes.head(made, BASE).current is None
    assert scenes.events(made, BASE).count(Event.WITHDRAWN) == 1
    why = scenes.entry_of(made, BASE, Event.WITHDRAWN).detail
    assert refused in why
    assert "is refused by now, and the build has used it" in why
    assert is_counted_to_nobody(made)
    assert scenes.rest_of(made, BASE) == "not-admitted"


def test_another_failure_of_that_class_counts_as_before() -> None:
    made = factory(base=(AGENT,))
    made.platform.failing = {("rhel9-base", "build"): "unknown"}
    scenes.until(made, lambda: bool(made.base.records.breakers.list()), limit=20_000)
    assert state_of(made, AGENT) is ToolState.ADMITTED
