"""Opens the emulated machines' SSH listener, and loads the SSH library only then.

Its import takes a third of the emulator's start and looks for C libraries, by running a compiler where there is one.
Without a real Packer nobody ever knocks.
"""

import importlib
from types import ModuleType
from typing import Protocol

from local.guest.guests import Guests


class Door(Protocol):
    """The open listener."""

    def get_port(self) -> int:
        """Where it listens."""
        ...

    def close(self) -> None:
        """Let nobody in any more."""
        ...


async def open_for(guests: Guests) -> Door:
    """Serve these machines on a free loopback port."""
    door: Door = await _ssh().listen(guests)
    return door


def _ssh() -> ModuleType:
    return importlib.import_module("local.guest.ssh")
