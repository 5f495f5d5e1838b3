"""Read many rows of one partition, a page at a time, in the order of their keys. It must not know what they hold."""

from collections.abc import Iterator

from pipeline_core.ports import Row, Tables

PAGE = 1000  # rows a table service returns at once


def behind(key: str) -> str:
    """Where the rows after `key` begin; empty, which is the beginning, for an empty key."""
    return f"{key}!" if key else ""  # "!" sorts below every character that a key of ours can go on with


def scan(tables: Tables, table: str, partition: str, *, first: str = "", last: str = "") -> Iterator[Row]:
    """Every row from `first` on and below `last` (empty: to the end); one read per page, when it is asked for."""
    while True:
        page = tables.scan(table, partition, first=first, last=last, limit=PAGE)
        yield from page
        if len(page) < PAGE:
            return
        first = behind(page[-1].key)
