"""The text of a value in the cells of its row. A cell holds 32 Ki UTF-16 units, so a long text takes several cells.

The first part is in `value`, the next ones in `value2`, `value3` and so on. An older release that knows `value` alone
cannot read a row with more parts. It refused to write such a row as well.
"""

from collections.abc import Iterator, Mapping

from pipeline_core.ports import Cell

CELL_LIMIT = 32_000  # UTF-16 units of one cell; the table service takes 32 Ki
# Cells of one row. A row holds 1 MiB, of two bytes for each UTF-16 unit.
CELLS = 15
TEXT_LIMIT = CELLS * CELL_LIMIT
_FIRST = "value"
_NAMES = (_FIRST, *(f"{_FIRST}{number}" for number in range(2, CELLS + 1)))


def split(text: str) -> Mapping[str, Cell]:
    """The cells of a text. Raises ValueError, which says how long the text is, if it does not fit into a row."""
    if len(text) <= CELL_LIMIT // 2:
        return {_FIRST: text}
    units = _units(text)
    if units > TEXT_LIMIT:
        raise ValueError(f"has {units} characters, at most {TEXT_LIMIT} fit")
    return dict(zip(_NAMES, _parts(text), strict=False))


def joined(cells: Mapping[str, Cell]) -> str | None:
    """The text of these cells, or None where they hold none."""
    first = cells.get(_FIRST)
    if not isinstance(first, str) or _NAMES[1] not in cells:
        return first if isinstance(first, str) else None
    parts = [cells[name] for name in _NAMES if name in cells]
    return "".join(part for part in parts if isinstance(part, str))


def without_text(cells: Mapping[str, Cell]) -> Mapping[str, Cell]:
    """The other cells: the schema, and what a store or another release has beside the value."""
    return {name: cell for name, cell in cells.items() if name not in _NAMES}


def _parts(text: str) -> Iterator[str]:
    """Pieces of at most CELL_LIMIT units each. No piece ends inside a character."""
    start = 0
    while start < len(text):
        end = start + CELL_LIMIT
        while _units(text[start:end]) > CELL_LIMIT:
            end -= (_units(text[start:end]) - CELL_LIMIT + 1) // 2
        yield text[start:end]
        start = end


def _units(text: str) -> int:
    """Length as the table service counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
