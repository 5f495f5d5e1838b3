"""Every kind of record has its place, where the sweep finds that a row can be read again; none can be forgotten."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

import pipeline_core.state
from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain.change_rates import ChangeRate
from pipeline_core.domain.day_use import DayUse
from pipeline_core.domain.errors import ErrorClass, ErrorScope, ScopeKind, UnreadableRow
from pipeline_core.domain.feeds import Fact, Feed, append
from pipeline_core.domain.names import Digest
from pipeline_core.domain.observed import Suspects
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.domain.receivers import FleetReceiver, ReceiverId
from pipeline_core.domain.rounds import Round
from pipeline_core.domain.tools import ToolRecord, ToolState
from pipeline_core.domain.version_records import VersionRecord
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Row
from pipeline_core.state import fleet
from pipeline_core.state.catalog.tools import ToolStore
from pipeline_core.state.galleries.observations import GalleryRound, ObservationStore
from pipeline_core.state.galleries.versions import put_version
from pipeline_core.state.grants.approvals import ApprovalStore
from pipeline_core.state.grants.waivers import put_waiver
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index
from pipeline_core.state.limits.days import DayStore
from pipeline_core.state.limits.rates import RateStore
from pipeline_core.state.notifications.feeds import FeedStore
from pipeline_core.state.outages.breakers import BreakerStore, HarmedBuild
from pipeline_core.state.reading import places
from pipeline_core.state.reading.unreadable import UnreadableStore
from pipeline_core.state.records import Codec, Stored
from tests.unit.compat import generation, grant_samples, samples
from tests.unit.domain.factories import BASE, NOW, TEAM

RECEIVER = ReceiverId.of("https://hooks.example.com/a", TEAM)
BREAKER = PlatformBreaker(
    error_class=ErrorClass.REGISTRY, scope=ErrorScope(kind=ScopeKind.REGION, name="westeurope")
)
# The note of a look is a cell of the fleet's copy, and no row.
IN_A_CELL = (fleet.NOTES,)


def _codecs() -> Iterator[tuple[str, Codec[object]]]:
    """Every codec that a module of the state makes, with its name there."""
    package = pipeline_core.state
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for name, value in vars(importlib.import_module(found.name)).items():
            if isinstance(value, Codec):
                yield f"{found.name}.{name}", value


def test_every_codec_has_its_place() -> None:
    known = [*places.codecs(), *IN_A_CELL]
    found = list(_codecs())
    assert len({id(codec) for _, codec in found}) > 25
    assert [name for name, codec in found if not any(codec is each for each in known)] == []


def _feed(tables: MemoryTables) -> None:
    store = FeedStore(tables)
    store.create(Feed(id=RECEIVER, url="https://hooks.example.com/a"))
    feed, items = append(store.get(RECEIVER).value, [Fact(image=BASE, entry="1", event="e")], NOW)
    store.save(feed, etag=store.get(RECEIVER).etag, added=items)


def _fleet_receiver(tables: MemoryTables) -> None:
    FeedStore(tables).put_fleet_receiver(FleetReceiver(url="https://hooks.example.com/a", bases=True))


def _breaker(tables: MemoryTables) -> None:
    BreakerStore(tables).change(BREAKER, lambda found: replace(found, message="refused"))


def _harmed(tables: MemoryTables) -> None:
    build = samples.builds()[0]
    BreakerStore(tables).note_harmed(BREAKER.key, HarmedBuild(image=build.image, build=build.id))


def _held(tables: MemoryTables) -> None:
    row = Stored(value=samples.pendings()[0], etag="1")
    Index(tables).hold(BREAKER.key, row)


def _unreadable(tables: MemoryTables) -> None:
    error = UnreadableRow("of a newer schema", partition="p", key="k")
    UnreadableStore(tables).note("images", Row(partition="p", key="k", cells={}), error, NOW)


def _observed(tables: MemoryTables) -> None:
    store = ObservationStore(tables)
    store.save_round(GalleryRound(), etag="")
    store.save_suspects(Suspects(), etag="")


def _round(tables: MemoryTables) -> None:
    fleet.RoundStore(tables).save("prune", Round(began_at=NOW), etag=None)


def _version(tables: MemoryTables) -> None:
    record = VersionRecord(image=BASE, version=GalleryVersion(9, 20261121, 1))
    ImageStore(tables).commit([put_version(record, etag=None)])


def _approval(tables: MemoryTables) -> None:
    for approval in grant_samples.approvals():
        ApprovalStore(tables).save(approval, etag=None)


def _waiver(tables: MemoryTables) -> None:
    ImageStore(tables).commit([put_waiver(each, etag=None) for each in grant_samples.waivers()])


def _tool(tables: MemoryTables) -> None:
    record = ToolRecord(sha256=Digest("ab" * 32), state=ToolState.ADMITTED, at=NOW, scanned_by="a scanner")
    ToolStore(tables).save(record, etag=None)


def _counts(tables: MemoryTables) -> None:
    RateStore(tables).save("user:1@2", ChangeRate(used_until=NOW), etag=None)
    DayStore(tables).save(TEAM, DayUse(day=NOW.date()), etag=None)


WRITERS = (
    _waiver,
    _approval,
    _counts,
    _feed,
    _fleet_receiver,
    _breaker,
    _harmed,
    _held,
    _unreadable,
    _observed,
    _round,
    _version,
    _tool,
)


def _typed(tables: MemoryTables) -> list[tuple[str, Row]]:
    """The rows that a codec wrote."""
    return [
        (table, row) for table in generation.TABLES for row in tables.rows(table) if "schema" in row.cells
    ]


@pytest.mark.parametrize("write", WRITERS)
def test_a_row_is_found_at_its_place(write: Callable[[MemoryTables], None]) -> None:
    tables = MemoryTables()
    write(tables)
    rows = _typed(tables)
    assert rows
    assert [row.key for table, row in rows if not places.is_readable(table, row)] == []


def test_every_place_is_one_where_a_row_is_written() -> None:
    """By a store in this module, or in the golden files of the last release."""
    tables = MemoryTables()
    for write in WRITERS:
        write(tables)
    rows = [*_typed(tables), *generation.all_generations()[-1].rows]
    seen = {id(places.find_codec(table, row)) for table, row in rows}
    missing = [name for name, codec in _codecs() if id(codec) not in seen and codec not in IN_A_CELL]
    assert missing == []


def test_a_place_is_that_of_one_partition_only() -> None:
    row = Row(partition="feed:x", key="head", cells={})
    assert places.find_codec("images", row) is not places.find_codec("index", row)
    assert places.find_codec("index", Row(partition="feeds", key="head", cells={})) is None
