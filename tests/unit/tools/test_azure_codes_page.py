"""The page about Azure's codes has every row of the table that decides, and no other."""

import re
from pathlib import Path

import pytest

from pipeline_core.domain.azure_code_table import ROWS
from pipeline_core.domain.errors import ErrorClass
from tools import azure_codes_page

PAGE = (Path(__file__).parents[3] / azure_codes_page.PAGE).read_text(encoding="utf-8")
_ROW = re.compile(r"^\| `([\w*]+)` \| (?:`([\w-]+)`(, vague)?|the code inside decides) \|", re.MULTILINE)


def test_the_page_is_the_table_of_now() -> None:
    assert azure_codes_page.replaced(PAGE) == PAGE, "run python -m tools.azure_codes_page"


def test_page_and_table_have_the_same_rows_in_both_directions() -> None:
    shown = sorted((code, name, bool(vague)) for code, name, vague in _ROW.findall(PAGE))
    rows = ((row.code, row.error_class.value if row.error_class else "", row.is_vague) for row in ROWS)
    assert shown == sorted(rows)


@pytest.mark.parametrize("error_class", [ErrorClass.REGISTRY, ErrorClass.TERMS, ErrorClass.AZURE_POLICY])
def test_the_page_says_what_a_person_does(error_class: ErrorClass) -> None:
    assert f"| `{error_class.value}` |" in PAGE


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="the marks of the table are missing"):
        azure_codes_page.replaced("# A page\n")
