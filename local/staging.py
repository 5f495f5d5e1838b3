"""What an emulated machine keeps in memory: the staged folder of a build, and that it is about to restart.

Pure, and shared by the emulated guest and the recorded Packer. A script of the factory is read for what it needs, and
never run. So a template that restarts a machine and does not stage everything again fails here as it does on Azure.
"""

import re
from collections.abc import Container
from typing import NamedTuple

_ROOT = "/run/imagefactory"
_UPLOADS = "/tmp/imagefactory-"  # noqa: S108 - in the emulated machine
_TOOL = re.compile(r"/tmp/imagefactory-tool-[0-9a-f]{64}")  # noqa: S108 - in the emulated machine
_ALL = ("bundle.tar.gz", "platform.tar.gz", "catalog.json")
_TOO_EARLY = 75  # the exit code of a script that waits for a restart and met the old system


class StagingFailure(NamedTuple):
    """A script that fails: its exit code, and what it prints."""

    exit_code: int
    output: str

    @property
    def is_too_early(self) -> bool:
        """True where the machine has not gone down yet."""
        return self.exit_code == _TOO_EARLY


class Staging:
    """The memory of one machine."""

    def __init__(self) -> None:
        self.is_going_down = False
        self.boots = 1
        self._is_staged = False

    def restart(self) -> None:
        """The machine has gone down and comes up again: its memory is empty."""
        self.is_going_down = self._is_staged = False
        self.boots += 1

    def run(self, script: str, files: Container[str]) -> StagingFailure | None:
        """Take the effect of a script of the factory. `files` are the paths on the machine's disk.

        Returns why it fails, or None. What it takes from `files` is `taken`.
        """
        needed = taken(script)
        missing = next((path for path in needed if path not in files), None)
        if missing is not None:
            return StagingFailure(1, f"{missing}: No such file or directory\n")
        if f"{_ROOT}/restarting" in script:
            return (
                StagingFailure(_TOO_EARLY, "the machine has not gone down yet\n")
                if self.is_going_down
                else None
            )
        if self.is_going_down:
            return StagingFailure(1, "the machine goes down under this script\n")
        if {f"{_UPLOADS}{name}" for name in _ALL} <= {*needed}:
            self._is_staged = True
        elif f"{_ROOT}/" in script and not self._is_staged:
            return StagingFailure(1, f"{_ROOT}: No such file or directory\n")
        return None


def taken(script: str) -> tuple[str, ...]:
    """The uploaded files that a script unpacks, or puts into memory, and removes."""
    named = [f"{_UPLOADS}{name}" for name in _ALL if f"{_UPLOADS}{name}" in script]
    return (*named, *sorted(set(_TOOL.findall(script))))
