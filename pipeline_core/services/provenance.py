"""What a version was made from, by whom and on what evidence: an in-toto statement, kept by its digest.

The statement is not signed yet: whoever reads it must say so.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline_core.domain.builds import Build
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, PermanentError
from pipeline_core.domain.gates import Verdict
from pipeline_core.domain.names import Digest
from pipeline_core.domain.reasons import Lane
from pipeline_core.ports import Blobs
from pipeline_core.services.site import Site
from pipeline_core.wire.job import BuildReport

_BUILD_TYPE = "https://imagefactory.dev/build/v1"
_TOOL = "imagefactory:catalog/"
_LIMIT = 4 * 1024 * 1024  # bytes of a statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a statement tells that the tags of a version do not; `stored_at` is shortly before publication."""

    catalog: tuple[tuple[str, str, str], ...]
    lane: Lane
    stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Stores statements."""

    blobs: Blobs
    site: Site

    def store(self, build: Build, verdicts: tuple[Verdict, ...], report: BuildReport) -> Digest:
        """The digest of the statement about this build's version; the same build gives the same statement."""
        content = json.dumps(
            self._statement(build, verdicts, report), sort_keys=True, separators=(",", ":")
        ).encode()
        digest = Digest(hashlib.sha256(content).hexdigest())
        with contextlib.suppress(AlreadyExists):
            self.blobs.create("provenance", f"{digest}.json", content, media_type="application/json")
        return digest

    def find(self, digest: Digest) -> Statement | None:
        """A stored statement, or None; raises PermanentError where it is not what its name says."""
        name = f"{digest}.json"
        facts = self.blobs.find_facts("provenance", name)
        if facts is None:
            return None
        content = self.blobs.read("provenance", name, limit=_LIMIT)
        if hashlib.sha256(content).hexdigest() != str(digest):
            raise PermanentError(ErrorClass.POLICY, f"provenance {digest} has another content than its name")
        definition = json.loads(content)["predicate"]["buildDefinition"]
        lane = definition["externalParameters"].get("lane")
        return Statement(
            catalog=tuple(_tools(definition["resolvedDependencies"])),
            lane=Lane.BACKGROUND if lane is None else Lane[lane],
            stored_at=facts.changed_at,
        )

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
            {"uri": f"{_TOOL}{tool}@{version}", "digest": {"sha256": sha256}}
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
                    "externalParameters": {
                        "lane": build.lane.name,
                        "reasons": [str(reason) for reason in build.reasons],
                    },
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


def _tools(materials: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for material in materials:
        if material["uri"].startswith(_TOOL):
            tool, _, version = material["uri"].removeprefix(_TOOL).partition("@")
            yield tool, version, material["digest"]["sha256"]
