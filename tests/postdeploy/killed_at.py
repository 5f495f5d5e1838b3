"""Runs a program and kills it right before its Nth step that changes a file or asks systemctl.

    killed_at.py N PROGRAM ...

Python reports these steps to audit hooks, so the program needs no place for faults in its own code. What a run reports
(`*-status.json`) decides nothing and is not counted, nor is a change of an open file, which nothing leads to yet. A
program that ends by itself says `event=ended steps=COUNT` at last; with N = 0 each step has a line.
"""

import os
import runpy
import signal
import sys
from typing import Any

LIMIT, PROGRAM = int(sys.argv[1]), sys.argv[2]
NAMED = {
    "os.rename",
    "os.symlink",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.chmod",
    "os.chown",
    "shutil.rmtree",
}
count = 0


def hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Count a step, and end the process at the last one."""
    global count
    is_step = event in NAMED and not isinstance(arguments[0], int)
    if event == "open":
        is_step = isinstance(arguments[0], (str, os.PathLike)) and bool(
            arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
    elif event == "subprocess.Popen":
        words = [str(word) for word in arguments[1]]
        is_step = words[0] == "systemctl" and words[1] not in ("is-active", "show")
    if is_step and "-status.json" not in str(arguments) and "/dev/null" not in str(arguments):
        count += 1
        if LIMIT == 0:
            print(f"event=step number={count} what={event} on={os.path.basename(str(arguments[0]))}")
        if count == LIMIT:
            os.kill(os.getpid(), signal.SIGKILL)


sys.argv[:] = sys.argv[2:]
sys.path[0] = os.path.dirname(PROGRAM)
sys.addaudithook(hear)
try:
    runpy.run_path(PROGRAM, run_name="__main__")
finally:
    print(f"event=ended steps={count}")
