"""What dead builds left goes, by its lease; what a live build uses stays, however old it is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.errors import ErrorClass, FactoryError, PermanentError, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import GalleryName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import (
    GalleryImageVersion,
    NewContainerGroup,
    Resources,
    Row,
    TableWrite,
    TaggedResource,
    TaggedVersion,
    VersionState,
    WriteKind,
)
from pipeline_core.services.upkeep import reap
from pipeline_core.services.upkeep.reap import ReapReport
from pipeline_core.settings import Limits
from pipeline_core.state import images as records
from pipeline_core.wiring.foundation import foundation_of
from simulation.world import LIVE, QUARANTINE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}
VM, NIC, DISK = (
    "Microsoft.Compute/virtualMachines",
    "Microsoft.Network/networkInterfaces",
    "Microsoft.Compute/disks",
)
LONG = timedelta(days=3)
UNKNOWN = "other.0123456789ab.1"


def tags(
    made: SimulatedWorld,
    build: Build | str,
    *,
    left: timedelta = -LONG,
    stage: str = "build",
    attempt: int = 1,
) -> dict[str, str]:
    """The tags of a build's resource whose lease has so much time left."""
    until = made.ports.clock.now() + left
    return {
        "imagefactory-attempt": str(attempt),
        "imagefactory-build": build if isinstance(build, str) else str(build.id),
        "imagefactory-image": "rhel9-base",
        "imagefactory-lease": f"{until:%Y-%m-%dT%H:%M:%SZ}",
        "imagefactory-stage": stage,
    }


def leave(
    made: SimulatedWorld, name: str, given: dict[str, str], *, kind: str = VM, used_by: str = ""
) -> str:
    made.ports.resources.add(TaggedResource(id=f"{kind}/{name}", type=kind, tags=given), used_by=used_by)
    return f"{kind}/{name}"


def quarantine(made: SimulatedWorld, version: str, given: dict[str, str]) -> None:
    made.ports.galleries.add_version(
        GalleryImageVersion(
            gallery=QUARANTINE,
            image=BASE,
            version=GalleryVersion.parse(version),
            state=VersionState.READY,
            excluded_from_latest=True,
            tags=given,
        )
    )


def quarantined(made: SimulatedWorld) -> list[str]:
    return [str(each.version) for each in made.ports.galleries.list_versions(QUARANTINE, BASE)]


def there(made: SimulatedWorld, *resources: str) -> list[str]:
    return [each for each in resources if made.ports.resources.is_there(each)]


def removed(made: SimulatedWorld) -> list[str]:
    """The journal's words on what was removed."""
    journal = scenes.images(made).list_journal(BASE, limit=1000)
    return [entry.detail for entry in journal if entry.event is Event.LEFTOVER]


def run(made: SimulatedWorld) -> ReapReport:
    return made.factory.reaper.reap()


def two_builds(phase: Phase = Phase.BUILDING) -> tuple[SimulatedWorld, Build, Build]:
    """One image with a build that has ended and one that goes on; nothing else is left of the first."""
    made = scenes.settled(ONE)
    run(made)
    made.ports.clock.advance(timedelta(minutes=5))
    (dead,) = scenes.builds(made, BASE)
    scenes.released(made)
    live = scenes.in_phase(made, BASE, phase)
    return made, dead, live


@dataclass(slots=True, kw_only=True)
class Locked:
    """Resources of which some cannot be deleted, as under a lock of Azure."""

    inner: Resources
    locked: tuple[str, ...]
    error: FactoryError

    def list_build_resources(self) -> Sequence[TaggedResource]:
        return self.inner.list_build_resources()

    def list_build_versions(self, gallery: GalleryName) -> Sequence[TaggedVersion]:
        return self.inner.list_build_versions(gallery)

    def begin_delete(self, resource: TaggedResource) -> None:
        if resource.id in self.locked:
            raise self.error
        self.inner.begin_delete(resource)


