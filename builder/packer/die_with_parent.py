"""`python die_with_parent.py PARENT PROGRAM ARGUMENT...`: becomes PROGRAM, which gets SIGTERM when PARENT dies.

So Packer cleans up if the builder is killed, and does not run on. This is a program, not a function that runs after
the fork, because a fork is not safe in a process with threads. The signal works on Linux only. Elsewhere PROGRAM
just runs.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(words: list[str]) -> None:
    """Never returns if the program can be run."""
    parent, *command = words
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit(1)  # the parent died before the request for the signal
    # The process that started the builder may ignore interrupts, and a program inherits that. Then an interrupt
    # could not make Packer clean up, and only a kill would end it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606 - the builder's own words, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
