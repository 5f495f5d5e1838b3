"""SecOps bring a file: they get an address to write the one blob once, see what became of it, and may remove it.

The content never passes through the factory's API. Nothing that is brought is used before `admission` has looked.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline_core.deployment import Deployment
from pipeline_core.domain import access, tools
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.blob_rights import BlobPlace, BlobRight
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, StaleWrite
from pipeline_core.domain.names import Digest
from pipeline_core.domain.tools import ToolRecord, ToolState
from pipeline_core.ports import Blobs, Clock, Logs, Principal
from pipeline_core.state.concurrency import RACED, changing
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

_LIFE = timedelta(hours=2)  # of an address: 500 MB at 1 Mbit/s need 67 minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOffer:
    """The record, and the address that takes the file until `until`; None where the factory needs no upload.

    The address is a secret: it holds a signature.
    """

    record: ToolRecord
    address: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEntry:
    """One digest of a list: its record, or None, and the tools of the catalog in force that name it."""

    sha256: Digest
    record: ToolRecord | None
    named_by: tuple[str, ...]

    @property
    def is_missing(self) -> bool:
        """True where builds wait for it."""
        is_admitted = self.record is not None and self.record.state is ToolState.ADMITTED
        return bool(self.named_by) and not is_admitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Submissions:
    """An offer costs two reads, a write where nobody had asked before, and a signature."""

    records: Records
    blobs: Blobs
    clock: Clock
    logs: Logs
    deployment: Deployment

    def offer(self, digest: Digest, principal: Principal) -> UploadOffer:
        """Ask to bring a file. Safe to repeat. Raises PermanentError: PERMISSION, or CONFLICT for a refused file."""
        access.demand(ApiOperation.SUBMIT_TOOL, principal)

        def keep(stored: Stored[ToolRecord] | None) -> ToolRecord:
            if stored is not None:
                return stored.value
            record = ToolRecord(
                sha256=digest,
                state=ToolState.REQUESTED,
                at=self.clock.now(),
                by=principal.actor.identity or "",
                reason="its file was not brought yet",
            )
            self.records.tools.save(record, etag=None)
            return record

        record = changing(
            lambda: self.records.tools.find(digest), keep, subject=f"the file {digest}", lost=RACED
        )
        if record.state is ToolState.REFUSED:
            raise PermanentError(
                ErrorClass.CONFLICT,
                f"{digest} is refused: {record.reason}; SecOps remove the record with"
                f" `imagefactory catalog remove {digest} --reason TEXT` before it can be brought again",
            )
        is_there = self.blobs.find_facts(tools.QUARANTINE, str(digest)) is not None
        if record.state is ToolState.REQUESTED and is_there:  # the next look writes it
            return UploadOffer(record=replace(record, reason="it was brought, and not looked at yet"))
        if record.state is ToolState.ADMITTED or is_there:
            return UploadOffer(record=record)
        return self._address(record)

    def remove(self, digest: Digest, principal: Principal, reason: str) -> None:
        """Forget a file, and delete what was brought and copied. Raises NotFound, PermanentError.

        An admitted one must be named by no catalog that is in force or on trial: builds need it. The record goes first,
        by its ETag: a look that has just admitted the file keeps both. Safe to repeat where this ended between the
        record and the files. A record that cannot be read admits nothing, and goes too.
        """
        access.demand(ApiOperation.REMOVE_TOOL, principal)
        why = access.demand_reason(reason, "the log of the factory")
        etag = self.records.tools.find_etag(digest)
        state = self.records.tools.state_of(digest)
        if state is ToolState.ADMITTED and (names := self._names_of(digest)):
            raise PermanentError(
                ErrorClass.CONFLICT,
                f"{digest} is admitted, and the catalog in force or on trial names it as {', '.join(names)}: register"
                " a catalog without it first",
            )
        files = [
            (container, facts)
            for container in (tools.SERVED, tools.QUARANTINE)
            if (facts := self.blobs.find_facts(container, str(digest))) is not None
        ]
        if etag is None and not files:
            raise NotFound(
                f"nobody has asked to bring {digest}; GET /api/platform/tools lists what was asked for"
            )
        if etag is not None:
            self._forget(digest, etag)
        for container, facts in files:
            with contextlib.suppress(StaleWrite):  # another removal was faster, or it is being brought again
                self.blobs.delete(container, str(digest), etag=facts.etag)
        self.logs.note(
            "tool-removed",
            digest=str(digest),
            state="unknown" if state is None else state.value,
            actor=principal.actor.identity,
            why=why,
        )

    def list(self) -> Sequence[ToolEntry]:
        """Every file that was asked for or that the catalog in force or on trial names, by SHA-256. Two reads."""
        records = {stored.value.sha256: stored.value for stored in self.records.tools.list()}
        platform = self.records.sources.find_platform()
        named: dict[Digest, list[str]] = {}
        for tool, version, sha256 in () if platform is None else platform.tools:
            named.setdefault(Digest(sha256), []).append(f"{tool} {version}")
        return [
            ToolEntry(
                sha256=digest, record=records.get(digest), named_by=tuple(sorted(named.get(digest, ())))
            )
            for digest in sorted({*records, *named})
        ]

    def _names_of(self, digest: Digest) -> tuple[str, ...]:
        platform = self.records.sources.find_platform()
        named = () if platform is None else platform.tools
        found = (f"{tool} {version}" for tool, version, sha256 in named if sha256 == str(digest))
        return tuple(sorted(found))

    def _address(self, record: ToolRecord) -> UploadOffer:
        now = self.clock.now()
        place = BlobPlace(container=tools.QUARANTINE, name=str(record.sha256))
        # CREATE alone: no read, no second write, and no tag, so nobody who uploads can forge a scanner's result.
        token = self.blobs.delegate({place: frozenset({BlobRight.CREATE})}, now=now, until=now + _LIFE)
        query = "&".join(part for part in (token.shared, token.own[place]) if part)
        address = f"{self.deployment.blob_endpoint}/{place}?{query}"
        return UploadOffer(record=record, address=address, until=token.until)

    def _forget(self, digest: Digest, etag: str) -> None:
        try:
            self.records.tools.delete(digest, etag=etag)
        except StaleWrite as error:
            raise PermanentError(
                ErrorClass.CONFLICT, f"{digest} was looked at just now: look at it, and try again"
            ) from error
