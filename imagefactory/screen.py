"""What the command shows: tables for people, JSON for programs. Decides nothing.

Texts come from a server and from files of others: control characters and markup in them are never obeyed.
"""

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum, unique
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from pipeline_core.domain import texts
from pipeline_core.wire.problems import Problem

_WIDE = 160  # columns, where there is no terminal
_COLOURS = {
    "current": "green",
    "passed": "green",
    "succeeded": "green",
    "failed": "red",
    "blocked": "red",
    "stalled": "red",
    "stale": "yellow",
    "cancelled": "yellow",
    "superseded": "yellow",
}


@unique
class Format(StrEnum):
    """How answers are written."""

    TABLE = "table"  # for people
    JSON = "json"  # for programs: one JSON document on standard output


def clean(value: object) -> str:
    """A value as text that moves no cursor and changes no colour."""
    if value is None or value == "":
        return "-"
    if isinstance(value, list | tuple):
        return "; ".join(clean(each) for each in value) or "-"
    return texts.cleaned(str(value), instead="�")


def who(name: object, identity: object) -> str:
    """A name for people and, where it is known, the identity that it stands for."""
    return f"{clean(name)} ({clean(identity)})" if identity else clean(name)


def say(text: str) -> None:
    """One line on standard output."""
    _out().print(Text(clean(text)), soft_wrap=True)


def note(text: str) -> None:
    """One line on standard error: progress, and what is not the answer."""
    _err().print(Text(clean(text)), soft_wrap=True)


def write_json(value: object) -> None:
    """One JSON document on standard output; ASCII, so that no terminal is moved by it."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def failure(text: str, problems: Sequence[Problem] = ()) -> None:
    """Why the command ends without success: the text, then a line per problem."""
    console = _err()
    console.print(Text.assemble(("error: ", "bold red"), clean(text)), soft_wrap=True)
    for problem in problems:
        console.print(_line(problem), soft_wrap=True)


def as_json(problem: Problem) -> dict[str, str]:
    """A problem as a program reads it."""
    return {
        "path": problem.path,
        "message": problem.message,
        "remedy": problem.remedy,
        "rule": problem.rule,
    }


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, whole: int = 0) -> None:
    """A table; a cell that is a state has its colour. The first `whole` columns stay on one line, to be copied."""
    drawn = Table(title=Text(clean(title)), title_justify="left", header_style="bold")
    for number, column in enumerate(columns):
        drawn.add_column(Text(clean(column)), overflow="fold", no_wrap=number < whole)
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row))
    _out().print(drawn)


def facts(title: str, pairs: Mapping[str, object]) -> None:
    """Names and values, one per line."""
    drawn = Table(title=Text(clean(title)), title_justify="left", show_header=False, box=None)
    drawn.add_column(style="bold")
    drawn.add_column(overflow="fold")
    for name, value in pairs.items():
        drawn.add_row(Text(clean(name)), _cell(value))
    _out().print(drawn)


def gates(judged: Sequence[Mapping[str, Any]]) -> None:
    """The decision of each gate on a build, with its evidence, or that nothing was judged yet."""
    if not judged:
        note("gates: not judged yet")
        return
    rows = (
        (
            each["gate"],
            "passed" if each["passed"] else "failed",
            each["score"],
            each["evidence"],
            _origin(each),
        )
        for each in judged
    )
    table("gates", ("gate", "result", "score", "evidence", "tested"), rows)


def marks(judged: Sequence[Mapping[str, Any]]) -> str:
    """The same in one line: the gates that were passed, those that refused, scores, `*` where simulated."""
    said = {
        word: ", ".join(_mark(each) for each in judged if each["passed"] is passed)
        for word, passed in (("passed", True), ("FAILED", False))
    }
    return "; ".join(f"{word} {names}" for word, names in said.items() if names)


def forest(lineage: Mapping[str, Any]) -> None:
    """The images as trees, roots first, and the images without a place."""
    tree = Tree("images", hide_root=True)
    branches: dict[str, Tree] = {}
    for level in lineage["levels"]:
        for name in level:
            parent = lineage["parents"].get(name)
            branches[name] = branches.get(parent, tree).add(Text(clean(name)))
    _out().print(tree)
    for misplaced in lineage["errors"]:
        note(f"{misplaced['image']}: {misplaced['message']}")


def _line(problem: Problem) -> Text:
    line = Text.assemble("  ", (clean(problem.path), "bold"), ": ", clean(problem.message))
    if problem.remedy:
        line.append(f"; {clean(problem.remedy)}")
    if problem.rule:
        line.append(f" [{clean(problem.rule)}]", style="dim")
    return line


def _mark(judged: Mapping[str, Any]) -> str:
    # Never rounded up: 89.996 has not reached 90.
    score = "" if judged["score"] is None else f" {math.floor(judged['score'] * 100) / 100:g}"
    return f"{clean(judged['gate'])}{score}{'*' if judged['simulated'] else ''}"


def _origin(judged: Mapping[str, Any]) -> str:
    return "simulated" if judged["simulated"] else "on a machine"


def _cell(value: object) -> Text:
    """A cell may have several lines, such as the last lines of a build; what moves a cursor is replaced in each."""
    lines = value.splitlines() if isinstance(value, str) else []
    text = "\n".join(clean(line) for line in lines if line.strip()) or clean(value)
    return Text(text, style=_COLOURS.get(text, ""))


def _out() -> Console:
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDE, highlight=False)


def _err() -> Console:
    return Console(file=sys.stderr, width=None if sys.stderr.isatty() else _WIDE, highlight=False)
