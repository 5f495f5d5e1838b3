"""Approvals of parents: one row for each team and parent, in the index's partition `approvals`, by team."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline_core.domain.approvals import Approval
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.ports import Tables
from pipeline_core.state import index
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored
from pipeline_core.state.rows import behind, scan

PARTITION = "approvals"
APPROVALS = Codec(Approval)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPage:
    """Approvals by team and parent. `after` is the cursor of the next page, None at the end."""

    approvals: tuple[Approval, ...]
    after: str | None


class ApprovalStore:
    """Point reads and writes, and pages of the one partition."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def find(self, parent: ImageName, team: TeamName) -> Stored[Approval] | None:
        """The record of one parent and one team, or None. Raises UnreadableRow."""
        row = self._tables.find(index.TABLE, PARTITION, _key(parent, team))
        return self._reader.found(index.TABLE, row, APPROVALS)

    def save(self, approval: Approval, *, etag: str | None) -> None:
        """Insert (`etag` None) or replace. Raises AlreadyExists or StaleWrite where another writer was faster."""
        key = _key(approval.parent, approval.team)
        self._tables.write(index.TABLE, [APPROVALS.write(PARTITION, key, approval, etag=etag)])

    def page(self, *, team: TeamName | None = None, after: str = "", limit: int) -> ApprovalPage:
        """The next `limit` approvals after the key `after`, of all teams or of one."""
        rows = self._tables.scan(
            index.TABLE, PARTITION, first=behind(after) or _first(team), last=_last(team), limit=limit
        )
        read = self._reader.many(index.TABLE, rows, APPROVALS)
        return ApprovalPage(
            approvals=tuple(stored.value for stored in read),
            after=rows[-1].key if len(rows) == limit else None,
        )

    def of_team(self, team: TeamName) -> Mapping[ImageName, Approval]:
        """Every approval of one team by parent. Costs a read for each 1,000."""
        rows = scan(self._tables, index.TABLE, PARTITION, first=_first(team), last=_last(team))
        read = self._reader.many(index.TABLE, rows, APPROVALS)
        return {stored.value.parent: stored.value for stored in read}


def _first(team: TeamName | None) -> str:
    return "" if team is None else f"{team}:"


def _last(team: TeamName | None) -> str:
    return "" if team is None else f"{team};"


def _key(parent: ImageName, team: TeamName) -> str:
    return f"{team}:{parent}"
