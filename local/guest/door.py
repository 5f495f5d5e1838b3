"""Opens the emulated machines' SSH listener, and loads the SSH library only then.

The library's import takes a third of the emulator's start. It looks for C libraries and runs a compiler if there is
one. Only a real Packer connects to the listener.
"""

import importlib
from types import ModuleType
from typing import Protocol

from local.guest.guests import Guests


class Door(Protocol):
    """The open listener."""

    def get_port(self) -> int:
        """The port on which it listens."""
        ...

    def close(self) -> None:
        """Accept no more connections."""
        ...


async def open_for(guests: Guests) -> Door:
    """Serve these machines on a free loopback port."""
    door: Door = await _ssh().listen(guests)
    return door


def _ssh() -> ModuleType:
    return importlib.import_module("local.guest.ssh")
