"""What must hold at rest can fail: a world at rest is broken by hand, and the violation is named."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline_core.domain.errors import TransientError
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import NewContainerGroup, Row, TableWrite, TaggedResource, WriteKind
from pipeline_core.wire.messages import DispatchMessage
from simulation import fleet, rest, world
from simulation.region import BudgetedContainers
from simulation.story import SeedStory
from simulation.world import SimulatedWorld
from tests.unit.simulation.broken import (
    BASE,
    FIRST,
    JAVA,
    LIVE,
    QUARANTINE,
    find,
    released,
    rested,
    rewrite,
    working,
    write,
)

pytestmark = pytest.mark.slow  # whole runs of the simulated factory

SECOND = replace(FIRST, sequence=2)
STRANGER = TaggedResource(id="disks/stranger", type="disks", tags={"imagefactory-build": "other.0.1"})


def _forget(made: SimulatedWorld, table: str, row: Row) -> None:
    made.ports.tables.write(table, [TableWrite(verb=WriteKind.DELETE, row=row)])


def _registered_and_not_in_the_fleet(made: SimulatedWorld) -> None:
    made.registered.add(ImageName("ghost"))


def _deleted_and_in_the_fleet(made: SimulatedWorld) -> None:
    made.registered.discard(JAVA)


def _active_at_rest(made: SimulatedWorld) -> None:
    working(made, "building")


def _never_built(made: SimulatedWorld) -> None:
    made.register("rhel9-vault", None)


def _older_release(made: SimulatedWorld) -> None:
    released(made)


def _older_parent(made: SimulatedWorld) -> None:
    row = find(made, "images", str(BASE), "head")
    rewrite(made, "images", row, '"sequence":1},"fingerprint"', '"sequence":2},"fingerprint"')


def _another_parent(made: SimulatedWorld) -> None:
    made.register("rhel9-vault", None)
    made.register(str(JAVA), "rhel9-vault")


def _another_origin(made: SimulatedWorld) -> None:
    made.register(str(JAVA), None)


def _another_content(made: SimulatedWorld) -> None:
    made.register(str(JAVA), str(BASE), text="edited")


def _other_platform_steps(made: SimulatedWorld) -> None:
    world.set_platform(made, world.upload(made, "other steps"))


def _request_without_answer(made: SimulatedWorld) -> None:
    made.factory.requests.request(JAVA, world.ADMIN, "asked", "key-1")


def _older_period(made: SimulatedWorld) -> None:
    row = find(made, "images", str(JAVA), "head")
    rewrite(made, "images", row, '"period":0,"request"', '"period":1,"request"')


def _not_latest(made: SimulatedWorld) -> None:
    made.ports.galleries.set_excluded(LIVE, JAVA, FIRST, excluded=True)


def _not_in_live(made: SimulatedWorld) -> None:
    made.ports.galleries.begin_delete(LIVE, JAVA, FIRST)


def _group_left(made: SimulatedWorld) -> None:
    made.ports.containers.create_group(NewContainerGroup(name="left", environment={}, tags={}))


def _machine_left(made: SimulatedWorld) -> None:
    made.ports.resources.add(replace(STRANGER, id="virtualMachines/left"))


def _quarantined_left(made: SimulatedWorld) -> None:
    shown = made.ports.galleries.find_version(LIVE, JAVA, FIRST)
    assert shown is not None
    made.ports.galleries.add_version(replace(shown, gallery=QUARANTINE))


def _never_published_left(made: SimulatedWorld) -> None:
    made.safety.published.discard((str(JAVA), str(FIRST)))


def _slot_left(made: SimulatedWorld) -> None:
    write(made, "capacity", Row(partition="slots", key="slot:1", cells={}))


def _pending_left(made: SimulatedWorld) -> None:
    write(made, "index", Row(partition="pending", key="0-rhel9-java", cells={}))


def _active_left(made: SimulatedWorld) -> None:
    write(made, "index", Row(partition="active", key="rhel9-java.97a3d98113c8.1", cells={}))


def _stranger_removed(made: SimulatedWorld) -> None:
    made.ports.resources.add(STRANGER)
    made.strangers.add(STRANGER.id)
    made.ports.resources.begin_delete(STRANGER)


def _message_left(made: SimulatedWorld) -> None:
    made.ports.queues.send("build-steps", "left")


def _poison_without_record(made: SimulatedWorld) -> None:
    made.poisoned.append(("build-steps", "garbage"))


def _publication_untold(made: SimulatedWorld) -> None:
    entries = [row for row in made.ports.tables.rows("images") if row.key.startswith("entry:")]
    (row,) = (
        row for row in entries if row.partition == str(JAVA) and "image.published" in str(row.cells["value"])
    )
    _forget(made, "images", row)


def _reasons_untold(made: SimulatedWorld) -> None:
    entries = [row for row in made.ports.tables.rows("images") if row.key.startswith("entry:")]
    (row,) = (
        row for row in entries if row.partition == str(JAVA) and "build.queued" in str(row.cells["value"])
    )
    _forget(made, "images", row)


def _event_lost(made: SimulatedWorld) -> None:
    released(made)
    while (taken := made.ports.queues.receive("rebuild-requests")) is not None:
        made.ports.queues.delete("rebuild-requests", taken)
    made.settle()


def _breaker_open(made: SimulatedWorld) -> None:
    value = json.dumps({"error_class": "network", "opened_at": "2026-11-21T09:00:00Z"})
    write(made, "capacity", Row(partition="slots", key="stop:0123", cells={"value": value}))


def _region_asked_in_its_wait(made: SimulatedWorld) -> None:
    containers, now = made.ports.containers, made.ports.clock.now()
    assert isinstance(containers, BudgetedContainers)
    containers._hours[f"{now:%Y%m%d%H}"] = True
    for number in range(4):
        with pytest.raises(TransientError, match="used up"):
            containers.create_group(NewContainerGroup(name=f"group-{number}", environment={}, tags={}))


CASES: dict[str, tuple[Callable[[SimulatedWorld], None], str]] = {
    "registered, not in the fleet": (
        _registered_and_not_in_the_fleet,
        r"\(1\) ghost is registered and not in the fleet",
    ),
    "deleted, in the fleet": (_deleted_and_in_the_fleet, r"\(1\) rhel9-java was deleted and is in the fleet"),
    "active at rest": (_active_at_rest, r"\(1\) rhel9-base has the active build rhel9-base\.\S+ at rest"),
    "never built": (_never_built, r"\(1\) rhel9-vault has no version"),
    "older release": (
        _older_release,
        r"\(1\) rhel9-base is built from 9\.6\.2025112113, 9\.8\.2026062323 is the newest that was seen",
    ),
    "older parent": (
        _older_parent,
        r"\(1\) rhel9-java is built from rhel9-base@9\.20261121\.1, its parent is at 9\.20261121\.2",
    ),
    "another parent": (
        _another_parent,
        r"\(1\) rhel9-java is built from rhel9-base, which is not its parent",
    ),
    "another origin": (
        _another_origin,
        r"\(1\) rhel9-java is built from rhel9-base, which is not its parent",
    ),
    "another content": (_another_content, r"\(1\) rhel9-java was not built from what is registered"),
    "other platform steps": (
        _other_platform_steps,
        r"\(1\) rhel9-java was built with other platform steps than it is to be built with",
    ),
    "unanswered request": (
        _request_without_answer,
        r"\(1\) rhel9-java has not answered the newest request",
    ),
    "older period": (_older_period, r"\(1\) rhel9-java was built in an older period"),
    "not latest": (_not_latest, r"\(1\) latest of rhel9-java is None, its current version 9\.20261121\.1"),
    "not in live": (_not_in_live, r"\(1\) rhel9-java@9\.20261121\.1 is current and not in live"),
    "group left": (_group_left, r"\(7\) the container group left is left"),
    "machine left": (_machine_left, r"\(7\) virtualMachines/left is left"),
    "quarantined left": (_quarantined_left, r"\(7\) rhel9-java@9\.20261121\.1 is left in quarantine"),
    "unpublished left": (
        _never_published_left,
        r"\(7\) rhel9-java@9\.20261121\.1 is left in live and was never published",
    ),
    "slot left": (_slot_left, r"\(7\) slot:1 is left"),
    "pending row left": (_pending_left, r"\(7\) pending/0-rhel9-java is left"),
    "active row left": (_active_left, r"\(7\) active/rhel9-java\.97a3d98113c8\.1 is left"),
    "stranger removed": (
        _stranger_removed,
        r"\(7\) the stranger's disks/stranger was deleted before its lease was over",
    ),
    "message left": (_message_left, r"\(8\) build-steps holds left"),
    "poison without record": (
        _poison_without_record,
        r"\(8\) a poisoned message of build-steps has no record: garbage",
    ),
    "publication untold": (
        _publication_untold,
        r"\(9\) the journal does not explain rhel9-java@9\.20261121\.1",
    ),
    "reasons untold": (_reasons_untold, r"\(9\) the journal does not explain rhel9-java@9\.20261121\.1"),
    "breaker open": (
        _breaker_open,
        r"\(42\) the platform breaker of network is open at rest, since 2026-11-21T09:00:00Z",
    ),
    "region asked in its wait": (
        _region_asked_in_its_wait,
        r"\(44\) the region was asked for 3 creations after 21 \S+, when it asked to wait",
    ),
    "event lost": (
        _event_lost,
        r"\(10\) the build rhel9-base\.\S+ was started by the sweep, although no fault struck",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_must_hold_at_rest_is_named(name: str) -> None:
    breaks, named = CASES[name]
    made = rested()
    breaks(made)
    found = rest.violations(made)
    assert any(re.fullmatch(named, line) for line in found), found


def test_a_deletion_that_the_region_refused_is_named() -> None:
    made = rested()
    made.ports.containers.refused = 2
    assert rest.violations(made) == ["(11) the region refused 2 deletions: they were too many"]


def test_safety_host_and_story_are_heard() -> None:
    made = rested()
    made.safety.broken.append("(3) one")
    made.host.findings.append("two")
    made.findings.append("three")
    assert rest.violations(made) == ["(3) one", "two", "three"]


def test_an_input_that_fails_for_good_excuses_its_image_and_children_that_never_had_a_parent() -> None:
    made = world.make(failing={("rhel9-java", "build"): "provisioner"})
    for name, parent in fleet.SIX.items():
        made.register(name, parent)
    made.settle()
    assert made.versions()["rhel9-java"] == made.versions()["payments-api"] == ""
    assert rest.violations(made) == []


def test_an_input_that_fails_for_good_excuses_nobody_once_another_was_tried() -> None:
    made = world.make(failing={("rhel9-java", "build"): "provisioner"})
    for name, parent in fleet.SIX.items():
        made.register(name, parent)
    made.settle()
    (failed,) = (build for build in made.safety.builds.values() if build.image == "rhel9-java")
    made.safety.builds["later"] = replace(failed, id="rhel9-java.000000000000.1")
    assert "(1) rhel9-java has no version" in rest.violations(made)


def _wants_again_what_failed() -> SimulatedWorld:
    """The child's content failed by itself, was replaced by one that succeeded, and is registered again."""
    made = rested()
    for text, failing in (("bad", {("rhel9-java", "build"): "provisioner"}), ("good", {}), ("bad", {})):
        made.platform.failing = failing
        made.register(str(JAVA), str(BASE), text=text)
        made.settle()
    return made


