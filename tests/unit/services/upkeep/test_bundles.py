"""Bundles that nobody uses go after 30 days. Whoever wants one at that moment has it, or is asked to upload it."""

import contextlib
import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import FactoryError, NotFound, TransientError
from pipeline_core.domain.names import Digest, ImageName, TeamName
from pipeline_core.ports import Row
from pipeline_core.services.upkeep import bundles as upkeep
from pipeline_core.state.bundles import BundleStore
from pipeline_core.wire.problems import InvalidDocument
from pipeline_core.wire.recovery_log import ENTRY_LIMIT, PLATFORMS
from simulation import fleet, world
from simulation.world import ADMIN, UPLOADER, SimulatedWorld
from tests.unit.services import losses, scenes, unreadable_rows
from tests.unit.services.losses import Calls, Died
from tests.unit.services.meanwhile import Meanwhile, Side
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}
APP = ImageName("app")
AGES = timedelta(days=41)
DAY = timedelta(days=1)
LONE, CONTENT = fleet.bundle("nobody uses it")


def _upload(made: SimulatedWorld) -> bool:
    return made.factory.registrar.store_bundle(LONE, CONTENT, UPLOADER)


def _share(made: SimulatedWorld) -> object:
    return made.factory.bundles.share(LONE, TeamName("guests"), ADMIN, "they build the same")


def _register(made: SimulatedWorld, name: str = "app") -> object:
    """Register an image with the bundle, without an upload."""
    return made.factory.registrar.register(
        ImageName(name), fleet.document(name, "rhel9-base"), LONE, ADMIN, expected=None, create_only=True
    )


def _remove(made: SimulatedWorld) -> int:
    return made.factory.bundle_retention.remove()


def _rounds(made: SimulatedWorld, days: int) -> int:
    """Each day's round, for so many days; how many bundles went."""
    removed = 0
    for _ in range(days):
        made.ports.clock.advance(DAY)
        removed += _remove(made)
    return removed


def _has(made: SimulatedWorld, digest: Digest = LONE) -> bool:
    return made.ports.blobs.find_facts("bundles", f"{digest}.tar.gz") is not None


def _record(made: SimulatedWorld, digest: Digest = LONE) -> object:
    return BundleStore(made.ports.tables).find(digest)


def _unused() -> SimulatedWorld:
    """A current image, and a bundle that nobody has used for 41 days."""
    made = scenes.settled(ONE)
    _upload(made)
    made.ports.clock.advance(AGES)
    return made


def _demand_whole(made: SimulatedWorld) -> None:
    """Every registered image has its bundle, and a record that is not doomed allows it."""
    for head in scenes.index(made).heads():
        assert _has(made, head.registration.bundle), head.name


def test_a_bundle_goes_with_its_record_after_thirty_days_and_not_before() -> None:
    made = scenes.settled(ONE)
    _upload(made)
    assert _rounds(made, 30) == 0
    assert _has(made)
    assert _rounds(made, 11) == 1
    assert not _has(made)
    assert _record(made) is None
    assert scenes.logged(made, "bundle-removed", digest=str(LONE), size=len(CONTENT))
    _demand_whole(made)


def test_a_bundle_that_an_image_used_stays_thirty_days_from_then_on() -> None:
    made = scenes.settled(ONE)
    _upload(made)
    _register(made)
    made.drain()
    assert _rounds(made, 60) == 0
    made.register("app", "rhel9-base", text="another")
    made.drain()
    assert _rounds(made, 29) == 0
    assert _has(made)
    assert _rounds(made, 12) == 1
    assert not _has(made)
    _demand_whole(made)


def test_the_bundle_of_the_current_version_stays_while_its_image_is_not_built_anew() -> None:
    made = scenes.settled(ONE)
    before = scenes.head(made, BASE).registration.bundle
    made.register("rhel9-base", None, text="another", suspend=True)
    assert _rounds(made, 60) == 0
    assert _has(made, before)


def test_the_bundles_of_a_pending_build_stay() -> None:
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    made.register("rhel9-base", None, text="another")
    assert _rounds(made, 60) == 0
    assert _has(made, build.inputs.bundle)


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
    made = scenes.settled(ONE)
    digest = _put_platform(made)
    damage(made)
    assert _rounds(made, 60) == 0
    assert _has(made, digest)


def test_the_platform_steps_that_a_current_version_was_built_with_stay() -> None:
    made = scenes.settled(ONE)
    current = scenes.head(made, BASE).current
    assert current is not None
    assert current.inputs.platform != _put_platform(made)
    assert _rounds(made, 60) == 0
    assert _has(made, current.inputs.platform)
    made.drain()  # it is built with the new ones
    assert _rounds(made, 60) == 1
    assert not _has(made, current.inputs.platform)


def test_the_platform_steps_of_a_pending_build_stay() -> None:
    made = scenes.registered(ONE)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    scenes.lose(made)
    assert build.inputs.platform != _put_platform(made)
    assert _rounds(made, 60) == 0
    assert _has(made, build.inputs.platform)


