"""SecOps pause the whole factory: since when no container group is created, and when that is certain. Pure.

A creation that was paid for before the pause may still be under way. So a pause has two steps: from the first one on
nothing more is paid for, and from the second one on nothing is created.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, unique

from pipeline_core.domain.actors import Actor
from pipeline_core.domain.attempts import CREATION

CLOCKS = timedelta(
    seconds=90
)  # clocks of two hosts, or of a host and the storage, differ by this much at most
LONGEST = CREATION + CLOCKS  # from the first step to the second one
UNTIL_RESUMED = timedelta.max  # no time ends this wait: the end of the pause sets each build going


@unique
class PauseState(Enum):
    """What a pause holds back now."""

    RUNNING = "running"  # there is no pause
    PAUSING = "pausing"  # nothing more is paid for; a creation that was paid for before may still be made
    PAUSED = "paused"  # no container group is created


@dataclass(frozen=True, slots=True, kw_only=True)
class FactoryPause:
    """The newest pause, or its end (`is_paused` false): who decided it, when and why. `revision` counts both.

    `settles_at` is the moment from which no group is created; None while nobody has looked for creations under way.
    """

    revision: int
    is_paused: bool
    reason: str
    actor: str
    at: datetime
    settles_at: datetime | None = None
    identity: str | None = None  # who `actor` is; None in what older releases wrote

    @property
    def by(self) -> Actor:
        """Who decided it."""
        return Actor(name=self.actor, identity=self.identity)


def text_of(pause: FactoryPause | None, now: datetime) -> str:
    """One line for people; empty where the factory is not paused."""
    state = state_of(pause, now)
    if pause is None or state is PauseState.RUNNING:
        return ""
    since = f"{pause.at:%Y-%m-%d %H:%M} UTC"
    return f"the factory is {state.value} since {since} by {pause.actor}: {pause.reason}"


def state_of(pause: FactoryPause | None, now: datetime) -> PauseState:
    """The state at this moment; None where nobody has ever paused the factory."""
    if pause is None or not pause.is_paused:
        return PauseState.RUNNING
    is_settled = pause.settles_at is not None and now >= pause.settles_at
    return PauseState.PAUSED if is_settled else PauseState.PAUSING
