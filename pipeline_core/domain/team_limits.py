"""What one team may have and use, and how much one caller may change: the limits of SecOps' policy. Pure.

A limit that is lowered under what exists stops nothing that exists: it holds from the next change on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from pipeline_core.domain.capacity import RunLimits
from pipeline_core.domain.day_use import DayCount
from pipeline_core.domain.names import TeamName

CHANGES_PER_MINUTE = 120  # of a caller: a command makes two
REQUESTS_PER_DAY = 500  # of a team
BUNDLES_PER_DAY = 500  # of a team; a bundle has 20 MiB at most
IMAGES = 500  # of a team: half of the image definitions that a subscription may hold in one region


@dataclass(frozen=True, slots=True, kw_only=True)
class PerTeamLimits:
    """The limits of one team. None, and empty `machine_sizes` (names in lower case), mean: no limit.

    `images` counts registered images, `builds` those that run at the same time, `cores` those of their machines.
    `builds_per_day` counts the builds that begin on one day (UTC), the other limits of a day what members ask for and
    store. Each definition is held against the others: `replicas` is of one region, `regions` the number of regions.
    """

    images: int = IMAGES
    requests_per_day: int = REQUESTS_PER_DAY
    bundles_per_day: int = BUNDLES_PER_DAY
    builds: int | None = None
    cores: int | None = None
    builds_per_day: int | None = None
    machine_sizes: frozenset[str] = frozenset()
    timeout: timedelta | None = None
    replicas: int | None = None
    regions: int | None = None

    @property
    def of_runs(self) -> RunLimits:
        """Those of builds that run, which the dispatcher holds."""
        return RunLimits(builds=self.builds, cores=self.cores, builds_per_day=self.builds_per_day)

    def a_day(self, what: DayCount) -> int:
        """How often the team may do this on one day."""
        return self.requests_per_day if what is DayCount.REQUESTS else self.bundles_per_day

    def allow_size(self, size: str) -> bool:
        """True where builds may use machines of this size. Azure compares names of sizes without case."""
        return not self.machine_sizes or size.lower() in self.machine_sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLimits:
    """The limits in force: those of all teams, those of single teams, and the changes a minute of one caller."""

    general: PerTeamLimits = PerTeamLimits()
    teams: Mapping[TeamName, PerTeamLimits] = field(default_factory=dict)
    changes_per_minute: int = CHANGES_PER_MINUTE

    def of(self, team: TeamName) -> PerTeamLimits:
        """The limits of one team."""
        return self.teams.get(team, self.general)


DEFAULTS = PolicyLimits()  # without a policy
