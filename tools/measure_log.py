"""Measures the cost of the builder's log: `python -m tools.measure_log [MEGABYTES]`, with lines that a guest
may print.

It prints seconds of CPU from Packer's output to the log, with storage that answers at once. It decides nothing.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from builder.log.redaction import Redactor
from builder.log.stream import LogStream
from builder.log.transcript import Transcript
from builder.packer.command import Packer
from builder.stop import StopRequest

_SAMPLES = {
    "lines of two bytes": "x\n",
    "lines of a build": "==> azure-arm.image: TASK [hardening : set the minimum age] ***\n",
    "lines that each have the word of a secret": "key\n",
    "lines that each hold a secret": "token=abcdef123456\n",
}
_SECONDS = 600


class _NoStorage:
    """Storage that takes everything and keeps nothing."""

    def read(self, container: str, name: str, *, limit: int) -> bytes:
        raise AssertionError("a log stream only appends")

    def fetch(self, container: str, name: str, into: Path, *, limit: int) -> str:
        raise AssertionError("a log stream only appends")

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        raise AssertionError("a log stream only appends")

    def create_log(self, container: str, name: str) -> None:
        return

    def append(self, container: str, name: str, content: bytes, *, offset: int) -> None:
        return


def measure(line: str, size: int) -> float:
    """Seconds of CPU of this process for `size` bytes of such lines."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "packer"
        program.write_text(f"#!/bin/sh\nyes '{line.rstrip()}' | head -c {size}\n", encoding="utf-8")
        program.chmod(0o700)
        started = time.process_time()
        with LogStream(_NoStorage(), "log.txt", echo=lambda text: None) as log:
            transcript = Transcript(log, Redactor(["the-value-of-a-secret"]))
            packer = Packer(
                program=str(program),
                folder=Path(folder),
                environ={"PATH": os.environ["PATH"]},
                stop=StopRequest(),
                take=transcript.add,
            )
            if not packer.build("x", limit=lambda: _SECONDS).succeeded:
                raise SystemExit("the output was not read within its time")
        return time.process_time() - started


def main(arguments: list[str]) -> None:
    """Print a line per sample."""
    megabytes = int(arguments[0]) if arguments else 20
    for what, line in _SAMPLES.items():
        seconds = measure(line, megabytes * 1_000_000)
        sys.stdout.write(f"{megabytes} MB, {what}: {seconds:.1f} s CPU\n")


if __name__ == "__main__":
    main(sys.argv[1:])
