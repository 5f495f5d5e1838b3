"""The page about rights has the table that decides."""

from pathlib import Path

import pytest

from pipeline_core.domain import access_table
from tools import access_page

PAGE = (Path(__file__).parents[3] / access_page.PAGE).read_text(encoding="utf-8")


def test_the_page_is_the_table_of_now() -> None:
    assert access_page.replaced(PAGE) == PAGE, "run python -m tools.access_page"


def test_the_page_has_a_row_for_each_operation() -> None:
    for operation in access_table.TABLE:
        assert f"\n| {operation.value.replace('_', ' ')} | `" in PAGE


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="the marks of the table are missing"):
        access_page.replaced("# A page\n")
