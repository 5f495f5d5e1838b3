"""Runs one seed, and makes a failing seed small: the faults that it needs, and its story."""

import contextlib
import gc
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from simulation import rest, sabotage, world
from simulation.chapters import contents
from simulation.chapters.teams import TeamLimits
from simulation.faults import LEVELS, STRUCK
from simulation.story import SeedStory
from simulation.world import SimulatedWorld

_RUNS = 60  # runs of a failing seed at most, to make it small
_LINES = 60  # lines of the trace that are shown
_WAITS = (
    timedelta(seconds=60),
    timedelta(seconds=120),
    timedelta(seconds=90),
)  # between two looks at a running build
_BUDGETS = (10_000, 10_000, 40)  # creations per hour: mostly plenty, sometimes the limit
_DELETIONS = (24, 10_000, 48)  # deletions per hour


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedPlan:
    """Everything that decides a run. `only` are the ids of the faults that may strike. None means all.

    `without` names a rule of `simulation.sabotage` that is switched off. `chapters` are names of
    `simulation.chapters.contents.ALL`. `days` spreads the story over so many days; 0 keeps it within hours.
    """

    seed: int
    images: int = 20
    slots: int = 8
    faults: str = "light"
    only: tuple[str, ...] | None = None
    without: str = ""
    chapters: tuple[str, ...] = ()
    days: int = 0

    def command(self) -> str:
        """The command that repeats this run."""
        words = f"python -m simulation --first-seed {self.seed} --seeds 1 --images {self.images}"
        words += f" --slots {self.slots} --faults {self.faults}"
        words += f" --without {self.without}" if self.without else ""
        words += f" --chapters {','.join(self.chapters)}" if self.chapters else ""
        words += f" --days {self.days}" if self.days else ""
        return words if self.only is None else f"{words} --only-faults {','.join(self.only) or 'none'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedOutcome:
    """The result of one run."""

    deliveries: int
    faults: int
    publishes: int
    violations: tuple[str, ...]
    struck: tuple[str, ...] = ()
    trace: tuple[str, ...] = field(default=(), repr=False)


def run(plan: SeedPlan, *, trace: bool = False) -> SeedOutcome:
    """One seed from the first registration to rest."""
    with _without_collections():
        return _run(plan, trace=trace)


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Look for cycles of garbage once, before the seed, and not in it.

    What a story makes and drops has no cycles, but the world does, which lives until the end. So each search in a
    long seed visits all that the world holds, and finds nothing.
    """
    was_enabled = gc.isenabled()
    gc.collect(0)  # the world of the seed before
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _run(plan: SeedPlan, *, trace: bool) -> SeedOutcome:
    chance = random.Random(f"story {plan.seed}")  # noqa: S311 - the same in each run
    stormy = plan.faults == "heavy"
    rule = sabotage.ALL.get(plan.without, sabotage.NOTHING)
    made = world.make(
        seed=plan.seed,
        slots=plan.slots,
        faults=LEVELS[plan.faults],
        broken=0.02 if stormy else 0.0,
        creates_per_hour=chance.choice(_BUDGETS) if stormy else _BUDGETS[0],
        deletes_per_hour=_DELETIONS[plan.seed % len(_DELETIONS)] if stormy else _BUDGETS[0],
        wait=_WAITS[plan.seed % len(_WAITS)] if stormy else _WAITS[0],
        only=None if plan.only is None else frozenset(plan.only),
        wrap=rule.wrap,
        team_slots=max(1, plan.slots // 2) if TeamLimits.name in plan.chapters else None,
    )
    made.ports.containers.deletion = made.ports.resources.deletion = timedelta(seconds=20)
    made.ports.galleries.deletion = timedelta(seconds=40)
    made.ports.galleries.updating, made.ports.galleries.defining = (
        timedelta(seconds=15),
        timedelta(seconds=20),
    )
    made.ports.resources.lag = timedelta(minutes=2) if stormy else timedelta(0)
    rule.change(made)
    lines: list[str] = []
    if trace:
        made.host.trace = made.faulty.calls.trace = made.injector.trace = lines.append
    with rule.patch():
        _story(plan, made, chance, rule.patience).run()
        violations = tuple(rest.violations(made))
    return SeedOutcome(
        deliveries=made.deliveries,
        faults=made.injected,
        publishes=sum(made.safety.publishes.values()),
        violations=violations,
        struck=tuple(fault.id for fault in made.injector.struck),
        trace=tuple(lines),
    )


def _story(plan: SeedPlan, made: SimulatedWorld, chance: random.Random, patience: int) -> SeedStory:
    made.dozes = bool(plan.days or plan.chapters)
    told = SeedStory(world=made, chance=chance, images=plan.images, patience=patience, days=plan.days)
    for name in plan.chapters:
        own = random.Random(f"{name} {plan.seed}")  # noqa: S311 - the same in each run
        told.chapters.append(contents.ALL[name](told, own))
    return told


def shrink(plan: SeedPlan, struck: Sequence[str]) -> tuple[SeedPlan, SeedOutcome]:
    """The same seed with the fewest faults that were found to still break it, and that run with its trace."""
    kept, size, runs = list(struck), max(1, len(struck) // 2), 0
    while size and runs < _RUNS:
        for start in range(0, len(kept), size):
            tried = [*kept[:start], *kept[start + size :]]
            runs += 1
            if runs > _RUNS:
                break
            if run(replace(plan, only=tuple(tried))).violations:
                kept = tried
                break
        else:
            size = size // 2 if size > 1 else 0
            continue
        size = min(size, max(1, len(kept) // 2)) if kept else 0
    small = replace(plan, only=tuple(kept))
    return small, run(small, trace=True)


def story_of(outcome: SeedOutcome) -> list[str]:
    """The last lines of the trace with a name from the first violation, and every fault before them."""
    first = outcome.violations[0] if outcome.violations else ""
    words = set(re.findall(r"[a-z0-9][a-z0-9-]*-[0-9]+", first)) or {first}
    events = [
        line
        for line in outcome.trace
        if line.startswith(STRUCK) or any(re.search(rf"{re.escape(word)}(?![0-9])", line) for word in words)
    ]
    last = events[-_LINES:]
    return [*(line for line in events[: -len(last)] if line.startswith(STRUCK)), *last][-2 * _LINES :]
