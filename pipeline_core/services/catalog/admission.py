"""Look at the files of tools, a slice a run: have them judged, and copy those that builds may use.

`domain.tools` decides. A file is copied while it is read and its SHA-256 is counted, so no content is copied that was
not checked, and none is held in memory. A crash between copy and record costs nothing: the copy stands only for
content that was checked, and the next look finds it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline_core.domain import staged_tools, tools
from pipeline_core.domain.errors import AlreadyExists, FactoryError, NotFound, StaleWrite, TransientError
from pipeline_core.domain.names import CampaignId, Digest
from pipeline_core.domain.tools import ScanAnswer, ToolLook, ToolRecord, ToolState, ToolStep
from pipeline_core.ports import BlobFacts, Blobs, Scanner
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

_SLICE = 20  # files of one run
_TIME = timedelta(minutes=2)  # of one run: a copy of 500 MB takes seconds inside a region
_PART = 8 * 1024 * 1024  # bytes in memory at once
_WOKEN = 500  # messages of one run
_PATIENCE = 3  # transient errors of one run: more mean that a service fails, not one file


class _OtherContent(Exception):  # noqa: N818 - what was found; it never leaves this module
    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A quiet run costs two reads: the records, and the platform. A look costs up to five operations and one write.

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
        until, moved, failed = self.effects.clock.now() + _TIME, 0, 0
        let_in: list[Digest] = []
        for count, stored in enumerate(self._due(self.effects.clock.now())[:_SLICE]):
            if count and self.effects.clock.now() >= until:
                break
            try:
                new = self._look_at(stored)
                moved += new is not stored.value.state
                if new is ToolState.ADMITTED and stored.value.state.is_open:
                    let_in.append(stored.value.sha256)
            except FactoryError as error:
                digest = str(stored.value.sha256)
                self.effects.logs.note("tool-look-failed", digest=digest, error=str(error)[:600])
                failed += isinstance(error, TransientError)
                if failed > _PATIENCE:
                    raise
        self._wake(let_in)
        return moved

    def _wake(self, let_in: Sequence[Digest]) -> None:
        """The images that may have waited for these files look again. The sweep does the rest, and what gets lost."""
        platform = self.records.sources.find_platform() if let_in else None
        if platform is None:
            return
        files = set(map(str, let_in))
        ids = {tool for tool, (_, _, sha256) in platform.catalog.items() if sha256 in files}
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

    def _due(self, now: datetime) -> list[Stored[ToolRecord]]:
        """Those that wait for an answer first, the longest unseen first.

        A digest of the catalog in force that has no record is among them: the records were lost, or a release without
        them put the catalog in force.
        """
        found = list(self.records.tools.list())
        known = {stored.value.sha256 for stored in found}
        platform = self.records.sources.find_platform()
        named = set() if platform is None else {Digest(tool[2]) for tool in platform.catalog.values()}
        found += [
            Stored(value=ToolRecord(sha256=digest, state=ToolState.REQUESTED, at=now), etag="")
            for digest in sorted(named - known)
        ]
        due = [stored for stored in found if stored.value.is_due(now)]
        return sorted(due, key=_turn)

    def _look_at(self, stored: Stored[ToolRecord]) -> ToolState:
        """The state after the look; the old one where somebody else was faster."""
        old, now = stored.value, self.effects.clock.now()
        look = self._see(old.sha256)
        new, step = tools.judge(old, look, now)
        if step is ToolStep.CHECK and look.scan is not None:
            new = self._copied(new, look.scan, now)
        try:
            self.records.tools.save(new, etag=stored.etag or None)
        except (AlreadyExists, StaleWrite):  # another run, or SecOps, was faster: the next look sees what it did
            return old.state
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

    def _copied(self, record: ToolRecord, scan: ScanAnswer, now: datetime) -> ToolRecord:
        digest = str(record.sha256)
        try:
            self.blobs.create_from(
                tools.SERVED, digest, self._checked_parts(record), media_type="application/octet-stream"
            )
        except _OtherContent as error:
            return tools.of_other_content(record, error.found, now)
        except AlreadyExists:
            pass  # another run made it, of the same content
        return tools.admitted(record, scan, now)

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
            raise NotFound(f"the file {record.sha256} changed while it was read: {counted} of {record.size} bytes")

    def _take_back(self, digest: Digest) -> None:
        facts = self.blobs.find_facts(tools.SERVED, str(digest))
        if facts is not None:
            self.blobs.delete(tools.SERVED, str(digest), etag=facts.etag)


def _turn(stored: Stored[ToolRecord]) -> tuple[bool, str, str]:
    record = stored.value
    seen = "" if record.looked_at is None else record.looked_at.isoformat()
    return not record.state.is_open, seen, str(record.sha256)


def _size(facts: BlobFacts | None) -> int | None:
    return None if facts is None else facts.size
