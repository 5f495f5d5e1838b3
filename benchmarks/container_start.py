"""`python -m benchmarks.container_start`: a builder that is forked against a builder that is started plainly.

Both are started in turn, in one run, and end at once, because they have no settings. The figures are the CPU time of a
start, with all that the kernel does for it: of the emulator's children for plain starts, of the fork server's children
for forks. The last line is JSON. The exit status is 1 if the fork costs more than its limit.
"""

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from local.arm.containers import environment
from local.arm.containers.fork_server import CAN_FORK
from local.arm.containers.processes import Process
from local.arm.containers.starts import PlainStarter, Starter

LIMIT: Final = 0.2  # of a plain start's CPU time
STARTS: Final = 7
_UNUSABLE: Final = 2  # the builder's exit code where its settings are missing


def main() -> int:
    """Measure and print. The exit status is 0 if the limit holds, or where processes are not forked."""
    if not CAN_FORK:
        print(json.dumps({"skipped": f"on {sys.platform} every container is started plainly"}))
        return 0
    with tempfile.TemporaryDirectory(prefix="starts-") as folder:
        plain, forked, seconds = asyncio.run(_measure(Path(folder)))
    ratio = min(forked) / min(plain)
    facts = {
        "plain_ms": round(min(plain) * 1000),
        "forked_ms": round(min(forked) * 1000),
        "server_ms": round(seconds * 1000),
        "ratio": round(ratio, 2),
        "limit": LIMIT,
    }
    print(json.dumps(facts))
    return 0 if ratio <= LIMIT else 1


async def _measure(folder: Path) -> tuple[list[float], list[float], float]:
    """CPU seconds of each plain start and of each fork, and the wall-clock seconds of the server's own start."""
    plain, server = PlainStarter(), environment.fork_server(folder)
    began = time.perf_counter()
    await _start(folder, server)
    seconds = time.perf_counter() - began
    pid = _server_of(folder)
    starts: list[float] = []
    forks: list[float] = []
    for _ in range(STARTS):
        before = _children_of(pid)
        await _start(folder, server)
        await asyncio.sleep(0.05)  # the server takes the end of its child
        forks.append(_children_of(pid) - before)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        await _start(folder, plain)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        starts.append(after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime)
    await server.close()
    return starts, forks, seconds


async def _start(folder: Path, starter: Starter) -> None:
    """One builder from its start to its end."""
    codes: list[int] = []
    process = Process(folder / "container", codes.append, starter)
    given = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(environment.CHECKOUT)}
    await process.run(environment.default_programs()["imagefactory-builder"], given)
    if codes != [_UNUSABLE]:
        raise RuntimeError(f"the builder ended with {codes}: {process.log()}")


def _server_of(folder: Path) -> int:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        if str(folder).encode() in entry.read_bytes():
            return int(entry.parent.name)
    raise RuntimeError("the fork server does not run")


def _children_of(pid: int) -> float:
    """The CPU seconds of the children that have ended."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    fields = text.rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
