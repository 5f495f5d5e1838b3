"""The command line, and the list of what was waived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_PHASES = ("build", "verify")
_FORMATS = ("text", "json")


class Refused(Exception):
    """The command line is not one of this program."""


@dataclass(frozen=True)
class Options:
    """`root` is empty for the machine itself. `booted` is in seconds since 1970, None for the kernel's own.

    `only_build` are hosts that no deployed machine reaches.
    """

    root: str = ""
    phase: str = ""
    booted: int | None = None
    form: str = "text"
    waived: str = ""
    only_build: tuple[str, ...] = ()


def parse(words: Sequence[str]) -> Options:
    """Each option is followed by its value. Raises Refused."""
    if len(words) % 2:
        raise Refused(f"{words[-1]} has no value")
    found = {}
    for name, value in zip(words[::2], words[1::2]):
        if name not in ("--root", "--phase", "--booted", "--format", "--waived", "--only-build"):
            raise Refused(f"unknown option {name}")
        found[name] = value
    if found.get("--phase") not in _PHASES:
        raise Refused("--phase is build or verify")
    if found.get("--format", "text") not in _FORMATS:
        raise Refused("--format is text or json")
    booted = found.get("--booted")
    if booted is not None and not (booted.isascii() and booted.isdigit()):
        raise Refused("--booted is a number of seconds since 1970")
    return Options(
        root=found.get("--root", "").rstrip("/"),
        phase=found["--phase"],
        booted=None if booted is None else int(booted),
        form=found.get("--format", "text"),
        waived=found.get("--waived", ""),
        only_build=tuple(found.get("--only-build", "").split()),
    )


def parse_waived(text: str) -> frozenset[tuple[str, str]]:
    """Rule and path of each line. A line without a tab is none, and waives nothing.

    A path that ends in `@sha256:` and a digest waives that content alone.
    """
    pairs = (line.partition("\t") for line in text.split("\n"))
    return frozenset((rule, path) for rule, tab, path in pairs if tab and rule and path)
