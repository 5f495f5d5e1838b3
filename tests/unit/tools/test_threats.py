"""The threat model covers every part by each letter of STRIDE, and each test that it names exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/threats.md").read_text(encoding="utf-8")
_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
OPEN = "**open**"


def _rows() -> Iterator[tuple[str, list[str]]]:
    """The part and the cells of each row."""
    part = ""
    for line in PAGE.splitlines():
        if line.startswith("## "):
            part = line.removeprefix("## ")
        elif re.match(r"\| [STRIDE] \|", line):
            yield part, [cell.strip() for cell in line.strip("|").split("|")]


ROWS = list(_rows())
NAMED = sorted(set(_TEST.findall(PAGE)))


def test_each_part_is_looked_at_by_every_letter() -> None:
    parts = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert len(parts) == 13
    for part in parts:
        assert {cells[0] for name, cells in ROWS if name == part} == set("STRIDE"), part


@pytest.mark.parametrize(("part", "cells"), ROWS, ids=[f"{part}: {cells[1]}"[:60] for part, cells in ROWS])
def test_each_threat_has_an_answer_and_a_test_or_is_open(part: str, cells: list[str]) -> None:
    assert len(cells) == 4, part
    _, threat, answer, shown = cells
    assert threat
    assert answer
    assert (shown == OPEN) != bool(_TEST.search(shown))
    if shown != OPEN:
        assert _TEST.sub("", shown).strip(" ,") == "", f"{shown} names something that is no test"


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_each_named_test_exists(path: str, name: str) -> None:
    file = ROOT / path
    assert file.is_file(), f"{path} is gone: name the test that answers the threat now"
    found = {
        node.name
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }
    assert found
    assert not name or name in found, f"{path} has no {name}: name the test that answers the threat now"
