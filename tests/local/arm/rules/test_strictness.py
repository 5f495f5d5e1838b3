"""docs/strictness.md: at least 40 rules, each with a source, and with a test that exists."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[4]
TABLE = CHECKOUT / "docs" / "strictness.md"
HEAD = "| Rule | Answer of Azure | Source | Test |"
LEAST = 40
# A document's file or title, an issue, a pinned library with its part, or one of the names that the page explains.
SOURCE = re.compile(
    r"\w+/[\w.-]+#\d+|\w+\.(md|py|go)\b|^rpc|name rules|gallery (troubleshooting|schema)|\d+\.\d+\.\d+, `"
    r"|learn [\w-]+|\*[A-Z][^*]+\*"
)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One rule."""

    rule: str
    answer: str
    source: str
    test: str


def rows(text: str) -> list[Row]:
    """The rows of every table of rules."""
    found, inside = [], False
    for line in text.splitlines():
        if line == HEAD:
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|---"):
            rule, answer, source, test = (each.strip() for each in line.strip("|").split(" | "))
            found.append(Row(rule=rule, answer=answer, source=source, test=test.strip()))
    return found


@cache
def functions_of(file: Path) -> frozenset[str]:
    """The names of a module's test functions."""
    tree = ast.parse(file.read_text("utf-8"))
    return frozenset(
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def wrong(row: Row) -> str:
    """What a row lacks; empty if nothing."""
    if not row.answer:
        return "no answer"
    if not SOURCE.search(row.source):
        return f"no source: {row.source!r}"
    named = TEST.fullmatch(row.test)
    if named is None:
        return f"the test is not written as `tests/FILE.py::test_NAME`: {row.test!r}"
    file = CHECKOUT / named[1]
    if not file.is_file() or named[2] not in functions_of(file):
        return f"there is no test {row.test}"
    return ""


def test_every_rule_has_a_source_and_a_test_that_exists() -> None:
    found = rows(TABLE.read_text("utf-8"))
    assert len(found) >= LEAST
    assert {row.rule: wrong(row) for row in found if wrong(row)} == {}
    assert len({row.rule for row in found}) == len(found), "a rule is written once"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("| a | 400 | rpc | `tests/local/arm/rules/test_strictness.py::test_nothing` |", "there is no test"),
        ("| a | 400 | rpc | tests pass |", "is not written as"),
        ("| a | 400 | everybody knows | `tests/a.py::test_a` |", "no source"),
        ("| a |  | rpc | `tests/a.py::test_a` |", "no answer"),
    ],
)
def test_a_row_that_lacks_something_is_found(row: str, reason: str) -> None:
    (read,) = rows(f"{HEAD}\n|---|---|---|---|\n{row}\n")
    assert reason in wrong(read)
