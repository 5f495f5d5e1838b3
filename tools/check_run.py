"""Checks the last line of a `make run` against the promises of the main job. The exit status is 0 if they hold.

A machine may be slow because others share it. So this also measures what the machine needs at that moment to load the
builder, and a machine that needs longer than the reference gets up to a quarter more time. It never gets less.
"""

import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LIMIT = 60  # seconds, after set-up, on the reference machine
REAL_LIMIT = 900  # the same with the real Packer: this limit shows that the run ended, not that it is fast
REFERENCE = 0.5  # seconds of CPU to load the builder on the machine whose figures are in docs/numbers.md
MOST = 1.25  # a slower machine than this must be repaired or replaced, and not excused
_STARTS = 5


def factor(starts: Sequence[float]) -> float:
    """How much more time this machine gets: its median start over the reference, from 1 to MOST."""
    return min(MOST, max(1.0, statistics.median(starts) / REFERENCE))


def broken(facts: dict[str, object], slower: float) -> list[str]:
    """The promises that do not hold on a machine that is `slower` times as slow as the reference."""
    images = facts["images"]
    seconds = facts["seconds"]
    limit = LIMIT * slower if facts["packer"] == "recorded" else REAL_LIMIT
    found = []
    if facts["result"] != "ok" or facts["duplicate_builds"] != 0:
        found.append(f"result {facts['result']}, {facts['duplicate_builds']} duplicate builds")
    if not isinstance(images, list) or len(images) != 6:
        found.append("not six images")
    if not isinstance(seconds, int | float) or seconds > limit:
        found.append(f"{seconds} s, {limit:g} are allowed")
    return found


def _starts() -> list[float]:
    """Seconds of CPU of some starts of a Python that loads the builder."""
    found = []
    for _ in range(_STARTS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", "import builder.main"], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return found


if __name__ == "__main__":
    last = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()[-1]
    slower = factor(_starts())
    wrong = broken(json.loads(last), slower)
    print(f"this machine gets {slower:.2f} times the limit of {LIMIT} s")
    print("make run: " + ("; ".join(wrong) if wrong else "holds what it promises"))
    sys.exit(1 if wrong else 0)
