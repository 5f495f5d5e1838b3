"""The rows of the growth table. Each makes a fleet, does one thing, and counts its operations."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from benchmarks.growth import seeded
from benchmarks.growth.seeded import Cost, SeededFleet
from pipeline_core.adapters.memory.ports import MemoryPorts
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.images import ActiveBuild, ImageHead
from pipeline_core.domain.names import CampaignId, ImageName
from simulation import benchmark, world

Figures = dict[str, float]
Scenario = Callable[[int], Figures]


def quiet_sweep(count: int) -> Figures:
    """A sweep of a fleet in which every image is current."""
    fleet = seeded.current(seeded.below_one(count - 1))
    cost = fleet.sweep()
    return {"tables": cost.tables, "queues": cost.queues, "blobs": cost.blobs}


def window(count: int) -> Figures:
    """Every image has a changed definition, and its window is closed."""
    return _resting(count, lambda head: seeded.stale(head, window=seeded.CLOSED))


def suspended(count: int) -> Figures:
    """Every image has a changed definition, and is suspended."""
    return _resting(count, lambda head: seeded.stale(head, suspend=True))


def blocked(count: int) -> Figures:
    """Every image has a changed definition, whose build failed for good."""
    return _resting(count, seeded.stale, then=SeededFleet.block)


def waiting(count: int) -> Figures:
    """Every image but the base has a changed definition, and waits for the base, which builds."""
    fleet = seeded.current(seeded.below_one(count - 1))
    base = seeded.name_of(0)
    fleet.change(lambda head: head if head.name == base else seeded.stale(head))
    _ask(fleet, base, wish=True)
    return _two_sweeps(fleet)


def pending(count: int) -> Figures:
    """Every image has a build that waits for a slot."""
    fleet = seeded.current(seeded.flat(count), slots=1)
    fleet.change(seeded.stale)
    world_ = fleet.world
    for head in fleet.heads():
        world_.factory.reconciler.reconcile(head.name, CampaignId("growth"))
    while (message := world_.ports.queues.receive("dispatch-requests")) is not None:
        world_.ports.queues.delete("dispatch-requests", message)
    world_.ports.clock.advance(timedelta(minutes=20))
    young = fleet.sweep()
    world_.ports.clock.advance(timedelta(hours=7))
    late = fleet.sweep()
    return {
        "tables": young.tables,
        "queues": young.queues,
        "late_tables": late.tables,
        "late_queues": late.queues,
        "late_again_tables": fleet.sweep().tables,
    }


def failing_flat(count: int) -> Figures:
    """A base with so many children fails; the children are current."""
    return _failing(seeded.below_one(count), count)


def failing_levels(width: int) -> Figures:
    """A base with five levels below it fails; each image has `width` children."""
    parents = seeded.levels(5, width)
    return _failing(parents, len(parents) - 1)


def one_build(_: int) -> Figures:
    """A release through six images on three levels, without sweeps."""
    return benchmark.operations_per_build()


class _NoLooks:
    """A timer's function that looks at no gallery."""

    def observe(self) -> int:
        """Nothing differed."""
        return 0


def platform_fleet(
    roots: int, wrap: Callable[[MemoryPorts], MemoryPorts] | None = None, *, slots: int = 8
) -> SeededFleet:
    """A fleet of three levels: so many roots, with ten children each and ten grandchildren below each."""
    parents = [None] * roots + [place for place in range(roots) for _ in range(10)]
    parents += [place for place in range(roots, roots * 11) for _ in range(10)]
    fleet = seeded.current(parents, slots=slots, wrap=wrap)
    made = fleet.world
    # A seeded fleet has no versions in its galleries. Looks at galleries cost time, not builds: they are left out.
    made.host.factory = replace(made.host.factory, galleries=cast(Any, _NoLooks()))
    return fleet


def change_platform(fleet: SeededFleet) -> None:
    """Put new platform steps in force, and let time pass with every timer until each image is built."""
    made = fleet.world
    world.set_platform(made, world.upload(made, "new steps"))
    while any(head.current is not None and head.current.version == seeded.BUILT for head in fleet.heads()):
        made.run_until(made.ports.clock.now() + timedelta(minutes=5))  # later timers are not counted
        made.ports.logs.lines.clear()
    made.drain()


def platform_change(roots: int) -> Figures:
    """New platform steps for a fleet of three levels, with sweeps, per build."""
    fleet = platform_fleet(roots)
    waits, ends = fleet.world.waits, len(fleet.heads())
    cost = fleet.cost(lambda: change_platform(fleet))
    waited = fleet.world.waits - waits
    deletions = cost.calls["containers.delete_group"]
    return {
        "builds": ends,
        "tables_per_build": round(cost.tables / ends, 1),
        "queues_per_build": round(cost.queues / ends, 1),
        "deliveries_per_build": round(cost.deliveries / ends, 1),
        "without_waiting": round((cost.storage - 4 * waited) / ends, 1),
        "group_deletions_per_build": round(deletions / ends, 2),
    }


def slow_deletions(_: int) -> Figures:
    """Requests to delete container groups per build, where Azure needs a minute for each."""
    fleet = seeded.current(seeded.below_one(5))
    fleet.world.ports.containers.deletion = timedelta(seconds=60)

    def work() -> None:
        world.set_platform(fleet.world, world.upload(fleet.world, "new steps"))
        fleet.world.drain()

    cost = fleet.cost(work)
    return {"deletions_per_build": round(cost.calls["containers.delete_group"] / 6, 2)}


def poll(count: int) -> Figures:
    """A poll without news, for a fleet with one source."""
    fleet = seeded.current(seeded.flat(count))
    fleet.world.factory.poller.poll()
    cost = fleet.cost(fleet.world.factory.poller.poll)
    return {"tables": cost.tables, "marketplace": cost.arm}