def test_removed_bundles_are_uploaded_again() -> None:
    made = _unused()
    assert _remove(made) == 1
    with pytest.raises(InvalidDocument, match="was not uploaded"):
        _register(made)
    with pytest.raises(NotFound):
        _share(made)
    assert _upload(made)
    _register(made)
    _demand_whole(made)


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
    made = _unused()
    damage(made)
    for _ in range(2):  # the round is over: the second run does not look again
        assert _remove(made) == 0
    assert _has(made)
    assert [line.event for line in made.ports.logs.lines].count("bundles-kept") == 1


def test_a_service_that_does_not_answer_is_an_error_and_the_round_goes_on() -> None:
    made = _unused()

    def fail() -> None:
        raise scenes.transient()

    scenes.rewired(made, blobs=Meanwhile(made.ports.blobs, "list", fail, side="before"))
    with pytest.raises(TransientError):
        _remove(made)
    assert not scenes.logged(made, "bundles-kept")
    assert _remove(made) == 1


def _with_deleted(count: int) -> SimulatedWorld:
    """As `_unused`, and so many images were deleted before."""
    made = scenes.settled(ONE)
    for number in range(count):
        name = ImageName(f"deleted-{number}")
        made.register(str(name), str(BASE))
        made.factory.registrar.unregister(name, ADMIN, scenes.head(made, name).document_etag)
    _upload(made)
    made.ports.clock.advance(AGES)
    return made


@pytest.mark.parametrize("port", ["tables", "clock"])
def test_each_slice_gets_on_however_slow_the_tables_or_the_process_are(port: str) -> None:
    made = _with_deleted(3)
    slow = _Noting(getattr(made.ports, port), lambda method: made.ports.clock.advance(timedelta(seconds=61)))
    scenes.rewired(made, **{port: slow})
    removed = [
        _remove(made) for _ in range(3 - 1 + 3)
    ]  # a name in each, then a record in each: three are old
    assert sum(removed) == 1
    assert not _has(made)
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
        _remove(made)
        reads.append(found.count("former"))
    assert reads == [2, 2, 1, 0]
    assert not _has(made)
    assert _rounds(made, 1) == 0
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
    made = scenes.settled({**ONE, "app": "rhel9-base"})
    for number in range(4):
        made.factory.registrar.store_bundle(*fleet.bundle(f"lone {number}"), UPLOADER)
    made.ports.clock.advance(AGES)
    monkeypatch.setattr(upkeep, "_SLICE", 1)
    while not _remove(made):
        assert not scenes.logged(made, "bundles-kept")
    losses.lose_tables(made, "index", only=lost)
    assert [_remove(made) for _ in range(8)] == [0] * 8
    assert scenes.logged(made, "bundles-kept")


