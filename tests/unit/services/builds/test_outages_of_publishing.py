"""An outage that stops only publications: it holds back no start, and it ends as soon as one is accepted."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from pipeline_core.adapters.memory.galleries import MemoryGalleries
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.domain.platform_call import PlatformCall
from pipeline_core.ports import NewGalleryVersion, TableWrite, WriteKind
from simulation.world import SimulatedWorld
from tests.simulation import outages
from tests.simulation.outages import Outage
from tests.unit.services import scenes, unreadable_rows
from tests.unit.services.scenes import ADMIN

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
A, B = ImageName("image-a"), ImageName("image-b")


@dataclass(slots=True)
class _Copies:
    """Whether the galleries refuse copies."""

    refused: bool = True


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> _Copies:
    switch, begin = _Copies(), MemoryGalleries.begin_copy

    def begin_copy(galleries: MemoryGalleries, new: NewGalleryVersion) -> None:
        if switch.refused:
            raise TransientError(ErrorClass.NETWORK, "the gallery answers 503")
        begin(galleries, new)

    monkeypatch.setattr(MemoryGalleries, "begin_copy", begin_copy)
    return switch


def _open(made: SimulatedWorld) -> list[PlatformBreaker]:
    return list(made.factory.retries.list())


def _hit(outage: Outage | None = None) -> SimulatedWorld:
    """Two roots whose copies are refused, and the breaker that has opened."""
    made = outages.make(outage or Outage(), slots=4)
    for image in (A, B):
        made.register(str(image), None)
    scenes.until(made, lambda: bool(_open(made)), limit=20_000)
    (opened,) = _open(made)
    assert (opened.is_wide, opened.call, opened.holds_all) == (True, PlatformCall.PUBLISH, False)
    return made


def _probing(made: SimulatedWorld) -> Build:
    """The build that has paused and is the probe now."""
    made.run_until(made.ports.clock.now() + 5 * MINUTE)
    (opened,) = _open(made)
    build = scenes.active(made, A).value
    assert build.phase is Phase.PUBLISHING
    assert opened.next_probe is not None
    made.ports.clock.advance(max(MINUTE, opened.next_probe - made.ports.clock.now()))
    assert made.parts.builds.outages.may_go_on(build, opened.key) is None
    (opened,) = _open(made)
    assert opened.probe is not None
    assert opened.probe.build == build.id
    return build


def test_a_publication_that_is_accepted_ends_the_outage(copies: _Copies) -> None:
    made = _hit()
    copies.refused = False
    made.run_until(made.ports.clock.now() + HOUR)
    assert made.versions().keys() == {"image-a", "image-b"}
    assert _open(made) == []


@pytest.mark.parametrize("end", ["cancelled", "gone", "unreadable"])
def test_a_paused_build_that_probes_and_is_lost_frees_the_breaker(copies: _Copies, end: str) -> None:
    made = _hit()
    build = _probing(made)
    (key,) = [
        key for key in unreadable_rows.keys(made, "images", "image-a", "build:") if str(build.id) in key
    ]
    match end:
        case "cancelled":
            made.factory.canceller.cancel(build.id, ADMIN, "not needed")
        case "gone":
            row = made.ports.tables.find("images", "image-a", key)
            assert row is not None
            made.ports.tables.write("images", [TableWrite(verb=WriteKind.DELETE, row=row)])
        case _:
            unreadable_rows.make_unreadable(made, "images", "image-a", key)
    copies.refused = False
    made.run_until(made.ports.clock.now() + HOUR)
    assert _open(made) == []
    assert "image-b" in made.versions()


def test_a_breaker_whose_builds_have_all_gone_closes_by_itself(copies: _Copies) -> None:
    made = _hit()
    for image in (A, B):
        made.factory.canceller.cancel(scenes.active(made, image).value.id, ADMIN, "not needed")
    made.run_until(made.ports.clock.now() + 4 * HOUR)
    assert _open(made) == []


def test_an_outage_of_starts_meanwhile_holds_them_back_and_raises_an_alert(copies: _Copies) -> None:
    outage = Outage(creation=lambda: TransientError(ErrorClass.NETWORK, "nothing can be created"))
    made = _hit(outage)
    outage.until = made.ports.clock.now() + 3 * HOUR
    for number in range(4):
        made.register(f"later-{number}", None)
    made.run_until(made.ports.clock.now() + 20 * MINUTE)
    (opened,) = _open(made)
    assert (opened.call, opened.holds_all) == (PlatformCall.PREPARE, True)
    assert outages.alerts(made) == 2
    made.register("last", None)
    made.run_until(made.ports.clock.now() + 10 * MINUTE)
    assert scenes.active(made, ImageName("last")).value.phase is Phase.PENDING
    outage.until, copies.refused = made.ports.clock.now(), False
    made.run_until(made.ports.clock.now() + 3 * HOUR)
    assert (outages.current(made), _open(made)) == (7, [])


def test_a_sweep_finds_the_work_of_breakers_by_itself(copies: _Copies) -> None:
    """No build is active, and the message that would drain the breaker was lost."""
    made = _hit()
    for image in (A, B):
        made.factory.canceller.cancel(scenes.active(made, image).value.id, ADMIN, "not needed")
    made.drain()
    assert made.factory.retries.retry(ErrorClass.NETWORK, ADMIN).closed
    scenes.lose(made, "dispatch-requests")
    (stored,) = made.base.records.breakers.list()
    assert not stored.value.is_drained
    made.factory.sweeper.sweep()
    made.drain()
    assert all(each.value.is_drained for each in made.base.records.breakers.list())


def test_a_sweep_does_not_look_at_what_pauses_until_nobody_probes(copies: _Copies) -> None:
    made = _hit()
    made.ports.clock.advance(6 * MINUTE)
    assert outages.swept(made) == set()
    made.ports.clock.advance(10 * MINUTE)  # every step was lost, and with them the probe
    assert outages.swept(made) == {A, B}
    copies.refused = False
    made.run_until(made.ports.clock.now() + HOUR)
    assert made.versions().keys() == {"image-a", "image-b"}
