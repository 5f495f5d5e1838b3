"""Move the history far behind what is shown from the tables to blobs, a slice a run. Nothing that is needed goes.

Journal lines and copies of builds are only read, so all old ones may go. A build's own row stays while a claim or a
version may still ask for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from pipeline_core.domain import rounds
from pipeline_core.domain.builds import Build, Result
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import AlreadyExists, StaleWrite, UnreadableRow
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.domain.rounds import Round
from pipeline_core.domain.version_records import Standing
from pipeline_core.ports import Row
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.state.stores import Records

ROUND = "archive"
_EVERY = timedelta(hours=20)
_NAMES = 500  # images of one slice
_TIME = timedelta(minutes=2)  # of one slice, which follows a slice of retention in one function
_OVER = frozenset({Outcome.FAILED, Outcome.CANCELLED, Outcome.SUPERSEDED, Outcome.PRUNED})


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRule:
    """What stays in the tables: the newest of each image, and all that is younger than `age`."""

    lines: int = 1000  # of the journal
    builds: int = 200
    age: timedelta = timedelta(days=90)  # for builds, since their creation
    chunks: int = 40  # of one slice, those of builds included


@dataclass(slots=True, kw_only=True)
class _ArchiveSlice:
    until: datetime
    before: datetime
    chunks: int
    after: str = ""
    is_over: bool = False
    moved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Archiver:
    """A quiet image costs two reads and its head in one round; a quiet run costs one read."""

    records: Records
    effects: Effects
    rule: ArchiveRule = field(default_factory=ArchiveRule)

    def archive(self) -> int:
        """The number of rows that the slice moved. An image that fails is skipped, and comes in the next round.

        Raises TransientError after too many transient errors; the next slice goes on behind the last image.
        """
        now = self.effects.clock.now()
        last = self.records.rounds.find(ROUND)
        current = rounds.resume(None if last is None else last.value, now, _EVERY)
        if current is None:
            return 0
        run = _ArchiveSlice(
            until=now + _TIME, before=now - self.rule.age, chunks=self.rule.chunks, after=current.after
        )
        try:
            self._look_at_all(run)
        finally:
            etag = None if last is None else last.etag
            self._save(rounds.advance(current, run.after, is_over=run.is_over), etag)
        if run.moved:
            self.effects.logs.note("history-archived", rows=run.moved, subject=run.after)
        return run.moved

    def _save(self, current: Round, etag: str | None) -> None:
        try:
            self.records.rounds.save(ROUND, current, etag=etag)
        except (AlreadyExists, StaleWrite):  # another slice ran at the same time, and its place is as good
            self.effects.logs.note("archive-raced", subject=current.after)

    def _look_at_all(self, run: _ArchiveSlice) -> None:
        bulkhead = Bulkhead(logs=self.effects.logs, clock=self.effects.clock, event="archive-failed")
        names = self.records.fleet.names(after=run.after, limit=_NAMES)
        for name in names:
            if self.effects.clock.now() >= run.until or run.chunks <= 0:
                return
            bulkhead.run(name, partial(self._look_at, ImageName(name), run))
            if run.chunks > 0:  # else the next slice goes on with this image
                run.after = name
        run.is_over = len(names) < _NAMES and run.chunks > 0

    def _look_at(self, name: ImageName, run: _ArchiveSlice) -> bool:
        lines = self.records.archive.old_lines(name, before=run.before, kept=self.rule.lines, most=run.chunks)
        for chunk in lines:
            self.records.archive.move_lines(name, chunk)
            self._count(run, chunk)
        if run.chunks <= 0:
            return True
        builds = self.records.archive.old_builds(
            name, before=run.before, kept=self.rule.builds, most=run.chunks
        )
        head = self.records.images.find_head(name) if builds else None
        for chunk in builds:
            made = [self.records.archive.build_of(row) for row in chunk]
            unneeded = [
                build.id for build in made if head is not None and self._is_unneeded(build, head.value)
            ]
            self.records.archive.move_builds(name, chunk, unneeded)
            self._count(run, chunk)
        return True

    def _count(self, run: _ArchiveSlice, chunk: Sequence[Row]) -> None:
        run.chunks -= 1
        run.moved += len(chunk)

    def _is_unneeded(self, build: Build, head: ImageHead) -> bool:
        """True where no claim, no version and no head may ask for the build's own row. Two reads at most."""
        try:
            return (
                build.id not in _named_by(head)
                and not self._has_version(build)
                and not self._has_claim(build)
            )
        except UnreadableRow:
            return False

    def _has_version(self, build: Build) -> bool:
        if build.result is not Result.SUCCEEDED or build.version is None:
            return False
        record = self.records.versions.find(build.image, build.version)
        return record is None or record.value.standing is not Standing.PRUNED

    def _has_claim(self, build: Build) -> bool:
        claim = self.records.images.find_claim(build.image, build.fingerprint)
        return claim is not None and claim.value.build == build.id and claim.value.outcome not in _OVER


def _named_by(head: ImageHead) -> set[BuildId]:
    running = set() if head.active is None else {head.active.build}
    return running if head.current is None else {*running, head.current.build}
