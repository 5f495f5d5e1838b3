"""What the blobs tell of builds whose records are gone: that they were, and whether they failed for good.

A build of the same input must not take the id of a lost one: its reports and its container would be taken for
the new one's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_core.domain import gates, recovery
from pipeline_core.domain.attempts import REPORT
from pipeline_core.domain.builds import Failure
from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.domain.errors import ErrorClass
from pipeline_core.domain.names import BuildId, Fingerprint, ImageName
from pipeline_core.domain.policy import OPEN
from pipeline_core.ports import BlobFacts, Blobs
from pipeline_core.wire.job import REPORT_LIMIT, BuildReport

_READ = 5000  # blobs of the builds of one input
_RESULT = re.compile(rf"[^/]+/(build|verify)-([0-9]+)/{re.escape(REPORT)}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class LostBuilds:
    """Reads the container `builds`."""

    blobs: Blobs

    def are_there(self, image: ImageName) -> bool:
        """True where any build of the image ever created a container."""
        return bool(self.blobs.list("builds", f"{image}.", limit=1))

    def claim(self, image: ImageName, fingerprint: Fingerprint, definition: ImageDefinition) -> Claim | None:
        """The claim on an input that was tried, or None where it never was.

        It is blocked where its last report says so; else it may be built again, under a new id.
        """
        found = self.blobs.list("builds", f"{image}.{str(fingerprint)[:12]}.", limit=_READ)
        ids = {BuildId(facts.name.partition("/")[0]) for facts in found}
        if not ids:
            return None
        newest = max(ids, key=recovery.generation_of)
        report, facts = self._last_report([each for each in found if each.name.startswith(f"{newest}/")])
        failure = None if report is None else _failure_of(report, definition)
        is_blocked = failure is not None and not failure.error_class.is_transient
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
        """The report of the last attempt of the last stage that one was made of."""
        results = [(match, facts) for facts in blobs if (match := _RESULT.fullmatch(facts.name))]
        if not results:
            return None, None
        _, facts = max(results, key=lambda each: (each[0][1], int(each[0][2])))
        content = self.blobs.read("builds", facts.name, limit=REPORT_LIMIT)
        return BuildReport.from_wire(content), facts


def _failure_of(report: BuildReport, definition: ImageDefinition) -> Failure | None:
    if not report.succeeded:
        error_class = report.error_class or ErrorClass.TEMPLATE
        return Failure(error_class=error_class, message=report.message or "the builder gave no reason")
    if report.stage == "build":
        return None
    # By the definition alone: what the policy was and how the parent scored then is lost as well.
    verdicts = gates.judge(
        definition.verify,
        [check.to_domain() for check in report.checks],
        None if report.scan is None else report.scan.to_domain(),
        today=report.ended_at.date(),
        floor=OPEN.compliance,
        parent=None,
    )
    return gates.failure_of(verdicts)
