"""The result of loading a copy of the tables that is old, or was made while rows changed."""

from collections import Counter
from datetime import timedelta
from typing import Any

from benchmarks import counted_fleet, table_copy
from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.errors import FactoryError
from pipeline_core.domain.names import ImageName
from pipeline_core.state.images import TABLE
from pipeline_core.state.records import Codec
from simulation import fleet
from simulation.world import ADMIN, LIVE, SimulatedWorld

_CLAIMS = Codec(Claim)
_GAPS = {"same_day": timedelta(hours=1), "next_day": timedelta(hours=25)}


def stale(images: int) -> dict[str, dict[str, Any]]:
    """The state of a fleet whose tables are lost after a release that is not in the last copy.

    `in_flight`: half of the builds of the release still run or wait.
    """
    outcome: dict[str, dict[str, Any]] = {}
    for way, copy in {"present": None, "copy": "copy"}.items():
        for gap, passed in _GAPS.items():
            made = counted_fleet.settled(images, 0)
            table_copy.export(made.world.ports.tables, made.world.ports.blobs, "copy")
            _release(made.world)
            made.world.drain(limit=counted_fleet.DELIVERIES)
            made.world.ports.clock.advance(passed)
            outcome[f"{way}_{gap}"] = _lost(made, copy)
        made = counted_fleet.settled(images, 0)
        table_copy.export(made.world.ports.tables, made.world.ports.blobs, "copy")
        _release(made.world)
        _deliver(made.world, images * 20)
        outcome[f"{way}_in_flight"] = _lost(made, copy)
    return outcome


def _release(made: SimulatedWorld) -> None:
    made.publish_release(counted_fleet.RELEASES[0])
    made.factory.poller.poll()


def _lost(made: counted_fleet.CountedFleet, copy: str | None) -> dict[str, Any]:
    around = made.world
    before, latest, groups = _versions(around), _latest(around), made.counts["containers.create_group"]
    violations, lost_at = len(around.safety.broken), around.ports.clock.now()
    counted_fleet.lose(around)
    way = counted_fleet.derived(made) if copy is None else counted_fleet.loaded(made, copy)
    behind = sum(version != before[name] for name, version in _versions(around).items())
    error = ""
    try:
        around.factory.poller.poll()  # the timer of the next five minutes
        around.settle(limit=_limit(around), sweeps=3)
    except (FactoryError, RuntimeError) as raised:
        error = f"{type(raised).__name__}: {raised}"[:200]
    broken = around.safety.broken[violations:]
    after = _latest(around)
    return {
        "heads_behind_after_recovery": behind,
        "problems": way.problems,
        "groups_created_after": made.counts["containers.create_group"] - groups,
        "offered_versions_changed": sum(after[name] != version for name, version in latest.items()),
        "offered_unlike_head": sum(after[name] != version for name, version in _versions(around).items()),
        "violations": dict(Counter(_kind(text) for text in broken).most_common(5)),
        "blocked": sum(_blocked(around).values()),
        "blocked_because": dict(_blocked(around).most_common(2)),
        "poisoned": len(around.poisoned),
        "virtual_hours_to_rest": round((around.ports.clock.now() - lost_at) / timedelta(hours=1), 1),
        "error": error,
    }


def _limit(made: SimulatedWorld) -> int:
    """A limit of deliveries that is more than enough to come to rest."""
    return 1_000 * len(made.registered)


def _latest(made: SimulatedWorld) -> dict[str, str]:
    """The version that a machine gets when it requests the newest, by image."""
    galleries = made.ports.galleries
    return {str(name): str(galleries.latest(LIVE, name)) for name in sorted(made.registered)}


def _versions(made: SimulatedWorld) -> dict[str, str]:
    images = made.base.records.images
    heads = {name: images.find_head(name) for name in sorted(made.registered)}
    return {
        str(name): str(head.value.current.version)
        for name, head in heads.items()
        if head is not None and head.value.current is not None
    }


