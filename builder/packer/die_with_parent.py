"""`python die_with_parent.py PARENT PROGRAM ARGUMENT...`: becomes PROGRAM, which gets SIGTERM when PARENT dies.

So Packer cleans up instead of living on where the builder itself is killed. A step between and not a function
run after the fork: the builder has threads, and forking those is not safe. Linux only; elsewhere it just runs.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(words: list[str]) -> None:
    """Never returns where the program can be run."""
    parent, *command = words
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit(1)  # it died before we asked to be told
    # Whoever started the builder may have had it ignore interrupts, and a program inherits that: Packer could not
    # be told to clean up, only be killed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606 - the builder's own words, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
