"""Sign a statement about a version, store it by its digest, and compare versions with their statements.

A version is proven only by both: a signature by a key that the keeper of the keys trusts, and a statement about
this very version. If something cannot be looked up (the key vault refuses, the store is down), the answer is
unknown, and the call raises that error.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pipeline_core.deployment import Deployment
from pipeline_core.domain import attempts, proofs
from pipeline_core.domain.builds import Build
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    InvalidValue,
    MalformedMessage,
    NotFound,
    NotProven,
    PermanentError,
)
from pipeline_core.domain.names import Digest, GalleryName
from pipeline_core.domain.proofs import Proof, ProofCheck, PublicationRecord, VersionFacts, VersionInGallery
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.ports import Blobs, GalleryImageVersion, Signer
from pipeline_core.services.effects import latest
from pipeline_core.services.provenance import statements
from pipeline_core.services.provenance.publications import Publications
from pipeline_core.services.provenance.statements import StatementFacts
from pipeline_core.state.catalog.tools import ToolStore
from pipeline_core.state.images import ImageStore
from pipeline_core.wire import provenance as wire
from pipeline_core.wire.report import REPORT_LIMIT, BuildReport, ReportedEvidence, digests_of

_CONTAINER = "provenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Writes three blobs per build. Whether a version is ours costs two reads, with keys at most minutes old."""

    blobs: Blobs
    images: ImageStore
    tools: ToolStore
    signer: Signer
    deployment: Deployment
    publications: Publications

    def store(self, build: Build, verdicts: tuple[Verdict, ...], report: BuildReport) -> Digest:
        """The digest of the signed statement about this build's version. The same build gives the same digest.

        After a kill in between, the next call signs again. The first signature is the one that stays.
        """
        content = statements.render(build, verdicts, report, self._statement_facts(build))
        if len(content) > wire.STATEMENT_LIMIT:
            text = (
                f"the provenance of {build.id} has {len(content)} bytes, {wire.STATEMENT_LIMIT} are allowed"
            )
            raise PermanentError(ErrorClass.POLICY, f"{text}: shorten its catalog")
        digest = Digest(hashlib.sha256(content).hexdigest())
        signature = self.signer.sign(wire.signed_message(content))
        envelope = wire.Envelope.of(content, signature).to_wire()
        for name, written in ((_envelope(digest), envelope), (f"{digest}.json", content)):
            with contextlib.suppress(AlreadyExists):
                self.blobs.create(_CONTAINER, name, written, media_type="application/json")
        return digest

    def demand(self, build: Build) -> None:
        """Raise NotProven unless a build is proven.

        The signed statement must be stored, must be valid, and must say that the build passed.
        """
        if build.provenance is None or build.version is None:
            raise NotProven(f"build {build.id} has no proven version to publish")
        tags = {**proofs.tags_of(build), attempts.PROVENANCE_TAG: str(build.provenance)}
        wanted = VersionInGallery(
            subject=statements.version_id(self.deployment, build.gallery, build.image, build.version),
            tags=tags,
            image=str(build.image),
            version=str(build.version),
        )
        self._compare(wanted, f"build {build.id} is not published")

    def attest(self, live: GalleryImageVersion) -> Proof:
        """The proof of a version that was copied, with a signed record of what the gallery shows of it.

        Safe to repeat: the first record stays, and the version is held against it. Raises NotProven as `examine`.
        """
        shown, about = self.shown(live), _about(live)
        proof = self._compare(shown, about)
        self._demand_source(live, about)
        if proof.source:
            _demand(proofs.compare_publication(proof, self._publication(proof, shown, about), shown), about)
        return proof

    def examine(self, live: GalleryImageVersion) -> Proof:
        """The proof of a version as the gallery shows it. Raises NotProven with every doubt."""
        shown, about = self.shown(live), _about(live)
        proof = self._compare(shown, about)
        self._demand_source(live, about)
        if not proof.source:
            return proof  # a release before records of publication signed it
        try:
            found = self.publications.find(proof.digest, live.published_at)
        except (NotProven, MalformedMessage) as error:
            raise NotProven(f"{about}: {error}") from error
        findings = proofs.compare_publication(proof, found, shown)
        is_unpublished = found is None and all(each.holds for each in findings if each.name != "publication")
        _demand(findings, about, is_unpublished=is_unpublished)
        return proof

    def adopt(self, live: GalleryImageVersion) -> Proof:
        """As `examine`, for the recovery of lost tables: a copy whose build died before its record gets it now.

        One that has a record of another copy does not: somebody has made it anew. Nor does one that may be in `latest`:
        a build writes the record before it lets its version in, so somebody else has done that.
        """
        try:
            return self.examine(live)
        except NotProven as error:
            if not error.is_unpublished or latest.may_be_in(live):
                raise
        return self.attest(live)

    def shown(self, live: GalleryImageVersion) -> VersionInGallery:
        """A version of a gallery in the words of a proof."""
        return VersionInGallery(
            subject=statements.version_id(self.deployment, live.gallery, live.image, live.version),
            tags=live.tags,
            image=str(live.image),
            version=str(live.version),
            facts=VersionFacts(
                source=statements.source_id(self.deployment, live.copied_from),
                published_at=live.published_at,
                disk_gb=live.disk_gb,
            ),
        )

    def find_envelope(self, digest: Digest) -> bytes | None:
        """The envelope of a statement as it is stored, or None. Raises NotProven if it is too large."""
        try:
            return self.blobs.read(_CONTAINER, _envelope(digest), limit=wire.ENVELOPE_LIMIT)
        except NotFound:
            return None
        except PermanentError as error:
            if error.error_class is not ErrorClass.POLICY:
                raise
            raise NotProven(f"the envelope of {digest} is too large: {error}") from error

    def stored_at(self, digest: Digest) -> datetime:
        """The time at which a statement was signed, shortly before its version was published. Raises NotProven."""
        facts = self.blobs.find_facts(_CONTAINER, _envelope(digest))
        if facts is None:
            raise NotProven(f"the envelope of {digest} is not stored any more")
        return facts.changed_at

    def _compare(self, tagged_version: VersionInGallery, about: str) -> Proof:
        try:
            proof = self._read(proofs.provenance_of(tagged_version.tags))
        except (NotProven, MalformedMessage) as error:
            raise NotProven(f"{about}: {error}") from error
        _demand(proofs.compare(proof, tagged_version), about)
        return proof

    def _demand_source(self, live: GalleryImageVersion, about: str) -> None:
        """The tags name a statement about this version number; they say nothing about what lies behind it.

        A statement that names its source is more exact. This holds for those of older releases too.
        """
        if not self.is_from_quarantine(live):
            copies = " or ".join(self._sources(live))
            raise NotProven(f"{about}: it was made from {live.copied_from}, not from {copies}")

    def is_from_quarantine(self, live: GalleryImageVersion) -> bool:
        """False where the gallery shows another source than the quarantined version of the same number."""
        return not live.copied_from or live.copied_from.lower() in map(str.lower, self._sources(live))

    def _sources(self, live: GalleryImageVersion) -> list[str]:
        return [f"{gallery}/{live.image}@{live.version}" for gallery in self.deployment.quarantines]

    def _publication(self, proof: Proof, shown: VersionInGallery, about: str) -> PublicationRecord:
        try:
            return self.publications.record(proof, shown.facts)
        except (NotProven, MalformedMessage) as error:
            raise NotProven(f"{about}: {error}") from error

    def _read(self, named: str) -> Proof:
        """The content of a signed statement. Raises NotProven and MalformedMessage."""
        if not named:
            raise NotProven("it names no provenance of this factory")
        try:
            digest = Digest(named)
        except InvalidValue as error:
            raise NotProven(f"its provenance is not a digest: {error}") from error
        content = self.find_envelope(digest)
        if content is None:
            raise NotProven(self._why_unsigned(digest))
        envelope = wire.Envelope.from_wire(content)
        if self.signer.find_signer(envelope.signed_message(), envelope.to_domain()) is None:
            raise NotProven(f"no trusted key has signed the statement {digest}")
        return wire.read_statement(envelope.content())

    def _why_unsigned(self, digest: Digest) -> str:
        if self.blobs.find_facts(_CONTAINER, f"{digest}.json") is None:
            return f"there is no statement {digest}"
        return f"the statement {digest} is not signed: the version is older than signatures are; rebuild the image"

    def _statement_facts(self, build: Build) -> StatementFacts:
        if build.version is None:
            raise NotProven(f"build {build.id} has no version to sign a statement about")
        origin = build.inputs.origin
        parent = ""
        if isinstance(origin, ParentVersion):
            gallery = self._gallery_of(origin)
            parent = statements.version_id(self.deployment, gallery, origin.image, origin.version)
        return StatementFacts(
            subject=statements.version_id(self.deployment, build.gallery, build.image, build.version),
            source=statements.version_id(
                self.deployment,
                self.deployment.quarantine_of(build.quarantine),
                build.image,
                build.version,
            ),
            parent=parent,
            built=self._built(build),
            builder_image=self.deployment.builder_image,
            scanned=dict(self._scanned(build)),
        )

    def _scanned(self, build: Build) -> Iterator[tuple[str, str]]:
        """Who has scanned the files of the build's tools. One read for each."""
        for _, _, sha256 in build.inputs.catalog:
            stored = self.tools.find(Digest(sha256))
            if stored is not None and stored.value.scanned_by:
                yield sha256, stored.value.scanned_by

    def _gallery_of(self, parent: ParentVersion) -> GalleryName:
        """If there is only one live gallery, no record must be read."""
        if len(self.deployment.live) == 1:
            return self.deployment.live[0]
        return self.images.get_head(parent.image).value.registration.gallery

    def _built(self, build: Build) -> tuple[ReportedEvidence, ...]:
        """The files that the build stage kept, as the accepted report lists them."""
        folder = attempts.folder(build.id, "build", build.build_attempt)
        try:
            content = self.blobs.read("builds", f"{folder}/{attempts.REPORT}", limit=REPORT_LIMIT)
        except NotFound:
            return ()
        report = BuildReport.from_wire(content)
        if str(build.build_result) not in digests_of(report, content):
            raise NotProven(
                f"{folder}/{attempts.REPORT} is not the report that was accepted: report this to SecOps"
            )
        return report.evidence


def _about(live: GalleryImageVersion) -> str:
    return f"{live.image}@{live.version} in {live.gallery} is not proven"


def _demand(findings: tuple[ProofCheck, ...], about: str, *, is_unpublished: bool = False) -> None:
    doubts = proofs.doubts(findings)
    if doubts:
        raise NotProven(f"{about}: {doubts}", is_unpublished=is_unpublished)


def _envelope(digest: Digest) -> str:
    return f"{digest}.dsse.json"