def test_an_older_input_that_is_wanted_again_excuses_its_image_where_it_failed_by_itself() -> None:
    made = _wants_again_what_failed()
    assert [build.result for build in made.safety.builds.values()][-2:] == ["failed", "succeeded"]
    assert rest.violations(made) == []


def test_an_older_input_that_is_wanted_again_excuses_nobody_where_the_platform_failed() -> None:
    made = _wants_again_what_failed()
    made.platform.failed_inputs.clear()
    assert "(1) rhel9-java was not built from what is registered" in rest.violations(made)


def test_what_failed_before_excuses_nobody_where_another_input_is_wanted() -> None:
    made = _wants_again_what_failed()
    made.register(str(JAVA), str(BASE), text="new")
    assert "(1) rhel9-java was not built from what is registered" in rest.violations(made)


def test_a_sweep_that_starts_a_build_is_not_a_violation_where_messages_may_be_lost() -> None:
    made = world.make(faults=world.FAULTS["light"])
    made.injector.enabled = False
    made.register(str(BASE), None)
    made.settle()
    _event_lost(made)
    assert any(build.campaign.startswith("sweep-") for build in made.safety.builds.values())
    assert rest.violations(made) == []


def test_a_world_that_never_rests_is_a_violation_of_the_first_invariant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = world.make()
    made.register("rhel9-base", None)
    settle = SimulatedWorld.settle
    monkeypatch.setattr(
        SimulatedWorld, "settle", lambda self, *, limit, sweeps: _restless(self, settle, sweeps)
    )
    SeedStory(world=made, chance=random.Random(5), images=3).run()
    assert "(1) the world did not come to rest within 0 deliveries" in rest.violations(made)


def _restless(made: SimulatedWorld, settle: Callable[..., None], sweeps: int) -> None:
    """A message that is looked at again and again keeps the world from its rest."""
    made.ports.queues.send("dispatch-requests", DispatchMessage(reason="again").to_wire())
    settle(made, limit=0, sweeps=sweeps)
