"""Which pending builds start, and in what order. Pure: rows and capacity go in, a choice comes out.

Builds wait in a line: by lane, then by the longest chain of builds that follow, then by age. A build that has waited
long is also in a second line, ordered by age alone. Every fifth start is for the first build of that line. Builds of
a team at its limit are parked in the team's own line. The key of a row says which line it is in:
`LANE-CHAIN-AGE-BUILD`, `late-AGE-BUILD`, and `team:TEAM:` before either.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pipeline_core.domain.builds import Build
from pipeline_core.domain.capacity import LATE_EVERY, Capacity, CoreHold, LimitWait
from pipeline_core.domain.keys import highest_first
from pipeline_core.domain.machine_sizes import ASSUMED_CORES
from pipeline_core.domain.names import BuildId, CampaignId, TeamName
from pipeline_core.domain.reasons import Lane

LATE = "late-"  # sorts behind every lane
URGENT = f"{Lane.SECURITY.value}-"  # begins the rank of a build of the security lane
PARKED = "team:"  # sorts behind the line of late builds
LATE_AFTER = timedelta(hours=1)  # of waiting
GROUPS_PER_BUILD = 2  # verifying may begin while the group that built is still being deleted
CORES_PER_GROUP = 1
_AGE = "%Y%m%dT%H%M%S"  # stored in keys
_CHAIN_LIMIT = 999_999  # seconds: eleven days


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingBuild:
    """A build that waits for a slot; `key` names its line, and sorts it among the others.

    The fields behind `team` are None in rows of older releases; `cores` also where the size does not say them.
    """

    key: str
    build: BuildId
    team: TeamName
    campaign: CampaignId | None = None
    cores: int | None = None
    lane: Lane | None = None

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
    def is_urgent(self) -> bool:
        """True for a build of the security lane.

        A late row of an older release does not say its lane, and is not urgent: a build of the security lane has
        another row, by priority, whose key says it.
        """
        if self.lane is None:
            return not self.is_late and self.rank.startswith(URGENT)
        return self.lane is Lane.SECURITY

    @property
    def machine_cores(self) -> int:
        """The cores of its machine, as they count."""
        return ASSUMED_CORES if self.cores is None else self.cores

    @property
    def rank(self) -> str:
        """The key without the line of a team: compares builds of all lines."""
        return self.key.rpartition(":")[2]

    def parked(self) -> "PendingBuild":
        """The same build in its team's own line."""
        return replace(self, key=f"{line_of(self.team)}{self.rank}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Pairs of build and slot to start now, in this order; and the builds that wait until their team has cores."""

    starts: tuple[tuple[PendingBuild, int], ...] = ()
    holds: Mapping[TeamName, CoreHold] = field(default_factory=dict)


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
    """The row of a pending build now. A build that has waited for `LATE_AFTER` is in the line of late builds.

    One of the security lane is found by its priority, also where a limit of its team lets only that lane start. The
    sweep adds its row in the line of late builds.
    """
    is_late = build.lane is not Lane.SECURITY and now >= build.queued_at + LATE_AFTER
    return first_row_of(build, late_key(build.queued_at, build.id) if is_late else build.priority)


def first_row_of(build: Build, key: str = "") -> PendingBuild:
    """The row of a build that begins to wait; with `key`, the row in another line."""
    return PendingBuild(
        key=key or build.priority,
        build=build.id,
        team=build.team,
        campaign=build.campaign,
        cores=build.cores,
        lane=build.lane,
    )


def line_of(team: TeamName) -> str:
    """How the keys in a team's own line begin."""
    return f"{PARKED}{team}:"


def choose(
    pending: Iterable[PendingBuild],
    capacity: Capacity,
    team_limit: int,
    *,
    late: Iterable[PendingBuild] = (),
) -> Choice:
    """The builds to start now.

    Every `LATE_EVERY`th start takes the first of `late`, as long as there is one. The builds of a team at its limit
    are skipped, so that they do not keep other teams from starting. The first of a team for which it has too few cores
    holds back those behind it, so that smaller ones do not pass it for ever.
    """
    line = deque(sorted(pending, key=_rank))
    late_line = deque(sorted(late, key=_rank))
    now = _with_late_holds(capacity, late_line)
    begun: set[BuildId] = set()
    chosen: list[tuple[PendingBuild, int]] = []
    slots = capacity.free_slots[: capacity.can_start]
    for number, slot in enumerate(slots, start=capacity.starts + 1):
        lines = (line, late_line) if number % LATE_EVERY else (late_line, line)
        found, now = _next(lines, now, team_limit, begun)
        if found is None:
            break
        now = now.after_start(found.team, found.machine_cores)
        begun.add(found.build)
        chosen.append((found, slot))
    return Choice(starts=tuple(chosen), holds=now.holds)


def may_start(pending: PendingBuild, capacity: Capacity, team_limit: int) -> bool:
    """True where the limits of its team do not hold the build back, as far as they are known without its cores."""
    return capacity.admits(pending.team, team_limit).takes(is_urgent=pending.is_urgent)


def why_waits(pending: PendingBuild, capacity: Capacity, now: datetime) -> LimitWait | None:
    """Which limit of its team the build waits for; None where it waits for something else."""
    return capacity.why_waits(pending.team, pending.machine_cores, now, is_urgent=pending.is_urgent)


def _with_late_holds(capacity: Capacity, late: Iterable[PendingBuild]) -> Capacity:
    """The first late build of each team holds back what is not urgent, also where it is not its turn.

    Else younger builds would take every core that becomes free before there are enough for a large one.
    """
    seen: set[TeamName] = set()
    for row in late:
        if row.team not in seen and not capacity.fits(row.team, row.machine_cores):
            capacity = capacity.holding(row.team, CoreHold(cores=row.machine_cores, is_urgent=False))
        seen.add(row.team)
    return capacity


def _next(
    lines: Iterable[deque[PendingBuild]], capacity: Capacity, team_limit: int, begun: set[BuildId]
) -> tuple[PendingBuild | None, Capacity]:
    """The first build that can start. One that cannot is dropped: within one choice no team gets room again."""
    for line in lines:
        while line:
            candidate = line.popleft()
            if candidate.build in begun or not may_start(candidate, capacity, team_limit):
                continue
            if capacity.fits(candidate.team, candidate.machine_cores):
                return candidate, capacity
            hold = CoreHold(cores=candidate.machine_cores, is_urgent=candidate.is_urgent)
            capacity = capacity.holding(candidate.team, hold)
    return None, capacity


def _rank(pending: PendingBuild) -> str:
    return pending.rank


def _age(created_at: datetime) -> str:
    return f"{created_at:{_AGE}}"
