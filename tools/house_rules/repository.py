"""Rules on the repository itself: lock files, paths of one machine, the number of targets."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from tools.house_rules.source import File, Finding

TARGET_LIMIT: Final = 15
_MACHINE_PATH: Final = re.compile(r"(?<![A-Za-z0-9._/-])/(home|root(?!/\.ssh/)|work|Users)/[A-Za-z.]")
_INDEX: Final = re.compile(r"https?://|--index-url|--extra-index-url")
_STOPS_READING: Final = re.compile(  # one bar, also at the end of a line
    r"(?<!\|)\|&?(?!\|)(?:\s|\\\n)*(?:head\b|[ef]?grep\b(?:[^|;&\n]*\s)?(?:-[a-zA-Z]*q\w*|--quiet|--silent|--max-count|-m))[^\n]*"
)
_SUFFIXES: Final = frozenset({".py", ".md", ".sh", ".yaml", ".yml", ".json", ".toml", ".tf"})


def lock_files(files: Sequence[File]) -> Iterator[Finding]:
    """A lock file has a hash for each package, and no address."""
    for file in files:
        if not (file.path.suffix == ".txt" and (file.path.name.startswith("requirements") or _is_tool(file))):
            continue
        if _INDEX.search(file.text):
            yield Finding(place=str(file.path), cause="it holds an address", remedy="run `make lock`")
        for entry in re.split(r"\n(?=[a-z])", file.text):
            if re.match(r"[a-z][a-z0-9._-]*(\[.*?\])?==", entry) and "--hash=sha256:" not in entry:
                name = entry.splitlines()[0]
                yield Finding(place=str(file.path), cause=f"{name} has no hash", remedy="run `make lock`")


def _is_tool(file: File) -> bool:
    """Whether the file is the lock of one tool that set-up does not install."""
    return str(file.path.parent) == "tools"


def machine_paths(files: Sequence[File]) -> Iterator[Finding]:
    """No file names a path of one machine. Files under images/ run in a guest and may name the guest's paths."""
    for file in files:
        if file.path.suffix not in _SUFFIXES or file.path.parts[0] == "images":
            continue
        for number, line in enumerate(file.text.splitlines(), 1):
            if _MACHINE_PATH.search(line):
                yield Finding(
                    place=f"{file.path}:{number}",
                    cause=f"a path of one machine: {line.strip()[:100]}",
                    remedy="make it relative, or take it from the environment",
                )


def broken_pipes(files: Sequence[File]) -> Iterator[Finding]:
    """No script with `pipefail` pipes into a program that stops reading: a signal would end what still writes."""
    for file in files:
        if file.path.suffix != ".sh" or "pipefail" not in file.text:
            continue
        for found in _STOPS_READING.finditer(file.text):
            yield Finding(
                place=f"{file.path}:{file.text.count(chr(10), 0, found.start()) + 1}",
                cause=f"a pipe into a program that stops reading: {' '.join(found[0].split())}",
                remedy='keep the words first: said=$(...), then grep <<<"$said"',
            )


def make_targets(files: Sequence[File]) -> Iterator[Finding]:
    """The Makefile has few documented targets."""
    for file in files:
        if file.path.name == "Makefile":
            count = len(re.findall(r"^[a-z-]+:.*## ", file.text, re.MULTILINE))
            if count > TARGET_LIMIT:
                yield Finding(
                    place=str(file.path),
                    cause=f"{count} documented targets, {TARGET_LIMIT} are allowed",
                    remedy="give an existing target a variable",
                )
