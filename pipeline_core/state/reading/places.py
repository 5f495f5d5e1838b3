"""Which type is at which place of the tables: for a program that has a row and not the store that wrote it."""

from collections.abc import Collection, Mapping
from typing import Any

from pipeline_core.domain.errors import UnreadableRow
from pipeline_core.ports import Row
from pipeline_core.state import (
    bundles,
    fleet,
    history,
    images,
    index,
    lineage,
    poison,
    policy,
    sources,
    unlogged,
)
from pipeline_core.state.catalog import tools
from pipeline_core.state.galleries import observations, unproven, versions
from pipeline_core.state.grants import approvals, waivers
from pipeline_core.state.limits import days, rates
from pipeline_core.state.notifications import feeds, notices
from pipeline_core.state.outages import breakers
from pipeline_core.state.reading import unreadable
from pipeline_core.state.reading.plain import PlainCodec
from pipeline_core.state.records import Codec

# By table, partition and the beginning of the key. Any image's partition of `images`; `*` is any rest of a name.
_PLACES: Mapping[str, Codec[Any]] = {
    "images/*/head": images.HEADS,
    "images/*/former": images.FORMERS,
    "images/*/build:": history.BUILDS,
    "images/*/past:": history.BUILDS,
    "images/*/claim:": images.CLAIMS,
    "images/*/entry:": history.ENTRIES,
    "images/*/journal:": history.ENTRIES,
    "images/*/request:": images.REQUESTS,
    "images/*/unproven:": unproven.UNPROVEN,
    "images/*/version:": versions.VERSIONS,
    "images/*/waiver:": waivers.WAIVERS,
    "images/*/move": lineage.DECIDED,
    "index/lineage/ledger": lineage.LEDGERS,
    "index/lineage/fault:": lineage.FAULTS,
    "index/pending/": index.PENDING,
    "index/held:*/": index.PENDING,
    "index/fleet/": index.HEADS,
    "index/rounds/": fleet.ROUNDS,
    "index/sources/": sources.SOURCES,
    "index/platform/current": sources.PLATFORMS,
    "index/policy/": policy.VERSIONS,
    "index/approvals/": approvals.APPROVALS,
    "index/poison/": poison.RECORDS,
    "index/observed/round": observations.ROUNDS,
    "index/observed/suspects": observations.SUSPECTS,
    "index/feed:*/head": feeds.FEEDS,
    "index/feed:*/item:": feeds.ITEMS,
    "index/fleet-receivers/": feeds.RECEIVERS,
    "index/bundles/": bundles.BUNDLES,
    "index/rates/": rates.RATES,
    "index/days/": days.DAYS,
    "index/tools/": tools.TOOLS,
    "index/unreadable/": unreadable.RECORDS,
    "capacity/slots/stop:": breakers.BREAKERS,
    "capacity/harmed:*/": breakers.HARMED,
}
# The same for rows of plain cells.
_PLAIN_PLACES: Mapping[str, PlainCodec[Any]] = {
    "index/notices/entry:": notices.ENTRIES,
    "index/notices/open:": notices.OPENED,
    "index/unchronicled/": unlogged.SUBJECTS,
}


def find_codec(table: str, row: Row) -> Codec[Any] | None:
    """The codec of the row's type, or None where the cells are plain or the place is not known."""
    return next((codec for place, codec in _PLACES.items() if _is_at(place, table, row)), None)


def codecs() -> Collection[Codec[Any]]:
    """The codec of every known place."""
    return _PLACES.values()


def _is_at(place: str, table: str, row: Row) -> bool:
    where, partition, key = place.split("/")
    if where != table or not row.key.startswith(key):
        return False
    if partition.endswith("*"):
        return row.partition.startswith(partition[:-1])
    return row.partition == partition


def is_readable(table: str, row: Row) -> bool:
    """True where this release can read the row. A row at a place that it does not know stays unread."""
    plain = (each for place, each in _PLAIN_PLACES.items() if _is_at(place, table, row))
    codec = find_codec(table, row) or next(plain, None)
    if codec is None:
        return False
    try:
        codec.read(row)
    except UnreadableRow:
        return False
    return True
