"""Outages of the platform in the engine: nobody is blocked, one alert, one probe, and everything goes on afterwards."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import ErrorClass, FactoryError, Owner, PermanentError, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import CampaignId, ImageName, Region
from pipeline_core.domain.platform_breaker import WINDOW, PlatformBreaker
from pipeline_core.domain.platform_call import PlatformCall
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.state.capacity import SlotTaken
from pipeline_core.state.history import BuildPage, HistoryStore
from pipeline_core.state.images import ImageStore
from simulation import fleet
from simulation.faults import Kind
from simulation.trouble.outages import ReportedCause, SimulatedOutage
from simulation.world import SimulatedWorld
from tests.simulation import outages
from tests.simulation.outages import Outage
from tests.unit.services import scenes
from tests.unit.services.scenes import ADMIN

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def _refused(error_class: ErrorClass) -> FactoryError:
    if error_class.is_transient and error_class is not ErrorClass.UNKNOWN:
        return TransientError(error_class, "refused")
    return PermanentError(error_class, "refused")


def _hit(outage: Outage, *, roots: int = 6, slots: int = 3, lasts: timedelta = 10 * MINUTE) -> SimulatedWorld:
    """As many roots, all to be built, and an outage that has begun."""
    made = outages.make(outage, slots=slots)
    for number in range(roots):
        made.register(f"image-{number}", None)
    outage.until = made.ports.clock.now() + lasts
    return made


def _open(made: SimulatedWorld) -> list[PlatformBreaker]:
    return list(made.factory.retries.list())


CALLS = [
    ErrorClass.UNKNOWN,
    ErrorClass.TEMPLATE,
    ErrorClass.TERMS,
    ErrorClass.AZURE_POLICY,
    ErrorClass.NOT_FOUND,
    ErrorClass.REGISTRY,
    ErrorClass.NETWORK,
]


@pytest.mark.parametrize("error_class", CALLS)
def test_a_call_that_the_platform_refuses_blocks_nobody(error_class: ErrorClass) -> None:
    outage = Outage(creation=lambda: _refused(error_class))
    made = _hit(outage)
    assert outage.until is not None
    made.run_until(outage.until - MINUTE)
    assert outage.struck > 0
    assert len(_open(made)) == 1
    made.run_until(outage.until + 2 * HOUR)
    assert (outages.current(made), outages.alerts(made)) == (6, 1)
    assert len(outages.hurt(made)) <= 3
    assert (_open(made), made.poisoned) == ([], [])


@pytest.mark.parametrize("error_class", [ErrorClass.NOT_FOUND, ErrorClass.TERMS])
def test_a_call_of_the_factory_says_nothing_about_a_source(error_class: ErrorClass) -> None:
    """Only a builder asks for a release. Else one cause opens a breaker for each source, and each has its probes."""
    outage = Outage(creation=lambda: _refused(error_class))
    made = outages.make(outage, slots=3)
    for name, source in {"lvm": fleet.SOURCE, "raw": fleet.SECOND, "nightly": fleet.BUSY}.items():
        offered = MarketplaceSource(**source, location=Region("westeurope"))
        made.ports.marketplace.publish(offered, MarketplaceVersion.parse("9.6.2025112113"))
        made.register(f"{name}-1", None, source=source)
        made.register(f"{name}-2", None, source=source, team="shop")
    outage.until = made.ports.clock.now() + 3 * HOUR
    made.run_until(outage.until - MINUTE)
    (opened,) = _open(made)
    assert (str(opened.scope), opened.holds_all) == ("region:westeurope", True)
    made.run_until(outage.until + 2 * HOUR)
    assert (outages.current(made), outages.alerts(made), _open(made)) == (6, 1, [])
    assert len(outages.hurt(made)) <= 3


@pytest.mark.parametrize("error_class", [ErrorClass.MIRROR, ErrorClass.EVICTION, ErrorClass.PERMISSION])
def test_what_the_builder_meets_blocks_nobody(error_class: ErrorClass) -> None:
    outage = Outage(report=error_class)
    made = _hit(outage, lasts=40 * MINUTE)
    assert outage.until is not None
    made.run_until(outage.until + 3 * HOUR)
    assert (outages.current(made), outages.alerts(made)) == (6, 1)
    assert len(outages.hurt(made)) <= 3


def test_a_build_that_verifies_does_not_end_an_outage_that_stops_it_and_those_behind_it() -> None:
    """It probes while the last failure was one of `building`, which it was past before the outage began."""
    made = outages.make(Outage(), slots=2)
    made.register("image-0", None)
    scenes.in_phase(made, ImageName("image-0"), Phase.VERIFYING)
    made.register("image-1", None)
    now = made.ports.clock.now()
    lasts = SimulatedOutage(since=now, until=now + 3 * HOUR, report=ReportedCause(error_class="network"))
    made.platform.outages.known.append(lasts)
    made.run_until(now + 3 * HOUR)
    (opened,) = _open(made)
    assert {hit.call for hit in opened.hits} == {PlatformCall.BUILD, PlatformCall.VERIFY}
    assert "platform-breaker-closed" not in {line.event for line in made.ports.logs.lines}
    made.run_until(now + 5 * HOUR)
    assert (outages.current(made), outages.alerts(made), _open(made)) == (2, 1, [])


def _slow_line(failing: frozenset[str]) -> SimulatedWorld:
    """One slot, and five children of one root. Those of `failing` fail in verify for four hours, by the platform."""
    made = outages.make(Outage(), slots=1)
    made.register("image-0", None)
    made.settle()
    now = made.ports.clock.now()
    report = ReportedCause(error_class="compliance", owner=Owner.PLATFORM)
    stages = frozenset({"verify"})
    lasts = SimulatedOutage(since=now, until=now + 4 * HOUR, report=report, stages=stages, images=failing)
    made.platform.outages.known.append(lasts)
    for number in range(1, 6):
        made.register(f"image-{number}", "image-0")
    return made


def test_failures_of_a_slow_line_are_one_outage() -> None:
    """One slot lets no three images of one team and root fail within ten minutes."""
    made = _slow_line(frozenset({f"image-{number}" for number in range(1, 6)}))
    made.run_until(made.ports.clock.now() + HOUR)
    (opened,) = _open(made)
    first, _, third = opened.hits[:3]
    assert (opened.is_wide, opened.opened_at) == (True, third.at)
    assert third.at - first.at > 2 * WINDOW
    made.run_until(made.ports.clock.now() + 3 * HOUR)
    hurt = [build.image for build in outages.hurt(made)]
    assert len(hurt) == len(set(hurt)), "no image was built again in vain"
    made.run_until(made.ports.clock.now() + 3 * HOUR)
    assert (outages.current(made), outages.alerts(made), _open(made)) == (6, 1, [])


def test_failures_between_builds_that_succeed_are_no_outage() -> None:
    made = _slow_line(frozenset({"image-1", "image-3", "image-5"}))
    while len(outages.hurt(made)) < 3:
        made.run_until(made.ports.clock.now() + MINUTE)
    failed = {str(build.image) for build in outages.hurt(made)}
    assert (failed, outages.alerts(made)) == ({"image-1", "image-3", "image-5"}, 0)


@pytest.mark.parametrize(
    ("outage", "lasts"),
    [
        (Outage(report=ErrorClass.NETWORK), 4 * HOUR),
        (Outage(report=ErrorClass.CAPACITY), 12 * HOUR),
        (Outage(report=ErrorClass.QUOTA), 12 * HOUR),
        (Outage(fault=Kind.EVICTED), 3 * HOUR),
        (Outage(fault=Kind.SILENT), 6 * HOUR),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_outage_of_hours_opens_no_breaker_of_an_image(outage: Outage, lasts: timedelta) -> None:
    made = _hit(outage, lasts=lasts)
    assert outage.until is not None
    made.run_until(outage.until + 5 * HOUR)
    assert outages.current(made) == 6
    for number in range(6):
        head = scenes.head(made, ImageName(f"image-{number}"))
        assert (head.failures, head.breaker) == (0, None)


def test_a_build_that_is_refused_for_hours_waits_with_few_looks_and_does_not_end() -> None:
    """A message that is delivered twice doubles the looks that follow, so that looks each minute become thousands."""
    outage = Outage(creation=lambda: _refused(ErrorClass.NETWORK))
    made = _hit(outage, roots=3, lasts=5 * HOUR)
    assert outage.until is not None
    made.run_until(outage.until)
    assert outages.hurt(made) == []
    assert made.deliveries < 300, "sweeps every ten minutes included"
    made.run_until(outage.until + HOUR)
    assert outages.current(made) == 3


def test_a_lack_of_capacity_fails_no_build_and_raises_no_alert() -> None:
    outage = Outage(report=ErrorClass.CAPACITY)
    made = _hit(outage, lasts=12 * HOUR)
    assert outage.until is not None
    made.run_until(outage.until)
    assert (outages.hurt(made), outages.alerts(made), _open(made)) == ([], 0, [])


@pytest.mark.parametrize(
    ("outage", "scope"),
    [
        (Outage(creation=lambda: _refused(ErrorClass.TERMS)), "region:westeurope"),
        (Outage(report=ErrorClass.TERMS), "source:redhat:rhel:9-lvm-gen2"),
    ],
    ids=["a call of the factory", "a builder"],
)
def test_an_open_breaker_is_in_the_journal_and_shown_on_what_it_holds_back(
    outage: Outage, scope: str
) -> None:
    made = _hit(outage, lasts=HOUR)
    scenes.until(made, lambda: bool(_open(made)))
    made.run_until(made.ports.clock.now() + MINUTE)
    (opened,) = _open(made)
    assert opened.opened_by is not None
    entry = scenes.entry_of(made, opened.opened_by.image, Event.PLATFORM_BREAKER_OPENED)
    assert entry.detail.startswith(f"terms in {scope}")
    waits = [ImageName(f"image-{number}") for number in range(6)]
    shown = {each.type.value for name in waits for each in made.factory.queries.image(name).image.conditions}
    assert "PlatformFault" in shown


def test_a_code_that_nobody_knows_gets_two_tries_and_then_the_breaker_waits_for_its_end() -> None:
    """The first try may have failed by chance, the second has not. No build is tried a third time on its own."""
    made = scenes.registered({"image-0": None})
    made.platform.failing = {("image-0", "build"): "unknown"}
    began = made.ports.clock.now()
    made.run_until(began + 80 * MINUTE)
    assert [(build.result, build.attempt) for build in outages.builds(made)] == [(Result.FAILED, 2)] * 2
    assert (_open(made), outages.alerts(made)) == ([], 0)
    made.run_until(began + 2 * HOUR)  # the third one fails twice too: it pauses, and only probes go on
    (opened,) = _open(made)
    assert (opened.is_open, opened.error_class, outages.alerts(made)) == (True, ErrorClass.UNKNOWN, 1)
    *_, waits = outages.builds(made)
    assert waits.phase is Phase.BUILDING
    head = scenes.head(made, ImageName("image-0"))
    assert (head.failures, head.breaker) == (0, None)
    made.platform.failing = {}
    made.run_until(began + 4 * HOUR)
    assert (outages.current(made), _open(made)) == (1, [])


def test_a_code_that_nobody_knows_and_that_does_not_come_again_costs_one_attempt() -> None:
    made = scenes.registered({"image-0": None})
    made.platform.failing = {("image-0", "build"): "unknown"}
    scenes.until(made, lambda: Event.RETRIED in scenes.events(made, ImageName("image-0")))
    made.platform.failing = {}
    made.settle()
    assert [(build.result, build.build_attempt) for build in outages.builds(made)] == [(Result.SUCCEEDED, 2)]
    assert (_open(made), outages.alerts(made)) == ([], 0)


def test_only_builds_of_the_scope_are_held_back() -> None:
    """One image of six fails again and again by a step of the platform's; the others are built meanwhile."""
    made = scenes.registered({f"image-{number}": None for number in range(6)})
    made.platform.failing = {("image-0", "build"): "eviction"}
    made.run_until(made.ports.clock.now() + 2 * HOUR)
    assert outages.current(made) == 5
    (opened,) = _open(made)
    assert not opened.is_wide
    made.platform.failing = {}
    made.run_until(made.ports.clock.now() + 2 * HOUR)
    assert (outages.current(made), _open(made)) == (6, [])


