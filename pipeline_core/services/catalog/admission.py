"""Look at the files of tools, a slice a run: have them judged, and copy those that builds may use.

`domain.tools` decides. A file is copied while it is read and its SHA-256 is counted, so no content is copied that was
not checked, and none is held in memory. A crash between copy and record costs nothing: the copy stands only for
content that was checked, and the next look finds it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline_core.domain import tools
from pipeline_core.domain.errors import AlreadyExists, FactoryError, NotFound, StaleWrite, TransientError
from pipeline_core.domain.names import Digest
from pipeline_core.domain.tools import ScanAnswer, ToolLook, ToolRecord, ToolState, ToolStep
from pipeline_core.ports import BlobFacts, Blobs, Clock, Logs, Scanner
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

_SLICE = 20  # files of one run
_TIME = timedelta(minutes=2)  # of one run: a copy of 500 MB takes seconds inside a region
_PART = 8 * 1024 * 1024  # bytes in memory at once
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
    blobs: Blobs
    scanner: Scanner
    clock: Clock
    logs: Logs

    def look(self) -> int:
        """How many files have another state now. One that fails is skipped, logged, and comes again.

        Raises TransientError after too many transient errors.
        """
        until, moved, failed = self.clock.now() + _TIME, 0, 0
        for count, stored in enumerate(self._due(self.clock.now())[:_SLICE]):
            if count and self.clock.now() >= until:
                break
            try:
                moved += self._look_at(stored)
            except FactoryError as error:
                digest = str(stored.value.sha256)
                self.logs.note("tool-look-failed", digest=digest, error=str(error)[:600])
                failed += isinstance(error, TransientError)
                if failed > _PATIENCE:
                    raise
        return moved

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

    def _look_at(self, stored: Stored[ToolRecord]) -> bool:
        old, now = stored.value, self.clock.now()
        look = self._see(old.sha256)
        new, step = tools.judge(old, look, now)
        if step is ToolStep.CHECK and look.scan is not None:
            new = self._copied(new, look.scan, now)
        try:
            self.records.tools.save(new, etag=stored.etag or None)
        except (AlreadyExists, StaleWrite):  # another run, or SecOps, was faster: the next look sees what it did
            return False
        if new.state is old.state:
            return False
        self.logs.note(
            f"tool-{new.state.value}",
            digest=str(new.sha256),
            reason=new.reason,
            scanned_by=new.scanned_by or "",
        )
        if step is ToolStep.TAKE_BACK:
            self._take_back(new.sha256)
        return True

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
