"""Whether a stored row has a reader, and whether a value still says what a golden row said."""

from typing import Any

from pydantic import TypeAdapter

from pipeline_core.ports import Row
from pipeline_core.state.reading import places
from pipeline_core.state.records import Codec

# Rows without a value of a type: their cells are plain, or the key says everything.
_PLAIN = (
    "children:",
    "moved:",
    "made:",
    "roots:",
    "placed:",
    "placements/",
    "notices/",
    "active",
    "unchronicled",
    "platform/revision",
    "slots/",
)


def codec_of(table: str, row: Row) -> Codec[Any] | None:
    """What reads the row's value, or None for a row of plain cells. Raises LookupError for an unknown place."""
    inside = row.key if table == "images" else f"{row.partition}/{row.key}"
    if inside.startswith(_PLAIN):
        return None
    codec = places.find_codec(table, row)
    if codec is None:
        raise LookupError(f"no reader for {table}/{row.partition}/{row.key}: add it to state.reading.places")
    return codec


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
