"""What a row said when it was read, carried by its ETag, so that a writer keeps what it does not know.

A release that is rolled back, or that runs beside a newer one, reads rows with fields that it does not know. Its
readers ignore them. A write on the row's ETag puts them back, without a word of the writer about it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline_core.ports import Cell, TableWrite


class Etag(str):
    """An ETag as the table service gave it, with the cells of that row."""

    __slots__ = ("cells",)

    cells: Mapping[str, Cell]

    def __new__(cls, text: str, cells: Mapping[str, Cell]) -> "Etag":
        """The ETag `text` of a row with these cells."""
        made = super().__new__(cls, text)
        made.cells = cells
        return made


def written(writes: Sequence[TableWrite], made: Sequence[str]) -> tuple[str, ...]:
    """The ETags that a transaction gave, each with the cells that it wrote. The next write of a row needs them."""
    return tuple(Etag(text, write.row.cells) for write, text in zip(writes, made, strict=True))


def with_unknown(old: Any, known: Any, new: Any) -> Any:
    """`new` with the fields of `old` that its reader did not know. All three are JSON of one record.

    `known` is what the reader made of `old`. An unknown field of the record itself always stays. That of a part (an
    object in a field or in a list) stays while nothing else in the part changes: a part that was changed is another
    one, and the unknown field may be about the former one.
    """
    if not (isinstance(old, dict) and isinstance(known, dict) and isinstance(new, dict)):
        return new
    merged = dict(new)
    for name, said in old.items():
        if name not in known and name not in new:
            merged[name] = said
        elif name in known and name in new:
            merged[name] = _part(said, known[name], new[name])
    return merged


def _part(old: Any, known: Any, new: Any) -> Any:
    if isinstance(new, list) and isinstance(known, list) and isinstance(old, list) and len(old) == len(known):
        pairs = [(each, old[number]) for number, each in enumerate(known) if isinstance(each, dict)]
        return [_element(one, pairs) for one in new]
    return with_unknown(old, known, new) if _is_same(known, new) else new


def _element(new: Any, pairs: Sequence[tuple[Any, Any]]) -> Any:
    """An object of a list, with what the equal object of the old list had besides."""
    return next((with_unknown(old, known, new) for known, old in pairs if _is_same(known, new)), new)


def _is_same(one: Any, other: Any) -> bool:
    """True where two pieces of JSON say the same. A set is a list without an order."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        if all(isinstance(each, str) for each in (*one, *other)):
            return sorted(one) == sorted(other)
        return len(one) == len(other) and all(map(_is_same, one, other))
    return bool(one == other)