def test_secops_end_an_outage_by_hand() -> None:
    outage = Outage(creation=lambda: _refused(ErrorClass.TERMS))
    made = _hit(outage, lasts=10 * HOUR)
    made.run_until(made.ports.clock.now() + 9 * HOUR)
    assert len(_open(made)) == 1
    outage.until = made.ports.clock.now()
    answer = made.factory.retries.retry(ErrorClass.TERMS, ADMIN)
    assert answer.closed
    assert answer.next is None
    made.run_until(outage.until + HOUR)
    assert (outages.current(made), _open(made)) == (6, [])
    with pytest.raises(PermanentError, match="only SecOps"):
        made.factory.retries.retry(ErrorClass.TERMS, scenes.principal("payments"))


def test_retry_unblocks_what_an_older_release_has_blocked() -> None:
    made = scenes.settled({"rhel9-base": None})
    made.platform.failing = {("rhel9-base", "build"): "provisioner"}
    scenes.released(made)
    made.drain()
    assert scenes.rest_of(made, scenes.BASE) == "blocked"
    made.platform.failing = {}
    assert made.factory.retries.retry(ErrorClass.SMOKE, ADMIN).images == ()
    assert made.factory.retries.retry(ErrorClass.PROVISIONER, ADMIN).images == ("rhel9-base",)
    entry = scenes.entry_of(made, scenes.BASE, Event.REQUESTED)
    assert (entry.identity, "provisioner" in entry.detail) == ("user:admin", True)
    assert scenes.logged(made, "outage-retried", actor="user:admin", images=1)
    made.drain()
    assert scenes.rest_of(made, scenes.BASE) == "current"
    assert [each.result for each in scenes.builds(made, scenes.BASE)][1:] == [Result.FAILED, Result.SUCCEEDED]