def test_of_a_live_and_a_dead_build_side_by_side_both_old_only_the_dead_ones_go() -> None:
    made, dead, live = two_builds()
    gone = [leave(made, f"dead-{number}", tags(made, dead), kind=kind) for number, kind in enumerate(KINDS)]
    stay = [leave(made, f"live-{number}", tags(made, live), kind=kind) for number, kind in enumerate(KINDS)]
    quarantine(made, "9.20250101.1", tags(made, dead))
    quarantine(made, "9.20250101.2", tags(made, live))
    made.ports.clock.advance(LONG)
    report = run(made)
    assert there(made, *gone, *stay) == stay
    assert (report.removed, report.in_use, report.failures) == (len(gone) + 1, 0, 0)
    made.ports.clock.advance(timedelta(minutes=5))
    assert quarantined(made) == ["9.20250101.2"]
    assert [detail for detail in removed(made) if gone[0] in detail] == [f"{gone[0]}: its build has ended"]


KINDS = (VM, NIC, DISK, "Microsoft.Compute/snapshots", "Microsoft.Network/publicIPAddresses")


@pytest.mark.parametrize("phase", [Phase.BUILDING, Phase.VERIFYING, Phase.PUBLISHING])
def test_a_build_that_goes_on_keeps_its_group_its_machine_and_its_version(phase: Phase) -> None:
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, phase)
    if phase is not Phase.PUBLISHING:
        scenes.until(made, lambda: bool(made.ports.containers.names()))
    machine = leave(made, "vm", tags(made, build))
    made.ports.clock.advance(LONG)
    groups, versions = made.ports.containers.names(), quarantined(made)
    run(made)
    made.ports.clock.advance(timedelta(minutes=5))
    assert (made.ports.containers.names(), quarantined(made)) == (groups, versions)
    assert bool(versions) is (phase is not Phase.BUILDING)
    assert there(made, machine) == [machine]


def test_the_groups_of_both_stages_stay_while_the_version_is_verified() -> None:
    made = scenes.registered(ONE)
    made.ports.containers.deletion = timedelta(hours=1)
    scenes.in_phase(made, BASE, Phase.VERIFYING)
    scenes.until(made, lambda: len(made.ports.containers.names()) == 2)
    made.ports.clock.advance(timedelta(minutes=30))
    report = run(made)
    assert len(made.ports.containers.names()) == 2
    assert report.removed == 0


@pytest.mark.usefixtures("first_steps_by_message")
def test_a_group_that_came_after_its_build_had_ended_goes() -> None:
    made, dead, live = two_builds()
    for name, given in (("late", tags(made, dead, left=LONG)), ("live", tags(made, live))):
        made.ports.containers.create_group(NewContainerGroup(name=name, environment={}, tags=given))
    run(made)
    made.ports.clock.advance(timedelta(minutes=5))
    assert made.ports.containers.names() == ["live"]


def test_after_a_success_only_the_live_version_is_left() -> None:
    made = scenes.settled(ONE)
    live = made.ports.galleries.list_versions(LIVE, BASE)
    assert quarantined(made)
    run(made)
    made.ports.clock.advance(timedelta(minutes=5))
    assert quarantined(made) == []
    assert made.ports.galleries.list_versions(LIVE, BASE) == live
    assert removed(made) == []  # the rule, and nothing to tell


def test_what_has_no_row_stays_until_its_lease_is_over() -> None:
    made = scenes.registered(ONE)
    machine = leave(made, "vm", tags(made, UNKNOWN, left=timedelta(hours=1)))
    made.ports.clock.advance(timedelta(minutes=59))
    assert run(made).removed == 0
    assert there(made, machine)
    made.ports.clock.advance(timedelta(minutes=30))
    assert run(made).removed == 1
    assert not there(made, machine)
    assert removed(made) == []  # no image of ours


def test_an_older_attempt_of_a_live_build_goes_when_its_lease_is_over() -> None:
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    found = scenes.stored(made, build.id)
    second = replace(found.value, attempt=2)
    scenes.images(made).commit([records.put_build(second, etag=found.etag)])
    older = leave(made, "older", tags(made, build, left=timedelta(hours=1), attempt=1))
    newer = leave(made, "newer", tags(made, build, left=timedelta(hours=1), attempt=2))
    run(made)
    assert there(made, older, newer) == [older, newer]
    made.ports.clock.advance(timedelta(hours=2))
    run(made)
    assert there(made, older, newer) == [newer]
    assert removed(made) == [f"{older}: a later attempt took its place, and its lease is over"]


