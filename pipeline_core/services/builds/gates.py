"""Collect the inputs of the gates for a verified version: definition, floor, date, score of the parent.

It decides nothing itself. Each judgement reads the definition and the floor. After a scan, a child costs the read of
its parent's rows too.
"""

from dataclasses import dataclass

from pipeline_core.domain import gates
from pipeline_core.domain.builds import Build
from pipeline_core.domain.compliance import ParentScore
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.services.builds.stages import Floors
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state.images import ImageStore
from pipeline_core.wire.job import BuildReport

_BUILDS = 1000  # rows of the parent that are searched for a version that is no longer current


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Judges the report of the verify stage by the rules that are in force now."""

    images: ImageStore
    effects: Effects
    floors: Floors

    def judge(self, build: Build, report: BuildReport) -> tuple[ComplianceFloor, tuple[Verdict, ...] | None]:
        """The floor, and the verdicts of all gates that apply to this build.

        The verdicts are None where the floor has changed since the scan was requested: the version must be
        verified again.
        """
        verify = self.effects.documents.definition(build.definition).verify
        floor = self.floors.floor_of(build.image)
        scan = None if report.scan is None else report.scan.to_domain()
        if gates.is_outdated(verify, floor, scan):
            return floor, None
        is_scanned = scan is not None and gates.wanted_scan(verify, floor) is not None
        return floor, gates.judge(
            verify,
            [check.to_domain() for check in report.checks],
            scan,
            today=self.effects.clock.now().date(),
            floor=floor,
            parent=self._parent(build) if is_scanned else None,
        )

    def _parent(self, build: Build) -> ParentScore | None:
        """The score of the exact parent version; None for a root. The score is empty where no row has it."""
        origin = build.inputs.origin
        if not isinstance(origin, ParentVersion):
            return None
        made = self._maker(origin)
        verdicts = () if made is None else made.verdicts
        for verdict in verdicts:
            if verdict.gate == "compliance" and verdict.scanned is not None:
                return ParentScore(parent=str(origin), profile=verdict.profile, score=verdict.scanned)
        return ParentScore(parent=str(origin))

    def _maker(self, origin: ParentVersion) -> Build | None:
        """The build that made this version: usually the current one, else one of the kept builds; or None."""
        head = self.images.find_head(origin.image)
        current = None if head is None else head.value.current
        if current is not None and current.version == origin.version:
            stored = self.images.find_build(current.build)
            return None if stored is None else stored.value
        for build in self.images.list_builds(origin.image, limit=_BUILDS):
            if build.version == origin.version:
                return build
        return None
