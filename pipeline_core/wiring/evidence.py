"""Put together what shows evidence: the files of a build, and what differs between two versions."""

from dataclasses import dataclass

from pipeline_core.ports import Blobs, Logs
from pipeline_core.services.views.diff import Comparing
from pipeline_core.services.views.evidence import Evidence
from pipeline_core.state.images import ImageStore


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceParts:
    """`files` of builds, and `versions` by what they contain."""

    files: Evidence
    versions: Comparing


def evidence_of(images: ImageStore, blobs: Blobs, logs: Logs) -> EvidenceParts:
    """Both, over the same records."""
    files = Evidence(images=images, blobs=blobs, logs=logs)
    return EvidenceParts(files=files, versions=Comparing(images=images, evidence=files))