def test_an_image_that_is_lost_behind_others_keeps_all(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _with_deleted(5)
    monkeypatch.setattr(upkeep, "_NAMES", 2)
    losses.lose_tables(made, "images", only=lambda row: row.partition == str(BASE))
    losses.lose_tables(made, "index", only=lambda row: row.partition in ("fleet", "lineage"))
    made.register("another", None)
    assert [_remove(made) for _ in range(4)] == [0] * 4
    assert _has(made)
    assert scenes.logged(made, "bundles-kept")


def test_a_resting_fleet_pays_one_read_a_run_and_a_slice_a_day() -> None:
    made = _unused()
    _rounds(made, 2)
    calls = Calls()
    losses.counted(made, calls)
    assert _remove(made) == 0
    assert calls.count == 1
    made.ports.clock.advance(DAY)
    assert _remove(made) == 0
    assert calls.count == 1 + 3


def _cost(bundles: int) -> int:
    made = scenes.settled(ONE)
    for number in range(bundles):
        digest, content = fleet.bundle(f"lone {number}")
        made.factory.registrar.store_bundle(digest, content, UPLOADER)
    made.ports.clock.advance(AGES)
    calls = Calls()
    losses.counted(made, calls)
    assert _remove(made) == bundles
    return calls.count


def test_a_removal_costs_four_operations_and_a_slice_pays_the_rest_once() -> None:
    assert _cost(4) - _cost(1) == 3 * 4


def test_a_bundle_whose_record_cannot_be_read_stays() -> None:
    made = _unused()
    unreadable_rows.make_unreadable(made, "index", "bundles", str(LONE))
    assert _remove(made) == 0
    assert _has(made)


def test_a_slice_goes_on_behind_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scenes.settled(ONE)
    many = sorted((fleet.bundle(f"lone {number}") for number in range(8)), key=lambda each: str(each[0]))
    for digest, content in many:
        made.factory.registrar.store_bundle(digest, content, UPLOADER)
    made.ports.clock.advance(AGES)
    for digest, content in many[:5]:  # used again, so these two slices and a half remove nothing
        made.factory.registrar.store_bundle(digest, content, UPLOADER)
    monkeypatch.setattr(upkeep, "_SLICE", 2)
    assert sum(_remove(made) for _ in range(5)) == 3
    assert [_has(made, digest) for digest, _ in many] == [True] * 5 + [False] * 3
    _demand_whole(made)


# What others do, whole, at each call of a removal, and each call of theirs at which a removal comes, whole.
WANTED: dict[str, Callable[[SimulatedWorld], object]] = {
    "upload": _upload,
    "share": _share,
    "register": _register,
    "upload and register": lambda made: (_upload(made), _register(made)),
    "another removal": lambda made: _rounds(made, 1),
}
PORTS = ("tables", "blobs")


def _calls_of(action: Callable[[SimulatedWorld], object]) -> list[tuple[str, str, int]]:
    """Each call of tables and blobs that the action makes: port, method, and its number among those of the method."""
    made, seen = _unused(), []
    counts: dict[tuple[str, str], int] = {}

    def note(port: str, method: str) -> None:
        counts[port, method] = counts.get((port, method), 0) + 1
        seen.append((port, method, counts[port, method]))

    wired = {port: _Noting(getattr(made.ports, port), partial(note, port)) for port in PORTS}
    scenes.rewired(made, **wired)
    with contextlib.suppress(FactoryError):
        action(made)
    return seen


class _Noting:
    def __init__(self, inner: object, note: Callable[[str], None]) -> None:
        self._inner, self._note = inner, note

    def __getattr__(self, name: str) -> object:
        bound = getattr(self._inner, name)

        def call(*given: object, **named: object) -> object:
            self._note(name)
            return bound(*given, **named)

        return call


def _slowly(
    made: SimulatedWorld,
    action: Callable[[SimulatedWorld], object],
    at: tuple[str, str, int],
    meanwhile: Callable[[], object],
    side: Side,
) -> None:
    """The action, which is slow at this call: others act there, whole, on the ports as they are."""
    port, method, number = at
    left = [number]

    def fits(*given: object, **named: object) -> bool:
        left[0] -= 1
        return left[0] == 0

    def others() -> None:
        slow_factory = made.factory
        scenes.rewired(made)
        with contextlib.suppress(FactoryError):
            meanwhile()
        made.factory = slow_factory

    slow = Meanwhile(getattr(made.ports, port), method, others, side=side, fits=fits)
    scenes.rewired(made, **{port: slow})
    with contextlib.suppress(FactoryError):
        action(made)
    assert slow.came
    scenes.rewired(made)


def _goes_on(made: SimulatedWorld) -> None:
    """Nothing was lost, later rounds lose nothing either, and an upload makes the bundle usable whatever happened."""
    _demand_whole(made)
    _rounds(made, 2)
    _demand_whole(made)
    _upload(made)
    _register(made, "later")
    _demand_whole(made)
    assert _rounds(made, 2) == 0
    _demand_whole(made)


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("name", WANTED)
def test_others_want_it_at_each_call_of_a_removal(name: str, side: Side) -> None:
    for at in _calls_of(_remove):
        made = _unused()
        _slowly(made, _remove, at, partial(WANTED[name], made), side)
        _goes_on(made)


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("name", ["upload", "share", "register"])
def test_a_removal_comes_at_each_call_of_others(name: str, side: Side) -> None:
    for at in _calls_of(WANTED[name]):
        made = _unused()
        _slowly(made, WANTED[name], at, partial(_remove, made), side)
        _goes_on(made)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["removal", "upload of what is doomed"])
def test_a_process_that_dies_at_each_call_leaves_nothing_that_is_not_repaired(name: str, after: bool) -> None:
    begun = _doomed if name != "removal" else _unused
    action = _upload if name != "removal" else _remove
    fatal = 0
    while True:
        fatal += 1
        made, calls = begun(), Calls(fatal=fatal, after=after)
        losses.counted(made, calls)
        with contextlib.suppress(Died):
            action(made)
        scenes.rewired(made)
        if calls.count < fatal:
            break
        _goes_on(made)
    assert fatal > 5


def _doomed() -> SimulatedWorld:
    """A removal has died before it deleted the content."""
    made = _unused()

    def die() -> None:
        raise Died

    slow = Meanwhile(made.ports.blobs, "delete", die, side="before")
    scenes.rewired(made, blobs=slow)
    with contextlib.suppress(Died):
        _remove(made)
    scenes.rewired(made)
    assert slow.came
    return made


def test_no_image_is_registered_with_what_is_being_removed() -> None:
    made = _doomed()
    assert _has(made)
    with pytest.raises(InvalidDocument, match="was not uploaded"):
        _register(made)
    with pytest.raises(NotFound):
        _share(made)


def test_platform_steps_are_not_put_in_force_from_what_is_being_removed() -> None:
    made = _doomed()
    with pytest.raises(InvalidDocument, match="was not uploaded"):
        made.factory.platforms.put(LONE, {}, ADMIN)


def test_the_owners_of_a_removed_bundle_are_not_those_of_the_next_upload() -> None:
    made = _unused()
    _share(made)
    made.ports.clock.advance(AGES)
    assert _remove(made) == 1
    _upload(made)
    stored = BundleStore(made.ports.tables).find(LONE)
    assert stored is not None
    assert TeamName("guests") not in stored.value.owners
