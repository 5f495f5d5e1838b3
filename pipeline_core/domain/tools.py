"""The files of third-party tools, by SHA-256: may a build use one? Pure; deny by default.

A file comes into quarantine by somebody's command, and the factory alone moves it on (ADR 40). This module must not
know where files are kept, or who scans them.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, unique

from pipeline_core.domain.names import Digest


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRecord:
    """What the factory knows about one file. `size` is in bytes, 0 before the file was seen.

    `scanned_by` names the scanner that found nothing, or the setting that took its place; None before. `reason` says
    why the file is not admitted, the cause first; empty where it is. `at` is the time of the last change of the
    state, `looked_at` of the last look, and `by` is who asked to bring the file.
    """

    sha256: Digest
    state: ToolState
    at: datetime
    size: int = 0
    scanned_by: str | None = None
    reason: str = ""
    looked_at: datetime | None = None
    by: str = ""
