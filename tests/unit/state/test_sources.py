"""What is known of each followed source, read once for a whole fleet, and from rows of other releases."""

from dataclasses import replace

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain.names import Region
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.ports import Row, TableWrite, WriteKind
from pipeline_core.state.sources import SourceStore

RHEL = MarketplaceSource(publisher="RedHat", offer="RHEL", sku="9-lvm-gen2", location=Region("westeurope"))
UBUNTU = MarketplaceSource(publisher="Canonical", offer="ubuntu", sku="server", location=Region("westeurope"))
VERSION = MarketplaceVersion.parse("9.6.2025112113")


def test_every_followed_source_is_read_with_or_without_a_release() -> None:
    sources = SourceStore(MemoryTables())
    sources.save(FollowedSource(source=RHEL, newest=VERSION), etag=None)
    sources.follow(UBUNTU)
    known = {key: each.newest for key, each in sources.followed().items()}
    assert known == {RHEL.key: VERSION, UBUNTU.key: None}


def test_a_row_of_an_older_release_of_the_factory_is_read() -> None:
    tables = MemoryTables()
    source = '{"publisher":"RedHat","offer":"RHEL","sku":"9-lvm-gen2","location":{"value":"westeurope"}}'
    newest = '{"major":9,"minor":6,"release":2025112113}'
    cells: dict[str, str | int | bool] = {
        "schema": 1,
        "value": f'{{"source":{source},"newest":{newest},"announce":true}}',
    }
    row = Row(partition="sources", key=RHEL.key, cells=cells)
    tables.write("index", [TableWrite(verb=WriteKind.INSERT, row=row)])
    found = SourceStore(tables).find(RHEL)
    assert found is not None
    assert found.value == FollowedSource(source=RHEL, newest=VERSION, announce=True)
    assert (found.value.revision, found.value.withdrawn, found.value.looked_at) == (0, (), None)


def test_a_row_of_a_newer_release_of_the_factory_is_read_without_what_nobody_knows() -> None:
    tables = MemoryTables()
    SourceStore(tables).save(FollowedSource(source=RHEL, newest=VERSION), etag=None)
    row = tables.find("index", "sources", RHEL.key)
    assert row is not None
    text = str(row.cells["value"]).replace('"announce"', '"later":{"a":1},"announce"')
    newer = replace(row, cells={**row.cells, "value": text})
    tables.write("index", [TableWrite(verb=WriteKind.REPLACE, row=newer)])
    found = SourceStore(tables).find_by_key(RHEL.key)
    assert found is not None
    assert found.value == FollowedSource(source=RHEL, newest=VERSION)
