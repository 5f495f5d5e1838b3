"""Which type is at which place of the tables: for a program that has a row and not the store that wrote it."""

from collections.abc import Mapping
from typing import Any

from pipeline_core.domain.errors import UnreadableRow
from pipeline_core.ports import Row
from pipeline_core.state import history, images, index, lineage, poison, policy, sources, unproven
from pipeline_core.state.records import Codec

# By table, partition (in the index) and the beginning of the key.
_PLACES: Mapping[str, Codec[Any]] = {
    "images/head": images.HEADS,
    "images/former": images.FORMERS,
    "images/build:": history.BUILDS,
    "images/past:": history.BUILDS,
    "images/claim:": images.CLAIMS,
    "images/entry:": history.ENTRIES,
    "images/journal:": history.ENTRIES,
    "images/request:": images.REQUESTS,
    "images/unproven:": unproven.UNPROVEN,
    "images/move": lineage.DECIDED,
    "index/lineage/ledger": lineage.LEDGERS,
    "index/lineage/fault:": lineage.FAULTS,
    "index/pending/": index.PENDING,
    "index/fleet/": index.HEADS,
    "index/sources/": sources.SOURCES,
    "index/platform/current": sources.PLATFORMS,
    "index/policy/": policy.VERSIONS,
    "index/poison/": poison.RECORDS,
}


def find_codec(table: str, row: Row) -> Codec[Any] | None:
    """The codec of the row's type, or None where the cells are plain or the place is not known."""
    inside = row.key if table == images.TABLE else f"{row.partition}/{row.key}"
    return next((codec for place, codec in _PLACES.items() if f"{table}/{inside}".startswith(place)), None)


def is_readable(table: str, row: Row) -> bool:
    """True where this release can read the row. A row at a place that it does not know stays unread."""
    codec = find_codec(table, row)
    if codec is None:
        return False
    try:
        codec.read(row)
    except UnreadableRow:
        return False
    return True
