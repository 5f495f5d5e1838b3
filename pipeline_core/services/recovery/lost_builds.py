"""What the blobs show of builds whose records are lost: that they ran, and whether they failed for good.

A build of the same input must not take the id of a lost build. Otherwise the reports and the container of the
lost build would be taken for those of the new one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_core.domain import gates, recovery
from pipeline_core.domain.attempts import REPORT
from pipeline_core.domain.builds import Failure
from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.domain.names import BuildId, Fingerprint, ImageName
from pipeline_core.domain.policy import OPEN
from pipeline_core.domain.waivers import JudgedWaiver, WaiverState, asked_by
from pipeline_core.ports import BlobFacts, Blobs
from pipeline_core.wire.report import REPORT_LIMIT, BuildReport

_READ = 5000  # blobs of the builds of one input
_RESULT = re.compile(rf"[^/]+/(build|verify)-([0-9]+)/{re.escape(REPORT)}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class LostBuilds:
    """Reads the container `builds`."""

    blobs: Blobs

    def are_there(self, image: ImageName) -> bool:
        """True if any build of the image ever created a container."""
        return bool(self.blobs.list("builds", f"{image}.", limit=1))

    def claim(self, image: ImageName, fingerprint: Fingerprint, definition: ImageDefinition) -> Claim | None:
        """The claim on an input that was tried, or None if it never was.

        The claim is blocked if its last report says so. Otherwise the input may be built again, under a new id.
        """
        found = self.blobs.list("builds", f"{image}.{str(fingerprint)[:12]}.", limit=_READ)
        ids = {BuildId(facts.name.partition("/")[0]) for facts in found}
        if not ids:
            return None
        newest = max(ids, key=recovery.generation_of)
        report, facts = self._last_report([each for each in found if each.name.startswith(f"{newest}/")])
        failure = None if report is None else _failure_of(report, definition)
        is_blocked = failure is not None and failure.is_of_team
        return Claim(
            image=image,
            fingerprint=fingerprint,
            generation=recovery.generation_of(newest),
            build=newest,
            outcome=Outcome.FAILED if is_blocked else Outcome.SUPERSEDED,
            detail="its records were lost" if failure is None else failure.message,
            ended_at=None if facts is None else facts.changed_at,
        )

    def _last_report(self, blobs: Sequence[BlobFacts]) -> tuple[BuildReport | None, BlobFacts | None]:
        """The last report of the last attempt, in the last stage that has a report."""
        results = [(match, facts) for facts in blobs if (match := _RESULT.fullmatch(facts.name))]
        if not results:
            return None, None
        _, facts = max(results, key=lambda each: (each[0][1], int(each[0][2])))
        content = self.blobs.read("builds", facts.name, limit=REPORT_LIMIT)
        return BuildReport.from_wire(content), facts


def _failure_of(report: BuildReport, definition: ImageDefinition) -> Failure | None:
    if not report.succeeded:
        return report.failure()
    if report.stage == "build":
        return None
    # Judged by the definition alone: the policy, the grants and the parent's score of that time are lost as well. So
    # each waiver that it asks for counts. An input that might have passed is not blocked, only built again.
    waivers = [
        JudgedWaiver(image=definition.name, asked=asked, state=WaiverState.GRANTED)
        for asked in asked_by(definition.verify)
    ]
    verdicts = gates.judge(
        definition.verify,
        [check.to_domain() for check in report.checks],
        None if report.scan is None else report.scan.to_domain(),
        waivers=waivers,
        floor=OPEN.compliance,
        parent=None,
        serves=definition.serves,
    )
    return gates.failure_of(verdicts)