def list_page(count: int) -> Figures:
    """`GET /api/images?limit=200`: the first page and one in the middle, quiet and in a cascade."""
    fleet = seeded.current(broad(count))
    queries = fleet.world.factory.queries
    middle = str(seeded.name_of(count // 2))
    found: Figures = {
        "quiet": fleet.cost(lambda: queries.images(limit=200)).tables,
        "quiet_middle": fleet.cost(lambda: queries.images(limit=200, after=middle)).tables,
    }
    fleet.change(_building)
    return {
        **found,
        "cascade": fleet.cost(lambda: queries.images(limit=200)).tables,
        "cascade_middle": fleet.cost(lambda: queries.images(limit=200, after=middle)).tables,
    }


def one_image(count: int) -> Figures:
    """`GET /api/images/NAME` of a leaf on the third level."""
    fleet = seeded.current([None, 0, 1, *[2] * (count - 3)])
    return {"tables": fleet.cost(lambda: fleet.world.factory.queries.image(seeded.name_of(count - 1))).tables}


def lineage(count: int) -> Figures:
    """`GET /api/lineage`."""
    fleet = seeded.current(broad(count))
    return {"tables": fleet.cost(fleet.world.factory.queries.lineage).tables}


def prune(count: int) -> Figures:
    """One run of retention."""
    fleet = seeded.current(seeded.below_one(count - 1))
    cost = fleet.cost(fleet.world.factory.pruner.prune)
    return {"tables": cost.tables, "blobs": cost.blobs, "arm": cost.arm}


SCENARIOS: Mapping[str, tuple[Scenario, tuple[int, ...]]] = {
    "quiet sweep": (quiet_sweep, (1_000, 10_000)),
    "sweep, window closed": (window, (1_000, 10_000)),
    "sweep, suspended": (suspended, (1_000, 10_000)),
    "sweep, blocked": (blocked, (1_000, 10_000)),
    "sweep, waiting for the base": (waiting, (1_000, 10_000)),
    "sweep, pending builds": (pending, (1_000, 10_000)),
    "base fails, flat": (failing_flat, (1_000, 10_000)),
    "base fails, five levels": (failing_levels, (3, 6)),
    "one build, no sweep": (one_build, (6,)),
    "platform change with sweeps": (platform_change, (10,)),
    "deletions of a minute": (slow_deletions, (6,)),
    "poll": (poll, (1_000, 10_000)),
    "list page of 200": (list_page, (1_000, 10_000)),
    "one image": (one_image, (1_000, 10_000)),
    "lineage": (lineage, (1_000, 10_000)),
    "prune": (prune, (1_000, 10_000)),
}


def _resting(
    count: int, change: Callable[[ImageHead], ImageHead], then: Callable[[SeededFleet], None] = lambda _: None
) -> Figures:
    fleet = seeded.current(seeded.flat(count))
    fleet.change(change)
    then(fleet)
    return _two_sweeps(fleet)


def _two_sweeps(fleet: SeededFleet) -> Figures:
    """The number of sweeps that ask for a look, at most ten, and the cost of the sweep after them."""
    sweeps = 0
    while sweeps < 10:
        fleet.sweep()
        if not _looks(fleet).deliveries:
            break
        sweeps += 1
        fleet.world.ports.clock.advance(world.SWEEP)
    fleet.world.ports.clock.advance(world.SWEEP)
    last = fleet.sweep()
    looks = _looks(fleet)
    return {
        "sweeps_that_ask": sweeps,
        "tables": last.tables,
        "queues": last.queues,
        "look_tables": looks.tables,
        "look_queues": looks.queues,
    }


def _looks(fleet: SeededFleet) -> Cost:
    """Deliver the messages that ask for looks, and no other."""

    def work() -> None:
        for _ in range(2_000_000):
            waiting = fleet.world.ports.queues.first_visible("rebuild-requests")
            if waiting is None or waiting > fleet.world.ports.clock.now():
                return
            fleet.world.host.deliver_one()

    return fleet.cost(work)


def _failing(parents: list[int | None], below: int) -> Figures:
    fleet = seeded.current(parents, slots=1)
    base, made = seeded.name_of(0), fleet.world
    _ask(fleet, base, wish=True)
    made.factory.dispatcher.dispatch()
    build = made.base.records.images.get_head(base).value.active
    if build is None:
        raise RuntimeError("the base does not build")
    made.platform.failing = {(str(base), "build"): "template"}
    cost = fleet.drain()
    counts = fleet.world.base.records.images.list_builds(base, limit=10)
    if [each.result.value for each in counts if each.result is not None] != ["failed"]:
        raise RuntimeError("the base did not fail")
    return {
        "below": below,
        "tables": cost.tables,
        "queues": cost.queues,
        "deliveries": cost.deliveries,
        "operations_per_image": round(cost.storage / below, 1),
        "deliveries_per_image": round(cost.deliveries / below, 2),
    }


def _ask(fleet: SeededFleet, image: ImageName, *, wish: bool) -> None:
    """A person asks for a build of the image."""
    fleet.world.factory.requests.request(image, world.ADMIN, "growth", "growth" if wish else None)


def broad(count: int) -> list[int | None]:
    """Ten roots, a hundred images below each ten of them, and the leaves spread below these."""
    inner = max(1, count // 10)
    roots = max(1, count // 1000)
    return [
        None if place < roots else place % roots if place < inner else roots + place * 7919 % (inner - roots)
        for place in range(count)
    ]


def _building(head: ImageHead) -> ImageHead:
    if head.current is None:
        return head
    active = ActiveBuild(build=head.current.build, fingerprint=head.current.fingerprint, phase=Phase.PENDING)
    return replace(head, active=active)
