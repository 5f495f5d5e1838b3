"""What one team may have and use: the limits of SecOps' policy. Pure.

A limit that is lowered under what exists stops nothing that exists: it holds from the next change on.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from pipeline_core.domain.names import TeamName

IMAGES = 500  # of a team: half of the image definitions that a subscription may hold in one region


@dataclass(frozen=True, slots=True, kw_only=True)
class PerTeamLimits:
    """The limits of one team. None, and empty `machine_sizes` (names in lower case), mean: no limit.

    `images` counts registered images. The others are asked of each definition: `replicas` is of one region, `regions`
    the number of regions.
    """

    images: int = IMAGES
    machine_sizes: frozenset[str] = frozenset()
    timeout: timedelta | None = None
    replicas: int | None = None
    regions: int | None = None

    def allow_size(self, size: str) -> bool:
        """True where builds may use machines of this size. Azure compares names of sizes without case."""
        return not self.machine_sizes or size.lower() in self.machine_sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyLimits:
    """The limits in force: those of all teams, and those of single teams."""

    general: PerTeamLimits = PerTeamLimits()
    teams: Mapping[TeamName, PerTeamLimits] = field(default_factory=dict)

    def of(self, team: TeamName) -> PerTeamLimits:
        """The limits of one team."""
        return self.teams.get(team, self.general)


DEFAULTS = PolicyLimits()  # without a policy
