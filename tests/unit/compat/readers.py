"""Which type a stored row holds, by its place; and whether a value still says what a golden row said."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from pipeline_core.domain.builds import Build
from pipeline_core.domain.claims import Claim
from pipeline_core.domain.dispatch import PendingBuild
from pipeline_core.domain.images import FormerImage, ImageHead, RebuildRequest
from pipeline_core.domain.journal import Entry
from pipeline_core.domain.poison import PoisonRecord
from pipeline_core.domain.policy import PolicyVersion
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.staleness import Platform
from pipeline_core.ports import Row
from pipeline_core.state.unproven import UnprovenVersion

# Rows without a value of a type: their cells are plain, or the key says everything.
_PLAIN = ("children:", "made:", "roots:", "active", "unchronicled", "platform/revision", "slots/")
_TYPES: Mapping[str, type[Any]] = {
    "images/head": ImageHead,
    "images/former": FormerImage,
    "images/build:": Build,
    "images/claim:": Claim,
    "images/entry:": Entry,
    "images/journal:": Entry,
    "images/past:": Build,
    "images/request:": RebuildRequest,
    "images/unproven:": UnprovenVersion,
    "index/pending/": PendingBuild,
    "index/fleet/": ImageHead,
    "index/sources/": FollowedSource,
    "index/platform/": Platform,
    "index/policy/": PolicyVersion,
    "index/poison/": PoisonRecord,
}
TYPES = tuple(dict.fromkeys(_TYPES.values()))


def type_of(table: str, row: Row) -> type[Any] | None:
    """The type of the row's value, or None for a row of plain cells. Raises LookupError for an unknown place."""
    inside = row.key if table == "images" else f"{row.partition}/{row.key}"
    if inside.startswith(_PLAIN):
        return None
    for prefix, value_type in _TYPES.items():
        if f"{table}/{inside}".startswith(prefix):
            return value_type
    raise LookupError(f"no reader for {table}/{row.partition}/{row.key}: add its type here")


def lost(golden: Any, now: Any, place: str = "") -> list[str]:
    """The places where `now` does not say what `golden` said. It may say more."""
    if isinstance(golden, dict):
        if not isinstance(now, dict):
            return [place]
        return [each for key in golden for each in lost(golden[key], now.get(key), f"{place}.{key}")]
    if isinstance(golden, list):
        if not isinstance(now, list) or len(golden) != len(now):
            return [place]
        if all(isinstance(each, str) for each in (*golden, *now)):
            return [] if sorted(golden) == sorted(now) else [place]  # a set has no order
        return [
            each for number, one in enumerate(golden) for each in lost(one, now[number], f"{place}.{number}")
        ]
    return [] if golden == now else [place]


def as_json(value: Any) -> Any:
    """A stored value in the form of its row."""
    return TypeAdapter(type(value)).dump_python(value, mode="json")