@pytest.mark.parametrize("lease", ["", "soon", "2026-11-01T10:00:00"])
def test_an_unreadable_lease_keeps_even_what_is_dead_and_is_shown(lease: str) -> None:
    made, dead, _ = two_builds()
    machine = leave(made, "vm", {**tags(made, dead), "imagefactory-lease": lease})
    made.ports.clock.advance(LONG)
    for _ in range(2):
        report = run(made)
        assert (report.unreadable, report.removed) == (1, 0)
    assert there(made, machine)
    assert scenes.logged(made, "leftover-unreadable", subject=machine)


def test_what_uses_others_goes_first_and_the_others_in_the_same_run() -> None:
    made, dead, _ = two_builds()
    disk = leave(made, "a", tags(made, dead), kind=DISK, used_by=f"{VM}/c")
    interface = leave(made, "b", tags(made, dead), kind=NIC, used_by=f"{VM}/c")
    machine = leave(made, "c", tags(made, dead))
    report = run(made)
    assert there(made, disk, interface, machine) == []
    assert (report.removed, report.in_use) == (3, 0)


def test_what_is_still_in_use_goes_in_a_later_run_and_is_reported_once() -> None:
    made, dead, _ = two_builds()
    made.ports.resources.deletion = timedelta(minutes=4)
    interface = leave(made, "b", tags(made, dead), kind=NIC, used_by=f"{VM}/c")
    machine = leave(made, "c", tags(made, dead))
    report = run(made)
    assert (report.removed, report.in_use, report.failures) == (1, 1, 0)
    assert there(made, interface, machine) == [interface, machine]
    for _ in range(3):
        made.ports.clock.advance(timedelta(minutes=10))
        run(made)
    assert there(made, interface, machine) == []
    assert len(removed(made)) == 2


@pytest.mark.usefixtures("first_steps_by_message")
def test_a_list_that_lags_behind_harms_nothing() -> None:
    made, dead, live = two_builds()
    made.ports.resources.lag = timedelta(minutes=15)
    machine, kept = leave(made, "vm", tags(made, dead)), leave(made, "kept", tags(made, live))
    assert run(made).found == 0  # neither is shown yet
    made.ports.clock.advance(timedelta(minutes=20))
    assert run(made).removed == 1
    assert run(made).removed == 1  # shown as before, although it is gone
    assert there(made, machine, kept) == [kept]
    assert len(removed(made)) == 1


@pytest.mark.parametrize(
    "error",
    [PermanentError(ErrorClass.PERMISSION, "locked"), TransientError(ErrorClass.NETWORK, "no answer")],
    ids=["permanent", "transient"],
)
def test_one_failure_does_not_stop_the_rest(error: FactoryError) -> None:
    made, dead, _ = two_builds()
    machines = [leave(made, f"vm-{number}", tags(made, dead)) for number in range(3)]
    disk = leave(made, "disk", tags(made, dead), kind=DISK)
    scenes.rewired(made, resources=Locked(inner=made.ports.resources, locked=(machines[1],), error=error))
    report = run(made)
    assert there(made, *machines, disk) == [machines[1]]
    assert (report.removed, report.failures) == (3, 1)
    assert scenes.logged(made, "reap-failed-at", subject=machines[1], error=str(error))


@pytest.mark.parametrize("lost", ["list_build_resources", "list_build_versions"])
def test_a_list_that_cannot_be_had_keeps_nothing_of_the_other_and_shows(lost: str) -> None:
    made, dead, _ = two_builds()
    machine = leave(made, "vm", tags(made, dead))
    quarantine(made, "9.20250101.1", tags(made, dead))
    resources = scenes.Failing(inner=made.ports.resources, name=lost, errors=[scenes.transient()])
    scenes.rewired(made, resources=resources)
    with pytest.raises(TransientError):
        run(made)
    made.ports.clock.advance(timedelta(minutes=5))
    left = [*there(made, machine), *quarantined(made)]
    assert left == ([machine] if lost == "list_build_resources" else ["9.20250101.1"])
    run(made)
    made.ports.clock.advance(timedelta(minutes=5))
    assert [*there(made, machine), *quarantined(made)] == []


