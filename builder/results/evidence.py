"""Writes a run's files of evidence to the attempt's folder, and lists them for the report. Judges nothing."""

import hashlib

from builder.ports import Blobs
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, PermanentError
from pipeline_core.wire.report import ReportedEvidence

_TYPES = (
    (".cdx.json", "application/vnd.cyclonedx+json"),
    (".json", "application/json"),
    (".gz", "application/gzip"),
)


class EvidenceFolder:
    """The files that were kept so far."""

    def __init__(self, blobs: Blobs, place: str) -> None:
        self._blobs = blobs
        self._place = place
        self._kept: list[ReportedEvidence] = []

    @property
    def listed(self) -> tuple[ReportedEvidence, ...]:
        """By name."""
        return tuple(sorted(self._kept, key=lambda each: each.name))

    def keep(self, name: str, content: bytes) -> None:
        """Write a file beside the report, once."""
        media_type = next((kind for end, kind in _TYPES if name.endswith(end)), "application/octet-stream")
        try:
            self._blobs.create("builds", f"{self._place}/{name}", content, media_type=media_type)
        except AlreadyExists as error:
            text = f"{self._place}/{name} was written by another writer"
            raise PermanentError(ErrorClass.TEMPLATE, text) from error
        digest = hashlib.sha256(content).hexdigest()
        self._kept.append(
            ReportedEvidence(name=name, sha256=digest, size=len(content), media_type=media_type)
        )
