"""Read many rows of one partition, a page at a time, in the order of their keys. It does not know their content."""

from collections.abc import Iterator

from pipeline_core.ports import Row, Tables

PAGE = 1000  # rows a table service returns at once


def behind(key: str) -> str:
    """The start of the rows after `key`. An empty key gives an empty start, which is the beginning."""
    return f"{key}!" if key else ""  # "!" sorts below every character that can continue a key of ours


def scan(
    tables: Tables, table: str, partition: str, *, first: str = "", last: str = "", page: int = PAGE
) -> Iterator[Row]:
    """Every row from `first` on and below `last` (empty: to the end). Each page costs one read, when it is needed.

    The first read has `page` rows, each further read PAGE.
    """
    while True:
        rows = tables.scan(table, partition, first=first, last=last, limit=page)
        yield from rows
        if len(rows) < page:
            return
        first, page = behind(rows[-1].key), PAGE
