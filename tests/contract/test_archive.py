"""Old history in blobs, on the twins and on Azurite: the same pages before and after the move, and after a crash."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient

from pipeline_core.adapters.azure.blobs import AzureBlobs
from pipeline_core.adapters.azure.tables import AzureTables
from pipeline_core.adapters.memory.blobs import MemoryBlobs
from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.adapters.system import SystemChance, SystemClock
from pipeline_core.domain import builds
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import StaleWrite
from pipeline_core.domain.journal import Entry, Event, entry_key
from pipeline_core.domain.names import build_id
from pipeline_core.ports import Blobs, Tables
from pipeline_core.state import history, images
from pipeline_core.state.archive.chunks import Chunks
from pipeline_core.state.archive.moves import BUILDS_OF_CHUNK, LINES, ArchiveStore
from pipeline_core.state.history import HistoryStore
from pipeline_core.state.images import ImageStore
from tests.contract import test_recover as own
from tests.fixtures.azurite import AzuriteForTests
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
KEPT = 5
LATER = BEGAN + timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The ports, and the stores over them."""

    tables: Tables
    blobs: Blobs

    @property
    def history(self) -> HistoryStore:
        return HistoryStore(self.tables, archive=Chunks(self.blobs))

    @property
    def archive(self) -> ArchiveStore:
        return ArchiveStore(self.tables, Chunks(self.blobs))

    def lines(self) -> Sequence[Entry]:
        found: list[Entry] = []
        after: str | None = ""
        while after is not None:
            page = self.history.journal(BASE, after=after, limit=40)
            found += page.entries
            after = page.after
        return found

    def builds(self) -> Sequence[Build]:
        found: list[Build] = []
        after: str | None = ""
        while after is not None:
            page = self.history.builds(BASE, after=after, limit=20)
            found += page.builds
            after = page.after
        return found


@pytest.fixture(params=["memory", "azure"])
def kept(request: pytest.FixtureRequest, unique_name: Callable[[str], str]) -> Iterator[Kept]:
    if request.param == "memory":
        yield Kept(tables=MemoryTables(), blobs=MemoryBlobs(SystemClock()))
        return
    azurite: AzuriteForTests = request.getfixturevalue("azurite")
    prefix, options = unique_name("h"), azurite.client_options()
    letters = prefix.replace("-", "")
    with (
        TableServiceClient(azurite.table, **options) as tables,
        BlobServiceClient(azurite.blob, **options) as blobs,
    ):
        tables.create_table(f"{letters}images")
        container = blobs.create_container(f"{prefix}-definitions")
        yield Kept(
            tables=own.Tables(inner=AzureTables(tables, SystemChance()), prefix=letters),
            blobs=own.Blobs(inner=AzureBlobs(blobs), prefix=f"{prefix}-"),
        )
        tables.delete_table(f"{letters}images")
        container.delete_container()


def _entry(number: int) -> Entry:
    at = BEGAN + timedelta(hours=number)
    return Entry(
        key=entry_key(at, f"{number:016x}"),
        image=BASE,
        at=at,
        event=Event.QUEUED,
        actor='"Ä" \u2028 \n',
        reasons=("a", "b"),
    )


def _ended(number: int) -> Build:
    print_ = type(make.build().fingerprint)(f"{number:012x}".ljust(64, "0"))
    at = BEGAN + timedelta(hours=number)
    running = make.build(Phase.PUBLISHING, id=build_id(BASE, print_, 1), fingerprint=print_, created_at=at)
    return builds.finish(running, Result.FAILED, at)


def test_lines_move_and_are_read_as_they_were_also_after_a_crash_in_between(kept: Kept) -> None:
    made = [history.add_entry(_entry(number)) for number in range(KEPT + LINES)]
    for at in range(0, len(made), 100):
        kept.tables.write(images.TABLE, made[at : at + 100])
    before = kept.lines()
    (chunk,) = kept.archive.old_lines(BASE, before=LATER, kept=KEPT, most=5)
    Chunks(kept.blobs).store(BASE, "journal", chunk)  # and the process dies
    assert kept.lines() == before
    kept.archive.move_lines(BASE, chunk)
    assert kept.lines() == before
    assert kept.archive.old_lines(BASE, before=LATER, kept=KEPT, most=5) == ()
    assert len(kept.tables.scan(images.TABLE, str(BASE), first="entry:", last="entry;")) == KEPT + 1
    assert kept.history.find_entry(BASE, _entry(7).key) == _entry(7)
    with pytest.raises(StaleWrite):
        kept.archive.move_lines(BASE, chunk)


def test_builds_move_with_their_own_rows(kept: Kept) -> None:
    made = [_ended(number) for number in range(KEPT + BUILDS_OF_CHUNK)]
    for build in made:
        row = images.put_build(replace(build, announce=False), etag=None)
        kept.tables.write(images.TABLE, [row, history.add_past(build)])
    before = kept.builds()
    (chunk,) = kept.archive.old_builds(BASE, before=LATER, kept=KEPT, most=5)
    kept.archive.move_builds(BASE, chunk, [build.id for build in made[:BUILDS_OF_CHUNK]])
    assert kept.builds() == before
    assert len(kept.tables.scan(images.TABLE, str(BASE), first="build:", last="build;")) == KEPT
    found = ImageStore(kept.tables, archive=Chunks(kept.blobs)).find_build(made[3].id)
    assert found is not None
    assert found.value.result is Result.FAILED