def test_a_build_row_that_cannot_be_read_keeps_what_it_may_use() -> None:
    made, dead, _ = two_builds()
    row = Row(partition=BASE.value, key=f"build:{BASE}.{'0' * 12}.1", cells={"schema": 99})
    made.ports.tables.write("images", [TableWrite(verb=WriteKind.INSERT, row=row)])
    broken = leave(made, "broken", tags(made, f"{BASE}.{'0' * 12}.1"))
    machine = leave(made, "vm", tags(made, dead))
    report = run(made)
    assert there(made, broken, machine) == [broken]
    assert (report.removed, report.failures) == (1, 1)


def test_one_run_takes_a_share_and_what_is_stuck_keeps_nothing_waiting() -> None:
    made, dead, _ = two_builds()
    stuck = [leave(made, f"vm-{number:03}", tags(made, dead)) for number in range(reap.MOST_OF_A_KIND)]
    last = [leave(made, f"vm-{number:03}", tags(made, dead)) for number in range(200, 220)]
    disk = leave(made, "disk", tags(made, dead), kind=DISK)
    error = PermanentError(ErrorClass.PERMISSION, "locked")
    scenes.rewired(made, resources=Locked(inner=made.ports.resources, locked=tuple(stuck), error=error))
    report = run(made)
    assert (report.postponed, there(made, disk)) == (20, [])
    assert report.removed + report.failures == reap.MOST_OF_A_KIND + 1
    for _ in range(20):
        made.ports.clock.advance(timedelta(minutes=10))
        run(made)
    assert there(made, *stuck, *last) == stuck


def test_what_carries_no_tag_of_ours_is_not_seen() -> None:
    made = scenes.registered(ONE)
    machine = leave(made, "vm", {"imagefactory-lease": "2020-01-01T00:00:00Z"})
    assert run(made).found == 0
    assert there(made, machine)


GROUP = "Microsoft.ContainerInstance/containerGroups"


def _groups(made: SimulatedWorld, *names: str) -> None:
    """Container groups of a build that nobody knows, whose leases are over."""
    for name in names:
        new = NewContainerGroup(name=name, environment={}, tags=tags(made, UNKNOWN))
        made.ports.containers.create_group(new)


def test_container_groups_are_deleted_from_the_budget_that_builds_share() -> None:
    made = scenes.settled(ONE)
    made.ports.clock.advance(timedelta(minutes=10))
    limits = Limits(
        slots=8,
        creates_per_hour=100,
        team_slots=8,
        wait=timedelta(seconds=30),
        deletes_per_hour=9,
        deletes_per_burst=3,
    )
    made.rewire(foundation_of(made.ports, scenes.deployment_of(made), limits))
    assert made.base.records.capacity.buy_deletion(made.ports.clock.now()) is None
    _groups(made, "if-a", "if-b", "if-c")
    machine = leave(made, "vm", tags(made, UNKNOWN))
    report = run(made)
    assert (report.removed, report.postponed, report.failures) == (4, 1, 0)  # with the version of the build
    assert made.ports.containers.names() == ["if-c"]
    assert there(made, machine) == []  # only container groups have this limit
    assert scenes.logged(made, "leftover-waits", subject=f"{GROUP}/if-c")
    made.ports.clock.advance(timedelta(minutes=6))
    assert (run(made).removed, made.ports.containers.names()) == (1, [])


def test_a_refused_deletion_of_a_group_pauses_the_others() -> None:
    made = scenes.settled(ONE)
    made.ports.clock.advance(timedelta(minutes=10))
    _groups(made, "if-a", "if-b", "if-c", "if-d")
    made.ports.containers.deletes_per_burst = 1
    report = run(made)
    assert (report.removed, report.failures, report.postponed) == (2, 1, 2)  # with the version of the build
    assert made.ports.containers.refused == 1
    wait = made.base.records.capacity.buy_deletion(made.ports.clock.now())
    assert wait is not None
