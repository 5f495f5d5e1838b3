"""Compares what a page shows with what was printed, by the parts that are the same in each factory.

Times, versions, digests, ids and secrets become words; frames of tables and runs of spaces become one space. What is
left must be equal, line by line. A line `...` of the page stands for any number of lines.
"""

import re
from collections.abc import Sequence

ANY = "..."
_FRAME = re.compile(r"[\s─━═│┃┏┓┗┛┡┩├┤┬┴┼╇┳┻┌┐└┘]+")
_PARTS = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|\+00:00| UTC)?"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "DAY"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\bwhsec_[A-Za-z0-9+/=]+"), "SECRET"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "HEX"),
    (re.compile(r"\b\d+\.20\d{6}\.\d+\b"), "VERSION"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "FACTORY"),
    (re.compile(r'"[A-Za-z0-9_-]{40,}"'), "ETAG"),
    (re.compile(r"\b\d+ files\b"), "FILES"),  # of a folder in `images/`, which changes
)


def stable(line: str) -> str:
    """A line without what differs from factory to factory."""
    for pattern, word in _PARTS:
        line = pattern.sub(word, line)
    return _FRAME.sub(" ", line).strip()


def difference(shown: Sequence[str], printed: str) -> str:
    """Why the output is not what the page shows; empty where it is. A page that shows nothing says nothing about it."""
    wanted = [ANY if line.strip() == ANY else stable(line) for line in shown]
    wanted = [line for line in wanted if line]
    if not wanted:
        return ""
    seen = [line for line in map(stable, printed.split("\n")) if line]
    place, may_skip = 0, False
    for line in wanted:
        if line == ANY:
            may_skip = True
            continue
        rest = seen[place:] if may_skip else seen[place : place + 1]
        if line not in rest:
            return f"the page shows {line!r}, and the output has {seen[place : place + 12]}"
        place += rest.index(line) + 1
        may_skip = False
    return "" if may_skip or place == len(seen) else f"the page does not show {seen[place:]}"
