"""The page about Azure's codes has every row of the table that decides, and no other."""

import re
from pathlib import Path

import pytest

from builder.packer import failures
from builder.packer.command import RunEnd
from pipeline_core.domain import retry
from pipeline_core.domain.azure_code_table import ROWS
from pipeline_core.domain.errors import ErrorClass, Owner
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


def _classes() -> dict[ErrorClass, str]:
    """What the page says of how often each class is tried."""
    section = PAGE.partition("## The classes\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {ErrorClass(name): row[-1] for row in rows for name in re.findall(r"`([a-z-]+)`", row[0])}


def test_the_page_has_each_class_with_its_tries() -> None:
    told = _classes()
    assert set(told) == set(ErrorClass)
    for error_class, rule in retry.RULES.items():
        assert told[error_class].startswith(f"{rule.tries} tries"), error_class
    no_tries = set(ErrorClass) - set(retry.RULES) - {ErrorClass.PERMISSION}
    assert {told[each] for each in no_tries} == {"no"}


def test_the_page_says_what_a_code_outside_the_table_becomes() -> None:
    text = 'Build \'azure-arm.image\' errored: polling failed: Code="NobodyKnowsThis" Message="m"'
    found = failures.of_build(
        ended=RunEnd.BY_ITSELF, stage="build", connected=False, text=text, tail="", seconds=60
    )
    assert found.error_class.owner is Owner.PLATFORM
    said = f"In Packer's output its class is `{found.error_class.value}`: this is the platform's, and never the team's."
    assert said in " ".join(PAGE.split())
