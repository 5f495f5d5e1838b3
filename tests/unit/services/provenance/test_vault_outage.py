"""Key Vault is out of reach for hours: builds whose version waits for its signature keep their slots, and nothing else.

Nothing that would be built meanwhile could be published, and the platform breaker holds the rest back but its probes.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pipeline_core.adapters.memory.ports import MemoryPorts
from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.ports import Signer
from simulation import world
from simulation.world import SimulatedWorld
from tests.simulation import outages
from tests.unit.services import scenes

HOUR = timedelta(hours=1)
SLOTS = 4  # three failures of different images open the breaker


@dataclass
class Vault:
    """A signer that does not answer until `until`."""

    inner: Signer
    ports: MemoryPorts
    until: datetime

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def sign(self, message: bytes) -> Any:
        """The signature, or what the network says."""
        if self.ports.clock.now() < self.until:
            raise TransientError(ErrorClass.NETWORK, "the vault does not answer")
        return self.inner.sign(message)


def _world(lasts: timedelta) -> tuple[SimulatedWorld, datetime]:
    """A world whose vault is out of reach from now on, and when it answers again."""

    def wrap(bare: MemoryPorts) -> MemoryPorts:
        vault: Any = Vault(inner=bare.signer, ports=bare, until=bare.clock.now() + lasts)
        return replace(bare, signer=vault)

    made = world.make(slots=SLOTS, wrap=wrap)
    return made, made.ports.clock.now() + lasts


def _holders(made: SimulatedWorld) -> int:
    return len(scenes.capacity(made, slots=SLOTS).holders())


def _phases(made: SimulatedWorld) -> list[Phase]:
    return sorted((build.phase for build in outages.builds(made)), key=lambda phase: phase.value)


def test_builds_keep_their_slots_without_a_group_and_go_on_when_the_vault_answers() -> None:
    made, ends = _world(HOUR)
    for number in range(SLOTS + 1):
        made.register(f"image-{number}", None)
    made.run_until(ends)
    assert _phases(made) == [Phase.PENDING, *[Phase.VERIFYING] * SLOTS]
    assert _holders(made) == SLOTS
    assert (
        list(made.ports.containers.list_groups()) == []
    )  # a slot that is held costs nothing on the platform
    assert (outages.alerts(made), outages.hurt(made)) == (1, [])
    made.run_until(ends + timedelta(minutes=10))
    assert outages.current(made) == SLOTS
    made.run_until(ends + HOUR)
    assert (outages.current(made), _holders(made)) == (SLOTS + 1, 0)
    ended = [(build.result, build.build_attempt, build.verify_attempt) for build in outages.builds(made)]
    assert ended == [(Result.SUCCEEDED, 1, 1)] * (SLOTS + 1)  # nothing was built or verified twice
    assert (made.poisoned, outages.alerts(made)) == ([], 1)
