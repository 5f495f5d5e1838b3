"""The files of third-party tools, by SHA-256: may a build use one? Pure; deny by default.

A file comes into quarantine by somebody's command, and the factory alone moves it on (ADR 40). This module must not
know where files are kept, or who scans them.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, unique

from pipeline_core.domain import blob_rights
from pipeline_core.domain.names import Digest

QUARANTINE = "catalog-quarantine"  # the container of files that nobody has checked
SERVED = blob_rights.CATALOG
SIZE_LIMIT = (
    2_000_000_000  # bytes: the largest file of which every release of Defender for Storage says a result
)
NOT_SCANNED = "not scanned by the factory"  # `scanned_by` where the settings say that another place scans
_REASON = 500  # characters of a reason: a scanner's words may be long


@unique
class ToolState(Enum):
    """How far a file has come."""

    REQUESTED = "requested"  # somebody asked to bring it: the factory has not seen the file, or has lost it
    QUARANTINED = "quarantined"  # the file is in quarantine: not checked yet, or no scanner has an answer
    ADMITTED = "admitted"  # checked, scanned and copied: builds may use it
    REFUSED = "refused"  # another content, or a finding of the scanner: so until SecOps remove the record

    @property
    def is_open(self) -> bool:
        """True where the next look may bring another state."""
        return self in (ToolState.REQUESTED, ToolState.QUARANTINED)


@unique
class ScanResult(Enum):
    """What a scanner says about one stored file."""

    CLEAN = "clean"  # it scanned the file and found nothing
    FOUND = "found"  # it found something
    UNKNOWN = "unknown"  # not yet, not any more, or it could not: never a yes
    ELSEWHERE = "elsewhere"  # the settings say that another place scans: nobody was asked here

    @property
    def lets_in(self) -> bool:
        """True where the file may go on to the check of its content."""
        return self in (ScanResult.CLEAN, ScanResult.ELSEWHERE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanAnswer:
    """An answer, with the scanner's name and its own words."""

    result: ScanResult
    scanner: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRecord:
    """What the factory knows about one file. `size` is in bytes, 0 before the file was seen.

    `scanned_by` names the scanner that found nothing, or the setting that took its place; None before. `reason` says
    why the file is not admitted, the cause first; empty where it is. `at` is the time of the last change of the
    state, and `by` is who asked to bring the file.
    """

    sha256: Digest
    state: ToolState
    at: datetime
    size: int = 0
    scanned_by: str | None = None
    reason: str = ""
    by: str = ""

    def moved(self, state: ToolState, now: datetime, reason: str = "") -> "ToolRecord":
        """The record after a look at `now`. A look that sees the same changes nothing."""
        at = self.at if state is self.state else now
        return replace(self, state=state, reason=reason[:_REASON], at=at)


@unique
class ToolStep(Enum):
    """What the factory does with a file after a look."""

    REST = "rest"  # nothing: the record says the rest
    CHECK = "check"  # read the whole content, and copy it while it is read
    TAKE_BACK = "take-back"  # delete the copy that builds may use


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLook:
    """What one look saw. A size is None where there is no such blob.

    `scan` is about the served copy where there is one; None where nothing was there to ask about.
    """

    quarantined: int | None
    served: int | None
    scan: ScanAnswer | None


def judge(record: ToolRecord, look: ToolLook, now: datetime) -> tuple[ToolRecord, ToolStep]:
    """The record after the look, and what is to be done. Only a copy that the factory made is ever admitted."""
    if record.state is ToolState.REFUSED:  # its copy may be there still, where it could not be deleted
        return record, ToolStep.REST if look.served is None else ToolStep.TAKE_BACK
    if look.served is None and look.quarantined is None:
        lost = "its file is not in storage: bring it with `imagefactory catalog submit`"
        return record.moved(ToolState.REQUESTED, now, lost), ToolStep.REST
    scan = look.scan
    if scan is not None and scan.result is ScanResult.FOUND:
        refused = record.moved(ToolState.REFUSED, now, _said(scan, "found something"))
        return refused, ToolStep.REST if look.served is None else ToolStep.TAKE_BACK
    if look.served is not None:
        return _of_served(record, look.served, scan, now)
    size = look.quarantined or 0
    if not 0 < size <= SIZE_LIMIT:
        wrong = f"the file has {size} bytes, 1 to {SIZE_LIMIT} are allowed"
        return replace(record.moved(ToolState.REFUSED, now, wrong), size=size), ToolStep.REST
    waiting = replace(record, size=size)
    if scan is None or not scan.result.lets_in:
        why = "no scanner has an answer yet" if scan is None else _said(scan, "has no answer yet")
        return waiting.moved(ToolState.QUARANTINED, now, why), ToolStep.REST
    return waiting.moved(ToolState.QUARANTINED, now, "its content is not checked yet"), ToolStep.CHECK


def _of_served(
    record: ToolRecord, size: int, scan: ScanAnswer | None, now: datetime
) -> tuple[ToolRecord, ToolStep]:
    """The factory made the copy after its check, so only the scan of the copy is open."""
    if record.state is ToolState.ADMITTED:  # a scan that is unknown by now takes nothing back
        return record.moved(ToolState.ADMITTED, now), ToolStep.REST
    if scan is None or not scan.result.lets_in:
        why = "no scanner has an answer yet" if scan is None else _said(scan, "has no answer yet")
        return replace(record, size=size).moved(ToolState.QUARANTINED, now, why), ToolStep.REST
    by = NOT_SCANNED if scan.result is ScanResult.ELSEWHERE else scan.scanner
    return replace(record.moved(ToolState.ADMITTED, now), size=size, scanned_by=by), ToolStep.REST


def unlooked(record: ToolRecord, why: str) -> ToolRecord:
    """The record of an open file that could not be looked at. The reason stays as long as it is of the same kind.

    `why` begins with its kind and a colon; what follows may differ in each look.
    """
    reason = f"the look failed, {why}"[:_REASON]
    is_known = record.reason.partition(":")[0] == reason.partition(":")[0]
    return record if is_known or not record.state.is_open else replace(record, reason=reason)


def of_other_content(record: ToolRecord, found: str, now: datetime) -> ToolRecord:
    """The record of a file whose content has another SHA-256: `found`."""
    return record.moved(ToolState.REFUSED, now, f"the file's SHA-256 is {found}, not its name")


def _said(scan: ScanAnswer, otherwise: str) -> str:
    return f"{scan.scanner}: {scan.detail or otherwise}"
