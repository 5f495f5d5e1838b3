"""What a version was made from, by whom and on what evidence: an in-toto statement, kept by its digest.

The statement is not signed yet: whoever reads it must say so.
"""

import contextlib
import hashlib
import json
from dataclasses import dataclass

from pipeline_core.domain.builds import Build
from pipeline_core.domain.errors import AlreadyExists
from pipeline_core.domain.gates import Verdict
from pipeline_core.domain.names import Digest
from pipeline_core.ports import Blobs
from pipeline_core.services.site import Site
from pipeline_core.wire.job import BuildReport

_BUILD_TYPE = "https://imagefactory.dev/build/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Stores statements."""

    blobs: Blobs
    site: Site

    def store(self, build: Build, verdicts: tuple[Verdict, ...], report: BuildReport) -> Digest:
        """The digest of the statement about this build's version; the same build gives the same statement."""
        content = json.dumps(self._statement(build, verdicts, report), sort_keys=True, indent=1).encode()
        digest = Digest(hashlib.sha256(content).hexdigest())
        with contextlib.suppress(AlreadyExists):
            self.blobs.create("provenance", f"{digest}.json", content, media_type="application/json")
        return digest

    def _statement(
        self, build: Build, verdicts: tuple[Verdict, ...], report: BuildReport
    ) -> dict[str, object]:
        inputs = build.inputs
        materials: list[dict[str, object]] = [
            {"uri": f"imagefactory:origin/{inputs.origin}"},
            {"uri": "imagefactory:bundle", "digest": {"sha256": str(inputs.bundle)}},
            {"uri": "imagefactory:platform", "digest": {"sha256": str(inputs.platform)}},
            {"uri": "imagefactory:definition", "digest": {"sha256": str(build.definition)}},
        ]
        materials += [
            {"uri": f"imagefactory:catalog/{tool}@{version}", "digest": {"sha256": sha256}}
            for tool, version, sha256 in inputs.catalog
        ]
        return {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [
                {
                    "name": f"{build.image}@{build.version}",
                    "digest": {"sha256": str(build.fingerprint)},
                }
            ],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": _BUILD_TYPE,
                    "externalParameters": {"reasons": [str(reason) for reason in build.reasons]},
                    "resolvedDependencies": materials,
                },
                "runDetails": {
                    "builder": {"id": self.site.builder_image, "version": {"packer": report.packer}},
                    "metadata": {"invocationId": str(build.id)},
                },
            },
            "x-imagefactory-gates": [
                {
                    "gate": verdict.gate,
                    "passed": verdict.passed,
                    "evidence": verdict.evidence,
                    "simulated": verdict.simulated,
                }
                for verdict in verdicts
            ],
        }
