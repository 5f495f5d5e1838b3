"""The shape of a sabotage, and the tools to switch a rule off: in the twins, in the world, or in the code."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from pipeline_core.adapters.memory.ports import MemoryPorts
from simulation.world import SimulatedWorld

Wrap = Callable[[MemoryPorts], MemoryPorts]
Change = Callable[[SimulatedWorld], None]


def _keep(ports: MemoryPorts) -> MemoryPorts:
    return ports


def _leave(world: SimulatedWorld) -> None:
    """Nothing about the world changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sabotage:
    """How one rule is switched off: in the twins, in the world, or in the code while a seed runs.

    `faults`, `images` and `slots` name the seeds that must find a violation. `directed` is the reason why no seed
    can find one, so that a test of its own must. `patience` is low, because a world without a rule may never rest.
    `chapters` and `days` are those of the seeds, where only a chapter of the story tells of the rule.
    """

    rule: str
    wrap: Wrap = _keep
    change: Change = _leave
    patch: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext
    faults: str = "heavy"
    images: int = 12
    slots: int = 4
    patience: int = 500
    directed: str = ""
    chapters: tuple[str, ...] = ()
    days: int = 0


NOTHING = Sabotage(rule="", patience=2500)


def stand_in(world: SimulatedWorld, port: str, **methods: Callable[..., Any]) -> None:
    """Other methods in front of a twin. The services see them, the platform does not."""
    twin = getattr(world.faulty, port)._twin
    shape = {name: getattr(twin, name) for name in dir(type(twin)) if not name.startswith("_")}
    exchange(world, port, SimpleNamespace(**{**shape, **methods}))


def exchange(world: SimulatedWorld, port: str, twin: object) -> None:
    """Put another twin behind the faults. The port forgets the methods of the former twin."""
    front: Any = getattr(world.faulty, port)
    front.__dict__.clear()
    front.__init__(port, twin, world.faulty.calls)


@contextlib.contextmanager
def replaced(owner: object, name: str, value: object) -> Iterator[None]:
    """Replace an attribute of `owner` for a while, then put its own back."""
    kept = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, kept)
