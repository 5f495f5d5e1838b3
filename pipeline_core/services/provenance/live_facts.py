"""The facts of a live version that make it current: its inputs, and how it was judged, from what is still known of it.

The version's record comes first, then its build's row, then its tags with the signed statement. A fact that none of
them gives stays unknown: no scan is then known of the version, which no floor takes as passed.
"""

from dataclasses import dataclass, replace

from pipeline_core.domain import attempts, floors
from pipeline_core.domain.builds import Build, Result
from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.domain.errors import ErrorClass, FactoryError, PermanentError, TransientError
from pipeline_core.domain.fingerprint import BuildInputs, fingerprint
from pipeline_core.domain.floors import LiveScan
from pipeline_core.domain.images import PublishedVersion, missing_regions
from pipeline_core.domain.leases import find_build_id
from pipeline_core.domain.names import BuildId, Digest, RebuildToken
from pipeline_core.domain.proofs import Proof
from pipeline_core.domain.recipe import gates_digest, recipe_digest
from pipeline_core.domain.sources import MarketplaceSource, OriginVersion, ParentVersion, SourceVersion
from pipeline_core.domain.version_records import VersionRecord
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion
from pipeline_core.ports import Clock, GalleryImageVersion
from pipeline_core.services.effects.documents import Documents
from pipeline_core.services.provenance.provenance import Provenance
from pipeline_core.services.provenance.reports import VerifyReports
from pipeline_core.state.images import ImageStore
from pipeline_core.wire.report import BuildReport


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFacts:
    """Costs a read of the build's row, and of statement, report and definition only where that row is lost."""

    images: ImageStore
    documents: Documents
    provenance: Provenance
    reports: VerifyReports
    clock: Clock

    def find(self, live: GalleryImageVersion, record: VersionRecord | None) -> PublishedVersion | None:
        """The facts of a version, or None where they are lost or nothing proves them. Raises TransientError."""
        row = self._row(live)
        known = None if record is None else record.published
        if known is None:
            known = self._proven(live) if row is None else self._of_row(live, row)
        if known is None:
            return None
        return replace(
            known,
            gates=known.gates or self._gates(live),
            scan=known.scan or self._scan(live, row),
        )

    def read(self, live: GalleryImageVersion, *, adopts: bool = False) -> PublishedVersion:
        """The facts by tags, definition and signed statement alone, without the scan.

        With `adopts`, a complete copy out of `latest` that nobody has published yet is proven too (`Provenance.adopt`).

        Raises PermanentError where they do not give the fingerprint that the version carries, NotProven where no
        statement is about it, and NotFound where its definition is lost.
        """
        tags = live.tags
        definition = self.documents.definition(Digest(tags.get(attempts.DEFINITION_TAG, "")))
        proof = self.provenance.adopt(live) if adopts else self.provenance.examine(live)
        token = tags.get(attempts.TOKEN_TAG, "")
        inputs = BuildInputs(
            image=live.image,
            recipe=recipe_digest(definition),
            bundle=definition.bundle,
            origin=_origin(definition, tags.get(attempts.ORIGIN_TAG, "")),
            platform=Digest(tags.get(attempts.PLATFORM_TAG, "")),
            catalog=proof.catalog,
            period=_number(tags.get(attempts.PERIOD_TAG, "")),
            token=RebuildToken(token) if token else None,
        )
        derived = fingerprint(inputs)
        is_ours = str(live.image) == tags.get(attempts.IMAGE_TAG)
        if str(derived) != tags.get(attempts.FINGERPRINT_TAG) or not is_ours:
            raise PermanentError(
                ErrorClass.POLICY, f"the tags of {live.version} do not give the fingerprint that it carries"
            )
        build = BuildId(tags.get(attempts.BUILD_TAG, ""))
        if build.image != live.image:
            raise PermanentError(ErrorClass.POLICY, f"{live.version} names a build of another image")
        return PublishedVersion(
            version=live.version,
            fingerprint=derived,
            inputs=inputs,
            build=build,
            lane=proof.lane,
            published_at=self.provenance.stored_at(proof.digest),
            gates=str(gates_digest(definition)),
        )

    def _row(self, live: GalleryImageVersion) -> Build | None:
        """The row of the build that made the version; None where it is lost, or is about another version now."""
        identity = find_build_id(live.tags)
        stored = None if identity is None else self.images.find_build(identity)
        return None if stored is None or stored.value.version != live.version else stored.value

    def _of_row(self, live: GalleryImageVersion, row: Build) -> PublishedVersion | None:
        if row.result not in (Result.SUCCEEDED, Result.WITHDRAWN):
            return None
        return PublishedVersion(
            version=live.version,
            fingerprint=row.fingerprint,
            inputs=row.inputs,
            build=row.id,
            lane=row.lane,
            published_at=row.phase_since,
            followed=row.followed,
            missing=missing_regions(row, self.clock.now()),
            report=row.judged,
        )

    def _proven(self, live: GalleryImageVersion) -> PublishedVersion | None:
        try:
            return self.read(live)
        except TransientError:
            raise
        except FactoryError:
            return None

    def _gates(self, live: GalleryImageVersion) -> str:
        """The digest of the demands of the definition that the version was built by; empty where it is lost."""
        try:
            definition = self.documents.definition(Digest(live.tags.get(attempts.DEFINITION_TAG, "")))
        except TransientError:
            raise
        except FactoryError:
            return ""
        return str(gates_digest(definition))

    def _scan(self, live: GalleryImageVersion, row: Build | None) -> LiveScan | None:
        """The scan by the verdicts of the row, else by the signed score and the report of the verify stage."""
        if row is not None and row.verdicts:
            return floors.scan_of(row.verdicts)
        try:
            proof = self.provenance.examine(live)
            score = _signed_score(proof)
            report = None if score is None else self._report(BuildId(proof.build), row)
        except TransientError:
            raise
        except FactoryError:
            return None
        if score is None or report is None or report.scan is None:
            return None
        scan = report.scan.to_domain()
        return LiveScan(profile=scan.profile, score=score, benchmark=scan.benchmark)

    def _report(self, build: BuildId, row: Build | None) -> BuildReport | None:
        return self.reports.find(build, None if row is None else row.judged)


def _signed_score(proof: Proof) -> float | None:
    return next((each.score for each in proof.verdicts if each.gate == "compliance"), None)


def _origin(definition: ImageDefinition, text: str) -> OriginVersion:
    """The exact origin. The definition says to which source or parent it belongs."""
    origin = definition.origin
    if isinstance(origin, MarketplaceSource):
        version = MarketplaceVersion.parse(text.rpartition(":")[2])
        return SourceVersion(source=origin, version=version)
    return ParentVersion(image=origin.image, version=GalleryVersion.parse(text.rpartition("@")[2]))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise PermanentError(ErrorClass.POLICY, f"{text[:40]!r} is not a refresh period")
    return int(text)
