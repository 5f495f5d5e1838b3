"""Evidence for tests of services: an attempt that keeps files and reports them, and rows that know of its report."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline_core.domain.builds import Build
from pipeline_core.domain.names import Digest
from pipeline_core.state import images as records
from pipeline_core.wire.report import BuildReport, ReportedEvidence, ReportedRule, ReportedScan
from simulation.world import SimulatedWorld
from tests.unit.services import scenes

JSON = "application/json"
BASH = {"name": "bash", "version": "5.1.8", "release": "9.el9", "arch": "x86_64"}


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def package(name: str, version: str = "1", **facts: Any) -> dict[str, Any]:
    return {"name": name, "version": version, "release": "1.el9", "arch": "x86_64", **facts}


def scan(
    *failing: str, profile: str = "cis_server_l1", score: float = 90.0, simulated: bool = False
) -> ReportedScan:
    rules = [
        ReportedRule.model_validate({"rule": each, "result": "fail", "severity": "high"}) for each in failing
    ]
    return ReportedScan(
        profile=profile,
        score=score,
        counts={"failed": len(rules)},
        findings=tuple(rules),
        simulated=simulated,
    )


def report(
    build: Build, place: str, files: Mapping[str, bytes], *, succeeded: bool = True, **changes: Any
) -> BuildReport:
    """The report of an attempt that kept these files."""
    stage, _, attempt = place.partition("-")
    kept = tuple(
        ReportedEvidence(
            name=name, sha256=hashlib.sha256(content).hexdigest(), size=len(content), media_type=JSON
        )
        for name, content in files.items()
    )
    return BuildReport.model_validate(
        {
            "build": str(build.id),
            "stage": stage,
            "attempt": int(attempt),
            "succeeded": succeeded,
            "packer": "1.16.0",
            "started_at": build.created_at,
            "ended_at": build.created_at,
            "evidence": kept,
            **({} if succeeded else {"error_class": "network", "message": "no answer"}),
            **changes,
        }
    )


def keep(
    made: SimulatedWorld, build: Build, files: Mapping[str, bytes], *, place: str = "verify-1", **changes: Any
) -> BuildReport:
    """Store the files and their report, in place of the simulated one; the row knows a report that succeeded."""
    told = report(build, place, files, **changes)
    for name, content in {**files, "result.json": told.to_wire()}.items():
        overwrite(made, build, f"{place}/{name}", content)
    if told.succeeded:
        seal(made, build, told)
    return told


def seal(made: SimulatedWorld, build: Build, told: BuildReport) -> None:
    """Write the report's digest into the build's row, as the driver does when it has judged."""
    stored = scenes.stored(made, build.id)
    digest = Digest(hashlib.sha256(told.to_wire()).hexdigest())
    if told.stage == "build":
        sealed = replace(stored.value, build_result=digest, build_attempt=told.attempt)
    else:
        sealed = replace(stored.value, verify_result=digest, verify_attempt=told.attempt)
    row = records.put_build(sealed, etag=stored.etag)
    scenes.images(made).commit([row])


def overwrite(made: SimulatedWorld, build: Build, name: str, content: bytes) -> None:
    """Write over a blob, as the factory never does."""
    made.ports.blobs._put("builds", f"{build.id}/{name}", content, JSON)
