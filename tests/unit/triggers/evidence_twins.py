"""Twins of what shows evidence: one build with a few files, and two versions that differ in a little of everything."""

import hashlib
from dataclasses import dataclass, field, replace

from pipeline_core.domain.byte_ranges import ByteRange
from pipeline_core.domain.compliance import RuleFinding, Severity
from pipeline_core.domain.differences import (
    AdvisoryNote,
    ChangeKind,
    ComplianceChange,
    PackageChange,
    ScanScore,
)
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.services.views.evidence import KeptFile, Place
from pipeline_core.services.views.views import Compared, EvidenceFile, EvidenceView
from tests.unit.triggers import views

HTML = b"<script>alert(1)</script>"
HTML_DIGEST = hashlib.sha256(HTML).hexdigest()
FILE = EvidenceFile(
    name="report.html.gz",
    stage="verify",
    attempt=1,
    is_last=True,
    sha256=HTML_DIGEST,
    size=len(HTML),
    media_type="application/gzip",
)
LOG = EvidenceFile(
    name="log.txt", stage="build", attempt=1, is_last=False, sha256=None, size=4096, media_type="text/plain"
)
SHOWN = EvidenceView(
    build=views.BUILD_ID,
    image="payments-api",
    version="1.20261121.1",
    gates=(
        Verdict(gate="compliance", passed=False, score=61.5, evidence="scored 61.5 of 90", simulated=True),
    ),
    files=(LOG, FILE),
)
COMPARED = Compared(
    image="payments-api",
    before="1.20261120.1",
    after="1.20261121.1",
    before_build="payments-api.000000000000.1",
    after_build=views.BUILD_ID,
    packages=(
        PackageChange(
            name="bash", arch="x86_64", kind=ChangeKind.UPGRADED, before=("5.1-1",), after=("5.2-1",)
        ),
        PackageChange(name="gpg-pubkey", arch=None, kind=ChangeKind.REMOVED, before=("1-1",), after=()),
    ),
    fixed=(AdvisoryNote(id="RHSA-2026:1", kind="security", severity="important", packages=("bash",)),),
    still_open=None,
    compliance=ComplianceChange(
        before=ScanScore(profile="cis_server_l1", score=90.0),
        after=None,
        newly_failing=(RuleFinding(rule="sshd_x", result="fail", severity=Severity.HIGH, title="Disable X"),),
        no_longer_failing=None,
    ),
    simulated=True,
)


@dataclass
class Files:
    """The one build's."""

    shown: EvidenceView = SHOWN
    kept: KeptFile = field(
        default_factory=lambda: KeptFile(
            name=FILE.name, content=HTML, media_type=FILE.media_type, sha256=HTML_DIGEST
        )
    )
    error: Exception | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def show(self, identity: BuildId) -> EvidenceView:
        self._check(identity)
        return self.shown

    def read(self, identity: BuildId, place: Place, name: str, wanted: ByteRange | None = None) -> KeptFile:
        self._check(identity)
        self.asked.append((str(place), name))
        if wanted is None:
            return self.kept
        part = wanted.within(len(self.kept.content), most=4)
        content = self.kept.content[part.first :][: part.length]
        return replace(self.kept, content=content, first=part.first, size=len(self.kept.content))

    def _check(self, identity: BuildId) -> None:
        if self.error is not None:
            raise self.error
        if str(identity) != views.BUILD_ID:
            raise NotFound(f"there is no build {identity}")


@dataclass
class Versions:
    """Of payments-api."""

    compared: Compared = COMPARED
    asked: list[tuple[str, str]] = field(default_factory=list)

    def diff(self, image: ImageName, before: GalleryVersion, after: GalleryVersion) -> Compared:
        self._check(image)
        self.asked.append((str(before), str(after)))
        return self.compared

    def sbom(self, image: ImageName, version: GalleryVersion, wanted: ByteRange | None = None) -> KeptFile:
        self._check(image)
        self.asked.append(("sbom", str(version)))
        content = b'{"bomFormat": "CycloneDX"}'
        return KeptFile(
            name="sbom.cdx.json",
            content=content,
            media_type="application/vnd.cyclonedx+json",
            sha256=hashlib.sha256(content).hexdigest(),
        )

    def _check(self, image: ImageName) -> None:
        if str(image) != "payments-api":
            raise NotFound(f"no record tells of {image}")
