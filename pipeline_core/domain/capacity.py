"""What is free for builds, and what SecOps' policy lets each team use of it at one moment and on one day. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, unique

from pipeline_core.domain.day_use import end_of_day
from pipeline_core.domain.names import TeamName

LATE_EVERY = 5  # one start in this number is for the build that has waited longest


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """What the builds of one team may use. None: no limit of the policy.

    `builds` run at the same time, on machines with `cores` together; `builds_per_day` begin on one day (UTC).
    """

    builds: int | None = None
    cores: int | None = None
    builds_per_day: int | None = None


NO_RUN_LIMITS = RunLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamSlots:
    """How SecOps' policy limits the builds of all teams, and of single ones. `revision` is the policy's.

    A limit below what runs stops nothing: the team's next build starts when less runs.
    """

    revision: int = 0
    general: RunLimits = NO_RUN_LIMITS
    teams: Mapping[TeamName, RunLimits] = field(default_factory=dict)

    @property
    def has_limits(self) -> bool:
        """True where the policy limits any team."""
        return any(own != NO_RUN_LIMITS for own in (self.general, *self.teams.values()))

    def of(self, team: TeamName) -> RunLimits:
        """The limits of one team."""
        return self.teams.get(team, self.general)

    def within(self, team: TeamName, settings: int) -> int:
        """The slots of one team, where `settings` allow so many to each."""
        own = self.of(team).builds
        return settings if own is None else min(own, settings)

    def named(self, team: TeamName) -> str:
        """Whose limit it is, for a message."""
        whose = f"limit of team {team}" if team in self.teams else "limit"
        return f"the {whose} in policy {self.revision}"


NO_TEAM_SLOTS = TeamSlots()


@unique
class Admitted(Enum):
    """Which builds of one team may start, as far as the team's limits say."""

    NONE = "none"  # all its slots or cores are in use, or they are kept for an urgent build
    SECURITY = (
        "security"  # those of the security lane: the others of the day have begun, or one waits for cores
    )
    ALL = "all"  # any

    def takes(self, *, is_urgent: bool) -> bool:
        """True where a build may start. An urgent one is of the security lane."""
        return self is Admitted.ALL or (is_urgent and self is Admitted.SECURITY)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreHold:
    """A build that waits until its team has so many cores for it. It holds back the team's builds behind it.

    That is all others where it is of the security lane, else all but those of that lane.
    """

    cores: int
    is_urgent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitWait:
    """The limit that a build waits for: `reason` is for programs, `message` for people."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What is free: numbers of free slots, container creations left; `starts` so far. And what each team uses.

    `by_team` are slots in use, `cores` those of their machines, `begun` the builds of this day. `team_slots` is what
    the policy says; the callers below give what the settings say as `team_limit`. `holds` are the builds that wait
    for cores, as a pass has found them.
    """

    free_slots: tuple[int, ...]
    by_team: Mapping[TeamName, int]
    creates_left: int
    starts: int = 0
    team_slots: TeamSlots = NO_TEAM_SLOTS
    cores: Mapping[TeamName, int] = field(default_factory=dict)
    begun: Mapping[TeamName, int] = field(default_factory=dict)
    holds: Mapping[TeamName, CoreHold] = field(default_factory=dict)

    @property
    def can_start(self) -> int:
        """How many builds can be started at most."""
        return min(len(self.free_slots), max(0, self.creates_left))

    @property
    def late_turns(self) -> int:
        """How many of the starts that are possible now are for builds that have waited long."""
        return (self.starts + self.can_start) // LATE_EVERY - self.starts // LATE_EVERY

    def room_of(self, team: TeamName, team_limit: int) -> int:
        """How many builds of one team can be started at most."""
        if self.admits(team, team_limit) is Admitted.NONE:
            return 0
        return min(self.can_start, self.team_slots.within(team, team_limit) - self.by_team.get(team, 0))

    def is_full(self, team: TeamName, team_limit: int) -> bool:
        """True where the team has all the slots, or all the cores, that it may have."""
        running, most = self.by_team.get(team, 0), self.team_slots.of(team).cores
        has_no_core = most is not None and running > 0 and self.cores.get(team, 0) >= most
        return has_no_core or running >= self.team_slots.within(team, team_limit)

    def is_spent(self, team: TeamName) -> bool:
        """True where the team's builds of this day have begun."""
        most = self.team_slots.of(team).builds_per_day
        return most is not None and self.begun.get(team, 0) >= most

    def fits(self, team: TeamName, cores: int) -> bool:
        """True where the team has cores for such a build. A team without a build has, so that none waits for ever."""
        most = self.team_slots.of(team).cores
        return most is None or not self.by_team.get(team, 0) or self.cores.get(team, 0) + cores <= most

    def admits(self, team: TeamName, team_limit: int) -> Admitted:
        """Which builds of a team may start."""
        if self.is_full(team, team_limit):
            return Admitted.NONE
        hold = self.holds.get(team)
        waits = hold is not None and not self.fits(team, hold.cores)
        if hold is not None and waits and hold.is_urgent:
            return Admitted.NONE
        return Admitted.SECURITY if waits or self.is_spent(team) else Admitted.ALL

    def holding(self, team: TeamName, hold: CoreHold) -> "Capacity":
        """The same, where a build waits for cores. One of the security lane goes before another."""
        known = self.holds.get(team)
        if known is not None and known.is_urgent and not self.fits(team, known.cores):
            return self
        return replace(self, holds={**self.holds, team: hold})

    def after_start(self, team: TeamName, cores: int) -> "Capacity":
        """What a team may start behind one more build of it."""
        return replace(
            self,
            by_team={**self.by_team, team: self.by_team.get(team, 0) + 1},
            cores={**self.cores, team: self.cores.get(team, 0) + cores},
            begun={**self.begun, team: self.begun.get(team, 0) + 1},
        )

    def why_waits(self, team: TeamName, cores: int, now: datetime, *, is_urgent: bool) -> LimitWait | None:
        """Which limit of its team a waiting build waits for; None where it waits for something else."""
        limits, named = self.team_slots.of(team), self.team_slots.named(team)
        if self.is_spent(team) and not is_urgent:
            end = end_of_day(now)
            return LimitWait(
                reason="BuildsPerDay",
                message=f"team {team} has begun {self.begun.get(team, 0)} builds today, and {named} allows"
                f" {limits.builds_per_day} (`limits.buildsPerDay`); the day ends at {end:%Y-%m-%d %H:%M} UTC",
            )
        if not self.fits(team, cores):
            return LimitWait(
                reason="Cores",
                message=f"the builds of team {team} use {self.cores.get(team, 0)} cores, this one needs {cores}, and"
                f" {named} allows {limits.cores} (`limits.cores`); it starts when enough of them have ended",
            )
        return None