def test_retry_reads_the_newest_build_of_each_image_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scenes.settled({"rhel9-base": None})
    scenes.released(made)
    made.drain()
    assert len(scenes.builds(made, scenes.BASE)) == 2
    made.platform.failing = {("rhel9-base", "build"): "provisioner"}
    made.register("rhel9-base", None, text="newer")
    made.drain()
    read: list[int] = []
    page = HistoryStore.builds

    def builds(store: HistoryStore, image: ImageName, *, after: str = "", limit: int) -> BuildPage:
        read.append(limit)
        return page(store, image, after=after, limit=limit)

    def builds_of(store: ImageStore, image: ImageName, *, limit: int) -> Sequence[Build]:
        raise AssertionError(f"all builds of {image} are read")

    monkeypatch.setattr(HistoryStore, "builds", builds)
    monkeypatch.setattr(ImageStore, "list_builds", builds_of)
    assert made.factory.retries.retry(ErrorClass.PROVISIONER, ADMIN).images == ("rhel9-base",)
    assert read == [1]


def _admitted() -> tuple[SimulatedWorld, Build]:
    """A breaker whose outage is over, a free slot, and the pending build that a pass has just let through."""
    outage = Outage(creation=lambda: _refused(ErrorClass.UNKNOWN))
    made = _hit(outage, roots=2)
    assert outage.until is not None
    made.run_until(outage.until - 5 * MINUTE)
    made.register("late", None)
    made.run_until(outage.until - 4 * MINUTE)
    (opened,) = _open(made)
    assert opened.next_probe is not None
    outage.until = made.ports.clock.now()
    made.ports.clock.advance(max(MINUTE, opened.next_probe - outage.until))
    build = scenes.active(made, ImageName("late")).value
    gate = made.factory.dispatcher.outages
    assert gate.admit(build, gate.open()).probes == (opened.key,)
    return made, build


