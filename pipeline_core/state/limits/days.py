"""What each team has used on one day: one row of the index for each team. A row is written over."""

from pipeline_core.domain.day_use import DayUse
from pipeline_core.domain.names import TeamName
from pipeline_core.ports import Tables
from pipeline_core.state.index import TABLE
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored

_PARTITION = "days"
DAYS = Codec(DayUse)


class DayStore:
    """Point reads and conditional writes."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def find(self, team: TeamName) -> Stored[DayUse] | None:
        """The newest day of a team, or None before the first count."""
        return self._reader.found(TABLE, self._tables.find(TABLE, _PARTITION, str(team)), DAYS)

    def save(self, team: TeamName, use: DayUse, *, etag: str | None) -> None:
        """Insert (`etag` None) or replace. Raises AlreadyExists or StaleWrite."""
        self._tables.write(TABLE, [DAYS.write(_PARTITION, str(team), use, etag=etag)])
