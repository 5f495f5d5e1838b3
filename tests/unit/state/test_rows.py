"""The one pager: whole, in order, within its bounds, and no page is read before it is asked for."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import pytest

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.ports import Row, TableWrite, WriteKind
from pipeline_core.state import rows


class Counted(MemoryTables):
    """Counts the reads."""

    reads: int = 0

    def scan(self, table: str, partition: str, **bounds: Any) -> Sequence[Row]:
        self.reads += 1
        return super().scan(table, partition, **bounds)


def filled(keys: Sequence[str]) -> Counted:
    tables = Counted()
    for key in keys:
        row = Row(partition="p", key=key, cells={})
        tables.write("t", [TableWrite(verb=WriteKind.INSERT, row=row)])
    return tables


@pytest.mark.parametrize(
    ("count", "reads"),
    [
        pytest.param(0, 1, id="none"),
        pytest.param(rows.PAGE - 1, 1, id="less than a page"),
        pytest.param(rows.PAGE, 2, id="a full page may have a next one"),
        pytest.param(rows.PAGE + 1, 2, id="one more"),
    ],
)
def test_every_row_comes_once_and_in_order(count: int, reads: int) -> None:
    keys = [f"k{number:05d}" for number in range(count)]
    tables = filled(keys)
    assert [row.key for row in rows.scan(tables, "t", "p")] == keys
    assert tables.reads == reads


def test_the_next_page_is_read_when_it_is_asked_for() -> None:
    tables = filled([f"k{number:05d}" for number in range(rows.PAGE + 1)])
    assert len(list(islice(rows.scan(tables, "t", "p"), rows.PAGE))) == rows.PAGE
    assert tables.reads == 1


def test_a_key_that_begins_like_the_cursor_is_behind_it() -> None:
    tables = filled(["a", "a-b", "a0", "ab", "b"])
    assert [row.key for row in rows.scan(tables, "t", "p", first=rows.behind("a"), last="b")] == [
        "a-b",
        "a0",
        "ab",
    ]
    assert rows.behind("") == ""
