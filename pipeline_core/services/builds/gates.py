"""Collect the inputs of the gates for a verified version: definition, floor, granted waivers, score of the parent.

It decides nothing itself. Each judgement reads the definition and the floor. A definition that asks for waivers costs
one read of the image's grants, and a child that was scanned the lookup of its parent's scan.
"""

from dataclasses import dataclass

from pipeline_core.domain import gates
from pipeline_core.domain.builds import Build
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.services.builds.stages import Floors
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.policies.waivers import WaiverGrants
from pipeline_core.services.versions.parent_scores import ParentScores
from pipeline_core.wire.report import BuildReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Judges the report of the verify stage by the rules that are in force now."""

    parents: ParentScores
    effects: Effects
    floors: Floors
    waivers: WaiverGrants

    def judge(self, build: Build, report: BuildReport) -> tuple[ComplianceFloor, tuple[Verdict, ...] | None]:
        """The floor, and the verdicts of all gates that apply to this build.

        The verdicts are None where the floor has changed since the scan was requested: the version must be
        verified again.
        """
        definition = self.effects.documents.definition(build.definition)
        verify = definition.verify
        floor = self.floors.floor_of(build.image)
        scan = None if report.scan is None else report.scan.to_domain()
        if gates.is_outdated(verify, floor, scan):
            return floor, None
        origin = build.inputs.origin
        is_scanned = scan is not None and gates.wanted_scan(verify, floor) is not None
        return floor, gates.judge(
            verify,
            [check.to_domain() for check in report.checks],
            scan,
            waivers=self.waivers.judged(definition, floor.waivers),
            floor=floor,
            parent=self.parents.find(origin, build.parent)
            if is_scanned and isinstance(origin, ParentVersion)
            else None,
            serves=definition.serves,
        )
