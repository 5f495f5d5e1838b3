"""The changes that the recovery log does not hold yet.

A row is written before a change. It is removed when the log has the entry.
"""

from collections.abc import Sequence
from datetime import datetime

from pipeline_core.domain.errors import AlreadyExists, StaleWrite
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.ports import Row, Tables, TableWrite, WriteKind
from pipeline_core.state.index import TABLE
from pipeline_core.state.reading.plain import PlainCodec, time_of
from pipeline_core.state.reading.reader import Reader

PLATFORM = "*platform"  # no image can have this name
POLICY = "*policy"  # no image can have this one either
_APPROVAL, _WAIVERS = "*approval:", "*waivers:"
_PARTITION = "unchronicled"
_LIMIT = 1000


def approval_key(parent: ImageName, team: TeamName) -> str:
    """The subject of an approval."""
    return f"{_APPROVAL}{team}:{parent}"


def waivers_key(image: ImageName) -> str:
    """The subject of the waivers of an image."""
    return f"{_WAIVERS}{image}"


def parse_grant(subject: str) -> tuple[ImageName, TeamName | None] | None:
    """Parent and team of an approval's subject, an image and None of its waivers', or None. Raises InvalidValue."""
    if subject.startswith(_WAIVERS):
        return ImageName(subject.removeprefix(_WAIVERS)), None
    if not subject.startswith(_APPROVAL):
        return None
    team, _, parent = subject.removeprefix(_APPROVAL).partition(":")
    return ImageName(parent), TeamName(team)


def _subject_of(row: Row) -> tuple[str, datetime]:
    if row.key not in (PLATFORM, POLICY) and parse_grant(row.key) is None:
        ImageName(row.key)
    return row.key, time_of(row, "at")


SUBJECTS = PlainCodec("a change that is not logged", _subject_of)


class UnloggedStore:
    """Normally empty. One scan shows this."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def add(self, subject: str, now: datetime) -> None:
        """Note that `subject` (an image's name, PLATFORM, POLICY or a grant's) is about to change. Safe to repeat."""
        row = Row(partition=_PARTITION, key=subject, cells={"at": now.isoformat()})
        try:
            self._tables.write(TABLE, [TableWrite(verb=WriteKind.INSERT, row=row)])
        except AlreadyExists:
            return

    def list(self) -> Sequence[tuple[str, datetime]]:
        """The subjects, each with the time of its note. At most 1,000; rows that cannot be read are passed over."""
        rows = self._tables.scan(TABLE, _PARTITION, limit=_LIMIT)
        return [stored.value for stored in self._reader.many(TABLE, rows, SUBJECTS)]

    def remove(self, subject: str) -> None:
        """Safe to repeat."""
        row = self._tables.find(TABLE, _PARTITION, subject)
        if row is None:
            return
        try:
            self._tables.write(TABLE, [TableWrite(verb=WriteKind.DELETE, row=row)])
        except StaleWrite:
            return
