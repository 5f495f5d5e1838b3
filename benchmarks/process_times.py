"""The CPU time of this process's descendants by kind, also of those that have ended. Reads Linux's /proc.

A process is looked at every 20 ms. What it used after the last look at it is not counted.
"""

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_LOOK_SECONDS: Final = 0.02
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The last look at one process. `words` is its command line, `seconds` its CPU time."""

    words: str
    parent: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTimes:
    """The CPU seconds of all processes of one kind, and their number."""

    seconds: float
    processes: int


class ProcessTimes:
    """Looks until the end of its `with`. `busy` is then the CPU time of the whole machine in that time."""

    def __init__(self) -> None:
        self.busy = 0.0
        self._seen: dict[tuple[int, str], Seen] = {}  # by process id and time of start
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self.busy = -machine_seconds()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.busy += machine_seconds()

    def by_kind(self, kinds: Mapping[str, str]) -> dict[str, KindTimes]:
        """The times by kind. `kinds` maps a part of a command line to a kind; the first that fits counts."""
        return add_up(self._seen.values(), kinds)

    def _run(self) -> None:
        own = os.getpid()
        family = {own}
        while not self._stop.wait(_LOOK_SECONDS):
            found = {pid: each for pid in _pids() if (each := _look(pid)) is not None}
            for _ in range(3):  # a child may come before its parent in the list
                family |= {pid for pid, (_, seen) in found.items() if seen.parent in family}
            for pid in family & set(found) - {own}:
                began, seen = found[pid]
                before = self._seen.get((pid, began))
                # The command line of a process is empty at its end.
                words = seen.words or (before.words if before else "")
                self._seen[pid, began] = Seen(words=words, parent=seen.parent, seconds=seen.seconds)


def add_up(seen: Iterable[Seen], kinds: Mapping[str, str]) -> dict[str, KindTimes]:
    """The times by kind, the greatest first. Pure."""
    seconds: dict[str, float] = {}
    counts: dict[str, int] = {}
    for each in seen:
        kind = next((kind for part, kind in kinds.items() if part in each.words), "other")
        seconds[kind] = seconds.get(kind, 0.0) + each.seconds
        counts[kind] = counts.get(kind, 0) + 1
    order = sorted(seconds, key=lambda kind: -seconds[kind])
    return {kind: KindTimes(seconds=round(seconds[kind], 2), processes=counts[kind]) for kind in order}


def group_seconds(group: int) -> float:
    """The CPU seconds that the living processes of a group have used, and those of their ended children."""
    seconds = 0.0
    for pid in _pids():
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it has ended
        fields = text.rpartition(")")[2].split()
        if int(fields[2]) == group:
            seconds += sum(int(field) for field in fields[11:15]) / _TICKS
    return seconds


def machine_seconds() -> float:
    """The CPU seconds that all processes of the machine have used since its start, not idle and not waiting."""
    fields = Path("/proc/stat").read_text(encoding="utf-8").splitlines()[0].split()[1:]
    idle = {3, 4}
    return sum(int(field) for number, field in enumerate(fields[:8]) if number not in idle) / _TICKS


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _look(pid: int) -> tuple[str, Seen] | None:
    """The time of its start, and what is seen of it. None if it has ended."""
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None
    seconds = (int(fields[11]) + int(fields[12])) / _TICKS
    return fields[19], Seen(words=words, parent=int(fields[1]), seconds=seconds)
