"""Decides which fault strikes at which place. Only the seed and the place decide it.

A place is a numbered call of a port on a subject, or a numbered delivery of a message. A fault at one place does
not depend on faults at other places. So the faults of a failing seed can be removed one by one.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, unique

STRUCK = "    ! "  # begins a line of the trace that names a fault


@unique
class Kind(Enum):
    """The kinds of faults."""

    LOST = "lost"  # a message is lost
    DOUBLED = "doubled"  # a message is delivered twice
    DELAYED = "delayed"  # a message comes up to five minutes late, after younger messages
    KILLED = "killed"  # the handler and its process die between two calls
    REFUSED = "refused"  # 429, 409 or 500: the call had no effect
    UNANSWERED = "unanswered"  # the call had its effect, but its answer is lost
    CONFLICTING = "conflicting"  # the ETag does not match: another writer was first
    STALE = "stale"  # a list shows an earlier state
    OVERTAKEN = "overtaken"  # another handler runs from begin to end between two calls of this one
    EVICTED = "evicted"  # a container vanishes without a report
    SILENT = "silent"  # a container runs on and reports nothing
    TWICE = "twice"  # a container reports twice
    EXHAUSTED = "exhausted"  # another client uses up the hourly budget of container creations
    SKEWED = "skewed"  # a handler's clock is wrong

    __hash__ = object.__hash__  # one object each; the hash of an Enum costs a call


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Rates between 0 and 1 by kind: of deliveries, calls, containers and hours. `skew` limits the error of clocks."""

    lost: float = 0.0
    doubled: float = 0.0
    delayed: float = 0.0
    killed: float = 0.0
    refused: float = 0.0
    unanswered: float = 0.0
    conflicting: float = 0.0
    stale: float = 0.0
    overtaken: float = 0.0
    evicted: float = 0.0
    silent: float = 0.0
    twice: float = 0.0
    exhausted: float = 0.0
    skewed: float = 0.0
    skew: timedelta = timedelta(seconds=45)

    @property
    def any(self) -> bool:
        """True if some fault can strike."""
        return any(getattr(self, each.value) for each in Kind)


LEVELS = {
    "none": Faults(),
    "light": Faults(lost=0.02, doubled=0.05, delayed=0.1, evicted=0.05),
    "races": Faults(doubled=0.15, delayed=0.05, overtaken=0.04, stale=0.2, skewed=0.3),
    "answers": Faults(unanswered=0.05, doubled=0.05),
    "containers": Faults(evicted=0.15, silent=0.25, twice=0.1, overtaken=0.01),
    "heavy": Faults(
        lost=0.02,
        doubled=0.04,
        delayed=0.06,
        killed=0.003,
        refused=0.01,
        unanswered=0.006,
        conflicting=0.01,
        stale=0.2,
        overtaken=0.01,
        evicted=0.04,
        silent=0.02,
        twice=0.05,
        exhausted=0.1,
        skewed=0.3,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StruckFault:
    """One fault that struck. `id` names it in a replay."""

    id: str
    kind: Kind
    place: str


class Killed(BaseException):
    """The process died. None of its code runs on, and no `except Exception` catches this."""


@dataclass(slots=True, kw_only=True)
class Injector:
    """Draws faults. With `only`, no other faults strike."""

    seed: int
    faults: Faults
    only: frozenset[str] | None = None
    enabled: bool = True
    struck: list[StruckFault] = field(default_factory=list)
    trace: Callable[[str], None] | None = None
    _visits: dict[str, int] = field(default_factory=dict)
    _rates: dict[tuple[Kind, ...], tuple[Sequence[tuple[Kind, float]], float]] = field(default_factory=dict)

    def draw(self, place: str, kinds: tuple[Kind, ...]) -> tuple[Kind | None, float]:
        """The fault that strikes at this visit of the place, if any, and a number in [0, 1) that shapes the fault."""
        if not self.enabled:
            return None, 0.0
        known = self._rates.get(kinds)
        if known is None:
            pairs = [(kind, getattr(self.faults, kind.value)) for kind in kinds]
            able = [(kind, rate) for kind, rate in pairs if rate > 0]
            self._rates[kinds] = known = (able, sum(rate for _, rate in able))
        rates, some = known
        if not rates:
            return None, 0.0
        visits = self._visits
        visits[place] = visit = visits.get(place, 0) + 1
        digest = hashlib.blake2b(f"{self.seed}/{place}#{visit}".encode(), digest_size=8).digest()
        draw = int.from_bytes(digest[:4], "big") / 2**32
        if draw >= some:
            return None, 0.0
        for kind, rate in rates:
            if draw < rate:
                return self._strike(kind, place, digest), draw / rate
            draw -= rate
        return None, 0.0

    def _strike(self, kind: Kind, place: str, digest: bytes) -> Kind | None:
        fault = StruckFault(id=digest.hex()[:10], kind=kind, place=place)
        if self.only is not None and fault.id not in self.only:
            return None
        self.struck.append(fault)
        if self.trace is not None:
            self.trace(f"{STRUCK}{kind.value} at {place}")
        return kind
