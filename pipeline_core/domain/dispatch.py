"""Which pending builds start, and in what order. Pure: rows and capacity go in, a choice comes out.

Builds wait in a line: by lane, then by the longest chain of builds that follow, then by age. A build that has waited
long is also in a second line, ordered by age alone. Every fifth start is for the first build of that line. Builds of
a team at its limit are parked in the team's own line. The key of a row says which line it is in:
`LANE-CHAIN-AGE-BUILD`, `late-AGE-BUILD`, and `team:TEAM:` before either.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pipeline_core.domain.builds import Build
from pipeline_core.domain.keys import highest_first
from pipeline_core.domain.names import BuildId, CampaignId, TeamName
from pipeline_core.domain.reasons import Lane

LATE = "late-"  # sorts behind every lane
PARKED = "team:"  # sorts behind the line of late builds
LATE_AFTER = timedelta(hours=1)  # of waiting
LATE_EVERY = 5  # one start in this number is for the build that has waited longest
GROUPS_PER_BUILD = 2  # verifying may begin while the group that built is still being deleted
CORES_PER_GROUP = 1
_AGE = "%Y%m%dT%H%M%S"  # stored in keys
_CHAIN_LIMIT = 999_999  # seconds: eleven days


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingBuild:
    """A build that waits for a slot; `key` names its line, and sorts it among the others."""

    key: str
    build: BuildId
    team: TeamName
    campaign: CampaignId | None = None  # None in rows of older releases

    @property
    def since(self) -> datetime | None:
        """Since when it waits, as the key says: to the second. None for a key of another form."""
        age = self.rank.removeprefix(LATE) if self.is_late else "".join(self.rank.split("-", 2)[2:])
        try:
            return datetime.strptime(age.partition("-")[0], _AGE).replace(tzinfo=UTC)
        except ValueError:
            return None

    @property
    def is_late(self) -> bool:
        """True in a line that is ordered by age alone."""
        return self.rank.startswith(LATE)

    @property
    def rank(self) -> str:
        """The key without the line of a team: compares builds of all lines."""
        return self.key.rpartition(":")[2]

    def parked(self) -> "PendingBuild":
        """The same build in its team's own line."""
        return replace(self, key=f"{line_of(self.team)}{self.rank}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamSlots:
    """How many builds of one team SecOps' policy lets run at the same time. None: as many as the settings say.

    A limit below what runs stops nothing: the team's next build starts when fewer run. `revision` is the policy's.
    """

    revision: int = 0
    general: int | None = None
    teams: Mapping[TeamName, int | None] = field(default_factory=dict)

    @property
    def has_limits(self) -> bool:
        """True where the policy limits any team."""
        return self.general is not None or any(own is not None for own in self.teams.values())

    def within(self, team: TeamName, settings: int) -> int:
        """The slots of one team, where `settings` allow so many to each."""
        own = self.teams.get(team, self.general)
        return settings if own is None else min(own, settings)


NO_TEAM_SLOTS = TeamSlots()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What is free: numbers of free slots, slots in use per team, container creations left; `starts` so far.

    `team_slots` is what the policy says; the callers below give what the settings say as `team_limit`.
    """

    free_slots: tuple[int, ...]
    by_team: Mapping[TeamName, int]
    creates_left: int
    starts: int = 0
    team_slots: TeamSlots = NO_TEAM_SLOTS

    @property
    def can_start(self) -> int:
        """How many builds can be started at most."""
        return min(len(self.free_slots), max(0, self.creates_left))

    def room_of(self, team: TeamName, team_limit: int) -> int:
        """How many builds of one team can be started at most."""
        return max(
            0, min(self.can_start, self.team_slots.within(team, team_limit) - self.by_team.get(team, 0))
        )

    def is_full(self, team: TeamName, team_limit: int) -> bool:
        """True where the team has all the slots that it may have."""
        return self.by_team.get(team, 0) >= self.team_slots.within(team, team_limit)

    @property
    def late_turns(self) -> int:
        """How many of the starts that are possible now are for builds that have waited long."""
        return (self.starts + self.can_start) // LATE_EVERY - self.starts // LATE_EVERY


def slots_within(wanted: int, *, groups: int, cores: int) -> int:
    """How many builds may run at once so that the region's quota of groups and cores is never exceeded."""
    return min(wanted, groups // GROUPS_PER_BUILD, cores // (GROUPS_PER_BUILD * CORES_PER_GROUP))


def priority_key(lane: Lane, chain: int, created_at: datetime, build: BuildId) -> str:
    """Sorts by lane, then the longest chain (in seconds) first, then the oldest; unique by the build."""
    return f"{lane.value}-{highest_first(chain, most=_CHAIN_LIMIT)}-{_age(created_at)}-{build}"


def late_key(created_at: datetime, build: BuildId) -> str:
    """Sorts by age among the builds that have waited long."""
    return f"{LATE}{_age(created_at)}-{build}"


def row_of(build: Build, now: datetime) -> PendingBuild:
    """The row of a pending build now. A build that has waited for `LATE_AFTER` is in the line of late builds."""
    is_late = now >= build.queued_at + LATE_AFTER
    return first_row_of(build, late_key(build.queued_at, build.id) if is_late else build.priority)


def first_row_of(build: Build, key: str = "") -> PendingBuild:
    """The row of a build that begins to wait; with `key`, the row in another line."""
    return PendingBuild(key=key or build.priority, build=build.id, team=build.team, campaign=build.campaign)


def line_of(team: TeamName) -> str:
    """How the keys in a team's own line begin."""
    return f"{PARKED}{team}:"


def choose(
    pending: Iterable[PendingBuild],
    capacity: Capacity,
    team_limit: int,
    *,
    late: Iterable[PendingBuild] = (),
) -> tuple[tuple[PendingBuild, int], ...]:
    """Pairs of build and slot to start now, in this order.

    Every `LATE_EVERY`th start takes the first of `late`, as long as there is one. The builds of a
    team at its limit are skipped, so that they do not keep other teams from starting.
    """
    line = deque(sorted(pending, key=_rank))
    late_line = deque(sorted(late, key=_rank))
    used = Counter(capacity.by_team)
    begun: set[BuildId] = set()
    chosen: list[tuple[PendingBuild, int]] = []
    slots = capacity.free_slots[: capacity.can_start]
    for number, slot in enumerate(slots, start=capacity.starts + 1):
        lines = (line, late_line) if number % LATE_EVERY else (late_line, line)
        found = _next(lines, replace(capacity, by_team=used), team_limit, begun)
        if found is None:
            break
        used[found.team] += 1
        begun.add(found.build)
        chosen.append((found, slot))
    return tuple(chosen)


def _next(
    lines: Iterable[deque[PendingBuild]], capacity: Capacity, team_limit: int, begun: set[BuildId]
) -> PendingBuild | None:
    """The first build that can start. One that cannot is dropped: within one choice no team gets room again."""
    for line in lines:
        while line:
            candidate = line.popleft()
            if candidate.build not in begun and not capacity.is_full(candidate.team, team_limit):
                return candidate
    return None


def _rank(pending: PendingBuild) -> str:
    return pending.rank


def _age(created_at: datetime) -> str:
    return f"{created_at:{_AGE}}"
