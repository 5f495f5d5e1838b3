"""The content of a published version, and the differences between two versions, from the evidence of their builds.

It changes nothing. Machines wrote the lists of packages, so this module parses them within bounds or refuses
them.
"""

from dataclasses import dataclass

from pipeline_core.domain import differences
from pipeline_core.domain.builds import Build
from pipeline_core.domain.byte_ranges import ByteRange
from pipeline_core.domain.differences import Contents
from pipeline_core.domain.errors import ErrorClass, MalformedMessage, NotFound, PermanentError
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.services.views.evidence import Evidence, KeptFile
from pipeline_core.services.views.views import Compared
from pipeline_core.state.images import ImageStore
from pipeline_core.wire import packages as reported


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDiff:
    """Finds the build of a version, and reads the files that it kept."""

    images: ImageStore
    evidence: Evidence

    def diff(self, image: ImageName, before: GalleryVersion, after: GalleryVersion) -> Compared:
        """The difference from one version to another. Raises NotFound if either is not known any more."""
        old, new = self._build(image, before), self._build(image, after)
        found = differences.diff(self._contents(old), self._contents(new))
        return Compared(
            image=str(image),
            before=str(before),
            after=str(after),
            before_build=str(old.id),
            after_build=str(new.id),
            packages=found.packages,
            fixed=found.fixed,
            still_open=found.still_open,
            compliance=found.compliance,
            simulated=found.simulated,
        )

    def sbom(self, image: ImageName, version: GalleryVersion, wanted: ByteRange | None = None) -> KeptFile:
        """The version's CycloneDX document, or the wanted part of it. Raises as `Evidence.read` does."""
        build = self._build(image, version)
        place, report = self.evidence.verified(build)
        return self.evidence.part(build, place, report, reported.SBOM_FILE, wanted)

    def _build(self, image: ImageName, version: GalleryVersion) -> Build:
        """The build that made a version: the current one by its name, another one by its version."""
        head = self.images.find_head(image)
        current = None if head is None else head.value.current
        if current is not None and current.version == version:
            stored = self.images.find_build(current.build)
            if stored is not None:
                return stored.value
        made = self.images.find_build_of(image, version)
        if made is not None:
            return made.value
        raise NotFound(
            f"no record says which build made version {version} of {image}: GET /api/images/{image} lists its"
            " builds; for a version that was published before the records were lost, only the provenance remains"
        )

    def _contents(self, build: Build) -> Contents:
        place, report = self.evidence.verified(build)
        names = {entry.name for entry in report.evidence}
        listed = self.evidence.file(build, place, report, reported.PACKAGES_FILE)
        try:
            packages, simulated = reported.parse_packages(listed.content)
            advisories = None
            if reported.ADVISORIES_FILE in names:
                kept = self.evidence.file(build, place, report, reported.ADVISORIES_FILE)
                advisories = reported.parse_advisories(kept.content)
        except MalformedMessage as error:
            text = f"version {build.version} of {build.image}: {error}; see the evidence of build {build.id}"
            raise PermanentError(ErrorClass.CONFLICT, text) from error
        scan = None if report.scan is None else report.scan.to_domain()
        return Contents(
            packages=packages,
            advisories=advisories,
            scan=scan,
            simulated=simulated or (scan is not None and scan.simulated),
        )