def test_a_probe_that_the_sweep_begins_is_followed_as_a_probe() -> None:
    """The pass that let it through took its slot and died."""
    made, build = _admitted()
    capacity, now = scenes.capacity(made, slots=3), made.ports.clock.now()
    ledger = capacity.read(now)
    (row,) = scenes.index(made).waiting(limit=9)
    assert capacity.take(ledger.capacity.free_slots[0], row.value, ledger) is SlotTaken.TAKEN
    (opened,) = _open(made)
    made.factory.sweeper.sweep()
    assert scenes.stored(made, build.id).value.probes == (opened.key,)
    made.run_until(now + 10 * MINUTE)
    assert _open(made) == []


@pytest.mark.parametrize("ends", [False, True], ids=["stays pending", "superseded"])
def test_a_probe_that_never_begins_gives_way_to_another_within_minutes(ends: bool) -> None:
    """The pass that let it through died before it took a slot. Alone it would be the probe for 45 minutes."""
    made, build = _admitted()
    if ends:
        made.register(str(build.image), None, text="newer")
        made.factory.reconciler.reconcile(build.image, CampaignId("edited"))
        assert scenes.stored(made, build.id).value.result is Result.SUPERSEDED
    made.run_until(made.ports.clock.now() + 20 * MINUTE)
    assert _open(made) == []


def test_a_sweep_looks_at_a_container_that_runs_and_not_at_what_waits_to_be_created() -> None:
    outage = Outage(creation=lambda: TransientError(ErrorClass.NETWORK, "nothing can be created"))
    made = outages.make(outage, slots=4)
    runs, others = ImageName("runs"), [ImageName(f"image-{number}") for number in range(3)]
    made.register(str(runs), None)
    build = scenes.in_phase(made, runs, Phase.BUILDING)
    marker = f"{attempts.folder_of(build)}/{attempts.STARTED}"
    scenes.until(made, lambda: made.ports.blobs.find_facts("builds", marker) is not None)
    outage.until = made.ports.clock.now() + 3 * HOUR
    for image in others:
        made.register(str(image), None)
    scenes.until(made, lambda: bool(_open(made)), limit=20_000)
    assert all(scenes.active(made, image).value.phase is Phase.BUILDING for image in others)
    made.ports.clock.advance(6 * MINUTE)
    assert outages.swept(made) == {runs}
    made.run_until(outage.until + 2 * HOUR)
    assert (outages.current(made), _open(made)) == (4, [])
