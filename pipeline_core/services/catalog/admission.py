"""Look at the files of tools, a slice a run: have them judged, and copy those that builds may use.

`domain.tools` decides. A file is copied while it is read and its SHA-256 is counted, so no content is copied that was
not checked, and none is held in memory. A crash between copy and record costs nothing: the copy stands only for
content that was checked, and the next look finds it.
"""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline_core.domain import rounds, staged_tools, tools
from pipeline_core.domain.errors import (
    AlreadyExists,
    FactoryError,
    NotFound,
    PermanentError,
    StaleWrite,
    TransientError,
)
from pipeline_core.domain.names import CampaignId, Digest
from pipeline_core.domain.tools import ScanAnswer, ToolLook, ToolRecord, ToolState, ToolStep
from pipeline_core.ports import BlobFacts, Blobs, Scanner
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

ROUND = "tools"
_EVERY = timedelta(hours=6)  # between two rounds over the admitted and refused files
_SLICE = 200  # open files of one run: as many as a catalog has entries
_AGAIN = 50  # such files of one run
_TIME = timedelta(minutes=2)  # of one run: a copy of 500 MB takes seconds inside a region
_PART = 8 * 1024 * 1024  # bytes in memory at once
_WOKEN = 500  # messages of one run
_PATIENCE = 3  # transient errors of one run: more mean that a service fails, not one file


@dataclass(slots=True, kw_only=True)
class _Run:
    until: datetime
    moved: int = 0
    failed: int = 0
    let_in: list[Digest] = field(default_factory=list)


