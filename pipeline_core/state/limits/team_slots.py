"""How the policy in force limits the builds of teams: a copy beside the slots.

The one read that gives a dispatcher all slots gives this row too. `general` and `teams` are of releases that know
nothing else of the policy's; such a release keeps the other cells when it writes the row, so these name their revision.
"""

import json
from collections.abc import Sequence

from pipeline_core.domain import canonical
from pipeline_core.domain.capacity import NO_TEAM_SLOTS, RunLimits, TeamSlots
from pipeline_core.domain.names import TeamName
from pipeline_core.ports import Cell, Row

KEY = "slots-of-teams"  # between `slot:` and `stop:`, so among the rows that a dispatcher reads
_NONE = 0  # no limit
_MORE = "more"  # the limits of cores and of a day: [cores, builds] for each team
_MORE_OF = "more_of"  # the revision of the policy that they are of
_ALL = ""  # all teams; no team has this name


def read(row: Row | None) -> TeamSlots:
    """What a row says; no limits where there is none."""
    if row is None:
        return NO_TEAM_SLOTS
    revision = int(row.cells["revision"])
    builds = json.loads(str(row.cells["teams"]))
    more = {}
    if row.cells.get(_MORE_OF) == revision:
        more = json.loads(str(row.cells[_MORE]))
    return TeamSlots(
        revision=revision,
        general=_limits(row.cells["general"], more.get(_ALL)),
        teams={TeamName(team): _limits(most, more.get(team)) for team, most in builds.items()},
    )


def cells(slots: TeamSlots) -> dict[str, Cell]:
    """The cells of a row. 200 teams need less than half of what one cell takes."""
    own = {str(team): limits for team, limits in sorted(slots.teams.items(), key=str)}
    more = {team: [each.cores or _NONE, each.builds_per_day] for team, each in own.items()}
    return {
        "revision": slots.revision,
        "general": slots.general.builds or _NONE,
        "teams": canonical.compact({team: each.builds or _NONE for team, each in own.items()}),
        _MORE_OF: slots.revision,
        _MORE: canonical.compact(
            {_ALL: [slots.general.cores or _NONE, slots.general.builds_per_day], **more}
        ),
    }


def _limits(builds: object, more: Sequence[int | None] | None) -> RunLimits:
    """`more` is cores and builds a day, None where the row has none; no build a day is a limit, no core is not one."""
    cores, day = (_NONE, None) if more is None else (more[0], more[1])  # a newer release may add numbers
    return RunLimits(builds=int(str(builds)) or None, cores=cores or None, builds_per_day=day)
