"""How many builds of a team may run at the same time, as the policy in force says: a copy beside the slots.

The one read that gives a dispatcher all slots gives this row too.
"""

import json

from pipeline_core.domain import canonical
from pipeline_core.domain.dispatch import NO_TEAM_SLOTS, TeamSlots
from pipeline_core.domain.names import TeamName
from pipeline_core.ports import Cell, Row

KEY = "slots-of-teams"  # between `slot:` and `stop:`, so among the rows that a dispatcher reads
_NONE = 0  # no limit


def read(row: Row | None) -> TeamSlots:
    """What a row says; no limits where there is none."""
    if row is None:
        return NO_TEAM_SLOTS
    own = json.loads(str(row.cells["teams"]))
    return TeamSlots(
        revision=int(row.cells["revision"]),
        general=int(row.cells["general"]) or None,
        teams={TeamName(team): most or None for team, most in own.items()},
    )


def cells(slots: TeamSlots) -> dict[str, Cell]:
    """The cells of a row. 200 teams need less than half of what one cell takes."""
    own = {str(team): most or _NONE for team, most in sorted(slots.teams.items(), key=str)}
    return {
        "revision": slots.revision,
        "general": slots.general or _NONE,
        "teams": canonical.compact(own),
    }