class _OtherContent(Exception):
    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAdmission:
    """A quiet run costs three reads: the records, the platform and the last round. A look costs three operations, and a
    write where something is new.

    Nobody else writes the container of served files.
    """

    records: Records
    effects: Effects
    blobs: Blobs
    scanner: Scanner

    def look(self) -> int:
        """How many files have another state now. One that fails is skipped, logged, and comes again.

        Raises TransientError after too many transient errors.
        """
        now = self.effects.clock.now()
        found = list(self.records.tools.list())
        run = _Run(until=now + _TIME)
        try:
            self._look_at_all([*self._open(found, now)][:_SLICE], run)
            self._check_again([each for each in found if not each.value.state.is_open], run, now)
        finally:
            self._wake(run.let_in)
        return run.moved

    def _open(self, found: Sequence[Stored[ToolRecord]], now: datetime) -> Iterator[Stored[ToolRecord]]:
        """What waits for an answer, the newest first: of thousands, those that somebody has just brought.

        A digest of the catalog in force, or of the one on trial, that has no record is among them: the records were
        lost, or a release without them put the catalog in force.
        """
        known = {stored.value.sha256 for stored in found}
        platform = self.records.sources.find_platform()
        named = set() if platform is None else {Digest(tool[2]) for tool in platform.tools}
        for digest in sorted(named - known):
            yield Stored(value=ToolRecord(sha256=digest, state=ToolState.REQUESTED, at=now), etag="")
        waiting = [stored for stored in found if stored.value.state.is_open]
        yield from sorted(waiting, key=lambda stored: stored.value.at, reverse=True)

    def _check_again(self, settled: Sequence[Stored[ToolRecord]], run: "_Run", now: datetime) -> None:
        """Ask again about a slice of the settled files, each once in a round; a round begins every six hours.

        The refused ones are among them: a copy that could not be deleted then is deleted now.
        """
        last = self.records.rounds.find(ROUND) if settled else None
        current = rounds.resume(None if last is None else last.value, now, _EVERY) if settled else None
        if current is None:
            return
        left = [each for each in settled if str(each.value.sha256) > current.after]
        done = self._look_at_all(left[:_AGAIN], run)
        after = str(left[done - 1].value.sha256) if done else current.after
        advanced = rounds.advance(current, after, is_over=done == len(left))
        with contextlib.suppress(AlreadyExists, StaleWrite):  # another run's place is as good
            self.records.rounds.save(ROUND, advanced, etag=None if last is None else last.etag)

    def _look_at_all(self, files: Sequence[Stored[ToolRecord]], run: "_Run") -> int:
        """How many were looked at: one at least, and all unless the time of the run is over."""
        for count, stored in enumerate(files):
            if count and self.effects.clock.now() >= run.until:
                return count
            try:
                new = self._look_at(stored)
            except FactoryError as error:
                digest = str(stored.value.sha256)
                self.effects.logs.note("tool-look-failed", digest=digest, error=str(error)[:600])
                if isinstance(error, PermanentError):
                    self._tell(stored, error)
                run.failed += isinstance(error, TransientError)
                if run.failed > _PATIENCE:
                    raise
                continue
            run.moved += new is not stored.value.state
            if new is ToolState.ADMITTED and stored.value.state.is_open:
                run.let_in.append(stored.value.sha256)
        return len(files)

    def _tell(self, stored: Stored[ToolRecord], error: PermanentError) -> None:
        """Let the list say why a file stays where it is: only a person ends such an error."""
        told = tools.unlooked(stored.value, f"{error.error_class.value}: {error}")
        if told != stored.value:
            with contextlib.suppress(AlreadyExists, StaleWrite):  # another run, or SecOps, was faster
                self.records.tools.save(told, etag=stored.etag or None)

    def _wake(self, let_in: Sequence[Digest]) -> None:
        """The images that may have waited for these files look again. The sweep does the rest, and what gets lost."""
        platform = self.records.sources.find_platform() if let_in else None
        if platform is None:
            return
        files = set(map(str, let_in))
        ids = {tool for tool, _, sha256 in platform.tools if sha256 in files}
        for_bases = bool(ids & {staged_tools.GUIDE, *staged_tools.GOSS.values()})
        woken = 0
        for head in self.records.index.heads() if ids else ():
            is_concerned = ids & set(head.registration.catalog) or (
                for_bases and head.registration.parent is None
            )
            if is_concerned and woken < _WOKEN:
                woken += 1
                campaign = CampaignId(f"tool-{str(let_in[0])[:12]}")
                self.effects.outbox.rebuild(head.name, "tool-admitted", campaign)

    def _look_at(self, stored: Stored[ToolRecord]) -> ToolState:
        """The state after the look; the old one where somebody else was faster."""
        old, now = stored.value, self.effects.clock.now()
        look = self._see(old.sha256)
        new, step = tools.judge(old, look, now)
        if step is ToolStep.CHECK:
            new, step = self._copy(new, now)
        if new == old and stored.etag:
            if step is ToolStep.TAKE_BACK:
                self._take_back(new.sha256)
            return old.state
        try:
            self.records.tools.save(new, etag=stored.etag or None)
        except (
            AlreadyExists,
            StaleWrite,
        ):  # another run, or SecOps, was faster: the next look sees what it did
            return old.state
        if not stored.etag:  # the catalog in force names a file that nobody has brought
            self.effects.logs.note("tool-missing", digest=str(new.sha256), state=new.state.value)
        if new.state is old.state:
            return old.state
        self.effects.logs.note(
            f"tool-{new.state.value}",
            digest=str(new.sha256),
            reason=new.reason,
            scanned_by=new.scanned_by or "",
        )
        if step is ToolStep.TAKE_BACK:
            self._take_back(new.sha256)
        return new.state

    def _see(self, digest: Digest) -> ToolLook:
        served = self.blobs.find_facts(tools.SERVED, str(digest))
        quarantined = None if served else self.blobs.find_facts(tools.QUARANTINE, str(digest))
        scan: ScanAnswer | None = None
        if served is not None or quarantined is not None:
            try:
                scan = self.scanner.ask(tools.SERVED if served else tools.QUARANTINE, str(digest))
            except NotFound:  # gone in between
                return ToolLook(quarantined=None, served=None, scan=None)
        return ToolLook(quarantined=_size(quarantined), served=_size(served), scan=scan)

    def _copy(self, record: ToolRecord, now: datetime) -> tuple[ToolRecord, ToolStep]:
        """Copy the content while it is checked. Then the scan of the copy decides: nobody else can have written it."""
        try:
            self.blobs.create_from(
                tools.SERVED,
                str(record.sha256),
                self._checked_parts(record),
                media_type="application/octet-stream",
            )
        except _OtherContent as error:
            return tools.of_other_content(record, error.found, now), ToolStep.REST
        except AlreadyExists:
            pass  # another run made it, of the same content
        return tools.judge(record, self._see(record.sha256), now)

    def _checked_parts(self, record: ToolRecord) -> Iterator[bytes]:
        """The content in parts. It raises before it gives the last part where the SHA-256 is another one."""
        digest, counted, first = hashlib.sha256(), 0, 0
        while counted < record.size:
            part = self.blobs.read_part(tools.QUARANTINE, str(record.sha256), first=first, length=_PART)
            if not part:
                break
            digest.update(part)
            counted, first = counted + len(part), first + len(part)
            if counted >= record.size and digest.hexdigest() != str(record.sha256):
                raise _OtherContent(digest.hexdigest())
            yield part
        if counted != record.size:
            raise NotFound(
                f"the file {record.sha256} changed while it was read: {counted} of {record.size} bytes"
            )

    def _take_back(self, digest: Digest) -> None:
        facts = self.blobs.find_facts(tools.SERVED, str(digest))
        if facts is not None:
            self.blobs.delete(tools.SERVED, str(digest), etag=facts.etag)


def _size(facts: BlobFacts | None) -> int | None:
    return None if facts is None else facts.size
