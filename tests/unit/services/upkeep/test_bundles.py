"""Bundles that nobody uses go after 30 days. Whoever wants one at that moment has it, or is asked to upload it."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import NotFound, TransientError
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.ports import Row
from pipeline_core.services.upkeep import bundles as upkeep
from pipeline_core.wire.problems import InvalidDocument
from pipeline_core.wire.recovery_log import ENTRY_LIMIT, PLATFORMS
from simulation import fleet, world
from simulation.world import ADMIN, UPLOADER, SimulatedWorld
from tests.unit.services import losses, scenes, unreadable_rows
from tests.unit.services.losses import Calls
from tests.unit.services.meanwhile import Meanwhile
from tests.unit.services.scenes import BASE
from tests.unit.services.upkeep import lone_bundles as lone


def test_a_bundle_goes_with_its_record_after_thirty_days_and_not_before() -> None:
    made = scenes.settled(lone.ONE)
    lone.upload(made)
    assert lone.rounds(made, 30) == 0
    assert lone.has(made)
    assert lone.rounds(made, 11) == 1
    assert not lone.has(made)
    assert lone.record(made) is None
    assert scenes.logged(made, "bundle-removed", digest=str(lone.LONE), size=len(lone.CONTENT))
    lone.demand_whole(made)


def test_a_bundle_that_an_image_used_stays_thirty_days_from_then_on() -> None:
    made = scenes.settled(lone.ONE)
    lone.upload(made)
    lone.register(made)
    made.drain()
    assert lone.rounds(made, 60) == 0
    made.register("app", "rhel9-base", text="another")
    made.drain()
    assert lone.rounds(made, 29) == 0
    assert lone.has(made)
    assert lone.rounds(made, 12) == 1
    assert not lone.has(made)
    lone.demand_whole(made)


def test_the_bundle_of_the_current_version_stays_while_its_image_is_not_built_anew() -> None:
    made = scenes.settled(lone.ONE)
    before = scenes.head(made, BASE).registration.bundle
    made.register("rhel9-base", None, text="another", suspend=True)
    assert lone.rounds(made, 60) == 0
    assert lone.has(made, before)


def test_the_bundles_of_a_pending_build_stay() -> None:
    made = scenes.registered(lone.ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    made.register("rhel9-base", None, text="another")
    assert lone.rounds(made, 60) == 0
    assert lone.has(made, build.inputs.bundle)


def _put_platform(made: SimulatedWorld) -> Digest:
    """New platform steps in force, which nothing was built with; their digest."""
    digest = world.upload(made, "other platform steps")
    world.set_platform(made, digest)
    return digest


def _lose_platform_row(made: SimulatedWorld) -> None:
    losses.lose_tables(made, only=lambda row: row.partition == "platform" and row.key == "current")
    assert scenes.sources(made).find_platform() is None


def _lose_platform_entries(made: SimulatedWorld) -> None:
    for facts in made.ports.blobs.list("definitions", PLATFORMS, limit=10):
        losses.lose_blob(made, "definitions", facts.name)


@pytest.mark.parametrize("damage", [scenes.lose, _lose_platform_row, _lose_platform_entries])
def test_the_platform_steps_in_force_stay_where_the_row_or_the_log_names_them(
    damage: Callable[[SimulatedWorld], None],
) -> None:
    made = scenes.settled(lone.ONE)
    digest = _put_platform(made)
    damage(made)
    assert lone.rounds(made, 60) == 0
    assert lone.has(made, digest)


def test_the_platform_steps_that_a_current_version_was_built_with_stay() -> None:
    made = scenes.settled(lone.ONE)
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.inputs.platform != _put_platform(made)
    assert lone.rounds(made, 60) == 0
    assert lone.has(made, current.inputs.platform)
    made.drain()  # it is built with the new ones
    assert lone.rounds(made, 60) == 1
    assert not lone.has(made, current.inputs.platform)


def test_the_platform_steps_of_a_pending_build_stay() -> None:
    made = scenes.registered(lone.ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    assert build.inputs.platform != _put_platform(made)
    assert lone.rounds(made, 60) == 0
    assert lone.has(made, build.inputs.platform)


def test_removed_bundles_are_uploaded_again() -> None:
    made = lone.unused()
    assert lone.remove(made) == 1
    with pytest.raises(InvalidDocument, match="was not uploaded"):
        lone.register(made)
    with pytest.raises(NotFound):
        lone.share(made)
    assert lone.upload(made)
    lone.register(made)
    lone.demand_whole(made)


def _lose_copies(made: SimulatedWorld) -> None:
    losses.lose_tables(made, "index", only=lambda row: row.partition == "fleet")


def _spoil_copies(made: SimulatedWorld) -> None:
    unreadable_rows.make_unreadable(made, "index", "fleet", str(BASE))


def _lose_images(made: SimulatedWorld) -> None:
    """All that the tables know of images, but for the records of bundles."""
    losses.lose_tables(made, "images")
    losses.lose_tables(made, "index", only=lambda row: row.partition != "bundles")


def _lose_images_and_register(made: SimulatedWorld) -> None:
    """The ledger begins again, and counts the images that are left."""
    _lose_images(made)
    made.register("another", None)


def _spoil_active(made: SimulatedWorld) -> None:
    """A row among the active builds that no factory wrote."""
    unreadable_rows.put(made, "index", Row(partition="active", key="NOT A BUILD", cells={}))


def _replace_platform_entry(made: SimulatedWorld, change: Callable[[bytes], bytes]) -> None:
    newest = made.ports.blobs.list("definitions", PLATFORMS, limit=1)[0].name
    content = change(made.ports.blobs.read("definitions", newest, limit=ENTRY_LIMIT))
    losses.lose_blob(made, "definitions", newest)
    made.ports.blobs.create("definitions", newest, content, media_type="application/json")


def _spoil_platform_entry(made: SimulatedWorld) -> None:
    _replace_platform_entry(made, lambda _: b"{}")


def _spoil_platform_digest(made: SimulatedWorld) -> None:
    def spoil(content: bytes) -> bytes:
        entry = json.loads(content)
        return json.dumps({**entry, "digest": entry["digest"][:10]}).encode()

    _replace_platform_entry(made, spoil)


def _lengthen_platform_entry(made: SimulatedWorld) -> None:
    """The entry is longer than one that is read."""
    _replace_platform_entry(made, lambda content: content + b" " * ENTRY_LIMIT)


DAMAGES = (
    _lose_copies,
    _spoil_copies,
    _lose_images,
    _lose_images_and_register,
    _spoil_active,
    _spoil_platform_entry,
    _spoil_platform_digest,
    _lengthen_platform_entry,
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_nothing_goes_while_it_is_not_known_what_is_used(damage: Callable[[SimulatedWorld], None]) -> None:
    made = lone.unused()
    damage(made)
    for _ in range(2):  # the round is over: the second run does not look again
        assert lone.remove(made) == 0
    assert lone.has(made)
    assert [line.event for line in made.ports.logs.lines].count("bundles-kept") == 1


def test_a_service_that_does_not_answer_is_an_error_and_the_round_goes_on() -> None:
    made = lone.unused()

    def fail() -> None:
        raise scenes.transient()

    scenes.rewired(made, blobs=Meanwhile(made.ports.blobs, "list", fail, side="before"))
    with pytest.raises(TransientError):
        lone.remove(made)
    assert not scenes.logged(made, "bundles-kept")
    assert lone.remove(made) == 1


def _with_deleted(count: int) -> SimulatedWorld:
    """As `lone.unused`, and so many images were deleted before."""
    made = scenes.settled(lone.ONE)
    for number in range(count):
        name = ImageName(f"deleted-{number}")
        made.register(str(name), str(BASE))
        made.factory.registrar.unregister(name, ADMIN, scenes.head(made, name).document_etag)
    lone.upload(made)
    made.ports.clock.advance(lone.AGES)
    return made


@pytest.mark.parametrize("port", ["tables", "clock"])
def test_each_slice_gets_on_however_slow_the_tables_or_the_process_are(port: str) -> None:
    made = _with_deleted(3)
    slow = lone.Noting(
        getattr(made.ports, port), lambda method: made.ports.clock.advance(timedelta(seconds=61))
    )
    scenes.rewired(made, **{port: slow})
    removed = [
        lone.remove(made) for _ in range(3 - 1 + 3)
    ]  # a name in each, then a record in each: three are old
    assert sum(removed) == 1
    assert not lone.has(made)
    assert scenes.logged(made, "bundle-names-cut-short", subject="deleted-0", count=1)
    assert scenes.logged(made, "bundles-cut-short", count=2)


def test_a_slice_reads_some_deleted_images_and_a_round_reads_each_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = _with_deleted(5)
    monkeypatch.setattr(upkeep, "_NAMES", 2)
    monkeypatch.setattr(upkeep, "_SLICE", 2)
    found: list[str] = []

    def note(table: str, partition: str, key: str) -> bool:
        found.append(key)
        return False

    scenes.rewired(made, tables=Meanwhile(made.ports.tables, "find", list, side="before", fits=note))
    reads = []
    for _ in range(4):
        found.clear()
        lone.remove(made)
        reads.append(found.count("former"))
    assert reads == [2, 2, 1, 0]
    assert not lone.has(made)
    assert lone.rounds(made, 1) == 0
    assert found.count("former") == 0  # the day after, no record is ten days old


@pytest.mark.parametrize(
    "lost",
    [
        lambda row: (row.partition, row.key) == ("fleet", "app"),
        lambda row: row.partition == "fleet",
        lambda row: row.partition in ("fleet", "lineage"),
        lambda row: row.partition == "lineage",
    ],
)
def test_what_is_lost_within_a_round_keeps_the_rest(
    lost: Callable[[Row], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = scenes.settled({**lone.ONE, "app": "rhel9-base"})
    for number in range(4):
        made.factory.registrar.store_bundle(*fleet.bundle(f"lone {number}"), UPLOADER)
    made.ports.clock.advance(lone.AGES)
    monkeypatch.setattr(upkeep, "_SLICE", 1)
    while not lone.remove(made):
        assert not scenes.logged(made, "bundles-kept")
    losses.lose_tables(made, "index", only=lost)
    assert [lone.remove(made) for _ in range(8)] == [0] * 8
    assert scenes.logged(made, "bundles-kept")


def test_an_image_that_is_lost_behind_others_keeps_all(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _with_deleted(5)
    monkeypatch.setattr(upkeep, "_NAMES", 2)
    losses.lose_tables(made, "images", only=lambda row: row.partition == str(BASE))
    losses.lose_tables(made, "index", only=lambda row: row.partition in ("fleet", "lineage"))
    made.register("another", None)
    assert [lone.remove(made) for _ in range(4)] == [0] * 4
    assert lone.has(made)
    assert scenes.logged(made, "bundles-kept")


def test_a_resting_fleet_pays_one_read_a_run_and_a_slice_a_day() -> None:
    made = lone.unused()
    lone.rounds(made, 2)
    calls = Calls()
    losses.counted(made, calls)
    assert lone.remove(made) == 0
    assert calls.count == 1
    made.ports.clock.advance(lone.DAY)
    assert lone.remove(made) == 0
    assert calls.count == 1 + 3


def _cost(bundles: int) -> int:
    made = scenes.settled(lone.ONE)
    for number in range(bundles):
        digest, content = fleet.bundle(f"lone {number}")
        made.factory.registrar.store_bundle(digest, content, UPLOADER)
    made.ports.clock.advance(lone.AGES)
    calls = Calls()
    losses.counted(made, calls)
    assert lone.remove(made) == bundles
    return calls.count


def test_a_removal_costs_four_operations_and_a_slice_pays_the_rest_once() -> None:
    assert _cost(4) - _cost(1) == 3 * 4


def test_a_bundle_whose_record_cannot_be_read_stays() -> None:
    made = lone.unused()
    unreadable_rows.make_unreadable(made, "index", "bundles", str(lone.LONE))
    assert lone.remove(made) == 0
    assert lone.has(made)


def test_a_slice_goes_on_behind_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scenes.settled(lone.ONE)
    many = sorted((fleet.bundle(f"lone {number}") for number in range(8)), key=lambda each: str(each[0]))
    for digest, content in many:
        made.factory.registrar.store_bundle(digest, content, UPLOADER)
    made.ports.clock.advance(lone.AGES)
    for digest, content in many[:5]:  # used again, so these two slices and a half remove nothing
        made.factory.registrar.store_bundle(digest, content, UPLOADER)
    monkeypatch.setattr(upkeep, "_SLICE", 2)
    assert sum(lone.remove(made) for _ in range(5)) == 3
    assert [lone.has(made, digest) for digest, _ in many] == [True] * 5 + [False] * 3
    lone.demand_whole(made)
