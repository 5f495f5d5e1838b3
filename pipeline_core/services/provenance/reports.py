"""Reads the report of a build's verify stage by the build's id, also where the build's row is lost.

It checks the report against the digest that was judged, where that is known. It decides nothing about what the
report says.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import JudgedReport
from pipeline_core.domain.errors import MalformedMessage, NotFound
from pipeline_core.domain.names import BuildId
from pipeline_core.ports import Blobs
from pipeline_core.wire.report import REPORT_LIMIT, BuildReport, digests_of

_FILES = 500  # of the verify stages of one build: 10 an attempt
_RESULT = re.compile(rf"[^/]+/verify-([0-9]{{1,6}})/{re.escape(attempts.REPORT)}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReports:
    """Costs one blob where the attempt is known, else a list call and a blob for each attempt."""

    blobs: Blobs

    def find(self, build: BuildId, judged: JudgedReport | None) -> BuildReport | None:
        """The report by which the build was judged, or None. `judged` is None where its rows are lost.

        Raises MalformedMessage where another report has its name, PermanentError where it is too large.
        """
        for number in self._attempts(build, judged):
            name = f"{attempts.folder(build, 'verify', number)}/{attempts.REPORT}"
            try:
                content = self.blobs.read("builds", name, limit=REPORT_LIMIT)
            except NotFound:
                continue
            report = BuildReport.from_wire(content)
            if judged is not None and str(judged.digest) not in digests_of(report, content):
                if judged.attempt:
                    raise MalformedMessage(f"{name} is not the report that was judged: report this to SecOps")
                continue
            if report.succeeded:
                return report
        return None

    def _attempts(self, build: BuildId, judged: JudgedReport | None) -> Iterator[int]:
        """The attempt that counted where it is known, else every one that reported, the newest first."""
        if judged is not None and judged.attempt:
            yield judged.attempt
            return
        listed = self.blobs.list("builds", f"{build}/verify-", limit=_FILES)
        found = [match[1] for facts in listed if (match := _RESULT.fullmatch(facts.name))]
        yield from sorted(map(int, found), reverse=True)
