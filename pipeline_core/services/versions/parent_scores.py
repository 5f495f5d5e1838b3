"""The scan of the exact parent version, looked up by key: in the report of its verify stage, else in its build's row.

Both may be lost: rows with the tables, blobs with the storage. The answer then says so. It never reads a list of the
parent's builds, and it decides nothing about the child.
"""

from dataclasses import dataclass

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build, ParentFacts
from pipeline_core.domain.compliance import ParentScore
from pipeline_core.domain.errors import InvalidValue, MalformedMessage, PermanentError
from pipeline_core.domain.names import BuildId
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.ports import Galleries
from pipeline_core.services.provenance.reports import VerifyReports
from pipeline_core.state.images import ImageStore
from pipeline_core.wire.report import BuildReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentScores:
    """Costs one blob where the child's build knows its parent's version.

    For a build of an older release it costs one or two point reads too, and a GET where the parent has moved on.
    """

    images: ImageStore
    reports: VerifyReports
    galleries: Galleries

    def find(self, origin: ParentVersion, known: ParentFacts | None) -> ParentScore:
        """The scan of this version, that it was not scanned, or what of it is lost. `known` is the child's own copy."""
        made = self._maker(origin) if known is None else known.build
        if made is None:
            return ParentScore(parent=str(origin), lost="nothing names the build that made it")
        judged = None if known is None else known.report
        row = self._row(made) if judged is None else None
        try:
            report = self.reports.find(made, row.judged if row is not None else judged)
        except (MalformedMessage, PermanentError) as error:
            return ParentScore(parent=str(origin), lost=str(error))
        if report is not None:
            return _of_report(origin, report)
        row = row or self._row(made)
        if row is not None and row.verdicts:
            return _of_row(origin, row)
        return ParentScore(parent=str(origin), lost=f"build {made} has no report of its verify stage")

    def _row(self, made: BuildId) -> Build | None:
        stored = self.images.find_build(made)
        return None if stored is None else stored.value

    def _maker(self, origin: ParentVersion) -> BuildId | None:
        """The build that made this version: the current one's, else the one that the version's tag names."""
        head = self.images.find_head(origin.image)
        if head is None:
            return None
        current = head.value.current
        if current is not None and current.version == origin.version:
            return current.build
        live = self.galleries.find_version(head.value.registration.gallery, origin.image, origin.version)
        named = "" if live is None else live.tags.get(attempts.BUILD_TAG, "")
        try:
            return BuildId(named) if named else None
        except InvalidValue:
            return None


def _of_report(origin: ParentVersion, report: BuildReport) -> ParentScore:
    if report.scan is None:
        return ParentScore(parent=str(origin))
    scan = report.scan.to_domain()
    return ParentScore(
        parent=str(origin),
        profile=scan.profile,
        score=scan.score,
        benchmark=scan.benchmark,
        passed=scan.passed,
        failed=frozenset(finding.rule for finding in scan.findings),
    )


def _of_row(origin: ParentVersion, row: Build) -> ParentScore:
    for verdict in row.verdicts:
        if verdict.gate == "compliance" and verdict.scanned is not None:
            return ParentScore(
                parent=str(origin),
                profile=verdict.profile,
                score=verdict.scanned,
                benchmark=verdict.benchmark,
            )
    return ParentScore(parent=str(origin))
