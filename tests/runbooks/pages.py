"""Reads a runbook: its fenced commands with what they print, and what happens between them. Runs nothing.

A block marked `console` is run. One marked `console azure` needs Azure, and is not. One marked `console slow` waits for
minutes, and is run in the campaign alone. A line `<!-- here: NAME -->` is not shown to a reader: there the harness
makes what happens by itself in a factory on Azure, such as a new release.
"""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
SECTIONS = ("When", "How you notice it", "What to do", "Check afterwards", "If it fails")
RUN, AZURE, SLOW = "console", "console azure", "console slow"
_FENCE = re.compile(r"( *)```(.*)")
_HAPPENS = re.compile(r" *<!-- here: ([a-z-]+) -->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command, as bash reads it, and the lines that the page shows under it. `line` counts from 1."""

    text: str
    shown: tuple[str, ...]
    line: int
    needs_azure: bool = False
    is_slow: bool = False

    @property
    def fails(self) -> bool:
        """True if the page shows that the command ends with an error."""
        return any(each.startswith("error: ") for each in self.shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """What the world does at this place of the page, by name."""

    name: str
    line: int


class PageError(ValueError):
    """A page that cannot be run. The text names the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A runbook. `steps` are in the page's order."""

    name: str
    sections: tuple[str, ...]
    steps: tuple[Command | Happening, ...]

    def commands(self, *, needs_azure: bool) -> tuple[Command, ...]:
        """Those that are run here, or those that only Azure can answer."""
        found = (step for step in self.steps if isinstance(step, Command))
        return tuple(each for each in found if each.needs_azure is needs_azure)

    def happenings(self) -> tuple[Happening, ...]:
        """What the harness must be able to do."""
        return tuple(step for step in self.steps if isinstance(step, Happening))


def names() -> tuple[str, ...]:
    """The runbooks that there are, without the table of them."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.md") if path.name != "README.md"))


def read(name: str) -> Page:
    """One runbook. Raises PageError."""
    return parse(name, (FOLDER / f"{name}.md").read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Page:
    """The page of a text. Raises PageError."""
    steps: list[Command | Happening] = []
    sections: list[str] = []
    fence, indent, start = "", 0, 0
    block: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        mark = _FENCE.fullmatch(line)
        if fence:
            if mark is None:
                block.append(line[indent:])
                continue
            if fence in (RUN, AZURE, SLOW):
                steps += _commands(block, start, fence)
            fence = ""
        elif mark is not None:
            fence, indent, block, start = mark[2] or "text", len(mark[1]), [], number
        elif line.startswith("## "):
            sections.append(line[3:])
        elif happens := _HAPPENS.fullmatch(line):
            steps.append(Happening(name=happens[1], line=number))
    if fence:
        raise PageError(f"{name}, line {start}: the block does not end")
    return Page(name=name, sections=tuple(sections), steps=tuple(steps))


def _commands(block: list[str], start: int, fence: str) -> list[Command]:
    """The commands of a block: `$ ` begins one, `> ` or a backslash before continues it, the rest is output."""
    found: list[tuple[int, list[str], list[str]]] = []
    for number, line in enumerate(block, start=start + 1):
        if line.startswith("$ "):
            found.append((number, [line[2:]], []))
        elif not found:
            raise PageError(f"line {number}: output before the first command: {line!r}")
        elif not found[-1][2] and line.startswith("> "):
            found[-1][1].append(line[2:])
        elif not found[-1][2] and found[-1][1][-1].endswith("\\"):
            found[-1][1].append(line)
        else:
            found[-1][2].append(line)
    return [
        Command(
            text="\n".join(words),
            shown=tuple(shown),
            line=number,
            needs_azure=fence == AZURE,
            is_slow=fence == SLOW,
        )
        for number, words, shown in found
    ]