def _blocked(made: SimulatedWorld) -> Counter[str]:
    """Why images are blocked permanently. The reasons are without their numbers."""
    rows = (
        row
        for name in made.registered
        for row in made.ports.tables.scan(TABLE, str(name), first="claim:", last="claim;", limit=100)
    )
    claims = [_CLAIMS.read(row).value for row in rows]
    return Counter(_kind(claim.detail) for claim in claims if claim.outcome is Outcome.FAILED)


def _kind(text: str) -> str:
    """The text without the names in it."""
    words = [word for word in text.split() if not any(letter.isdigit() for letter in word)]
    return " ".join(words)[:90]


def acknowledged() -> dict[str, dict[str, bool]]:
    """Which changes are in force after a recovery. The service confirmed them after the last copy was made."""
    outcome: dict[str, dict[str, bool]] = {}
    for way, copy in {"present": None, "copy": "copy"}.items():
        made = counted_fleet.settled(0, 0, parents=fleet.SIX)
        around, images = made.world, made.world.base.records.images
        table_copy.export(around.ports.tables, around.ports.blobs, "copy")
        around.register("late", "rhel9-base")
        around.register("ml-worker", "rhel9-python", text="edited")
        vault, python, worker = ImageName("rhel9-vault"), ImageName("rhel9-python"), ImageName("ml-worker")
        edited = images.get_head(worker).value.registration
        around.factory.registrar.unregister(
            vault, ADMIN, str(images.get_head(vault).value.registration.definition)
        )
        around.factory.requests.request(python, ADMIN, "because", "key")
        counted_fleet.lose(around)
        counted_fleet.derived(made) if copy is None else counted_fleet.loaded(made, copy)
        outcome[way] = {
            "registered_image": images.find_head(ImageName("late")) is not None,
            "edited_definition": images.get_head(worker).value.registration == edited,
            "deleted_image": images.find_head(vault) is None,
            "rebuild_request": images.get_head(python).value.request is not None,
        }
    return outcome


def torn(images: int) -> dict[str, Any]:
    """A copy is made during a release, one page a minute (slow on purpose). The tables are lost directly after it."""
    made = counted_fleet.settled(images, 0)
    around = made.world
    _release(around)
    _deliver(around, images * 4)
    before = contradictions(around)
    for table in table_copy.TABLES:
        for number, page in enumerate(table_copy.pages(around.ports.tables, table)):
            table_copy.export_page(page, around.ports.blobs, f"torn/{table}/{number:06d}")
            around.run_until(around.ports.clock.now() + timedelta(minutes=1))
    after = contradictions(around)
    counted_fleet.lose(around)
    counted_fleet.loaded(made, "torn")
    return {
        "tables_before": before,
        "tables_after": after,
        "copy": contradictions(around),
        "then": _lost(made, "torn"),
    }


def _deliver(made: SimulatedWorld, count: int) -> None:
    """Handle some messages."""
    end = made.deliveries + count
    while made.deliveries < end:
        made.run_until(made.ports.clock.now() + timedelta(seconds=30))


def contradictions(made: SimulatedWorld) -> dict[str, int]:
    """Rows of two partitions that contradict each other."""
    rows = made.ports.tables.rows
    heads = {row.partition: row.cells["value"] for row in rows("images") if row.key == "head"}
    copies = {row.key: row.cells["value"] for row in rows("index") if row.partition == "fleet"}
    listed = {row.key for row in rows("index") if row.partition == "active"}
    images = made.base.records.images
    builds = [build for name in made.registered for build in images.list_builds(name, limit=1000)]
    running = {str(build.id) for build in builds if not build.is_finished}
    finished = {str(build.id) for build in builds if build.is_finished}
    slots = " ".join(str(row.cells) for row in rows("capacity"))
    return {
        "heads_unlike_their_fleet_row": sum(copies.get(name) != value for name, value in heads.items()),
        "running_builds_not_listed": len(running - listed),
        "listed_builds_not_running": len(listed - running),
        "slots_of_finished_builds": sum(build in slots for build in finished),
    }
