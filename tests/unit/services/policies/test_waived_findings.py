"""Findings of hygiene and tests of the platform that are waived: in the job of the builder, and at the gate."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from pipeline_core.domain.builds import Build, Result
from pipeline_core.domain.definitions import WaiverKind
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.services.policies.waivers import WaiverSubject
from pipeline_core.wire.job import BuildJob
from pipeline_core.wire.report import BuildReport, ReportedCheck, ReportedFinding
from simulation import fleet, world
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

KEY = WaiverSubject(image=BASE, kind=WaiverKind.HYGIENE, rule="private-key", path="/opt/app/test.pem")
AUDIT = WaiverSubject(image=BASE, kind=WaiverKind.INVARIANT, rule="Service: auditd: enabled")
FOUND = (
    ReportedFinding(kind="hygiene", rule=KEY.rule, path=KEY.path, what="a private key"),
    ReportedFinding(kind="invariant", rule=AUDIT.rule, what="it is not"),
)


def _register(made: SimulatedWorld, path: str = KEY.path) -> None:
    document = fleet.document("rhel9-base", None)
    del document["spec"]["verify"]["compliance"]
    document["spec"]["verify"]["waivers"] = [
        {"hygiene": KEY.rule, "path": path, "reason": "a test key"},
        {"invariant": AUDIT.rule, "reason": "another agent audits"},
    ]
    bundle = world.upload(made, "content")
    made.factory.registrar.register(BASE, document, bundle, ADMIN, expected=None, create_only=True)


def _grant(made: SimulatedWorld, subject: WaiverSubject) -> None:
    until = made.ports.clock.now().date()
    made.factory.waivers.grant(subject, ADMIN, until=until, reason="seen in 42")


def _hygiene(made: SimulatedWorld, build: Build, findings: tuple[ReportedFinding, ...] = FOUND) -> Verdict:
    """What the gate says now of a machine with both findings."""
    now = made.ports.clock.now()
    checks = [ReportedCheck(name=name, passed=True) for name in ("boot", "goss", "smoke")]
    report = BuildReport(
        build=str(build.id),
        stage="verify",
        attempt=1,
        succeeded=True,
        packer="p",
        started_at=now,
        ended_at=now,
        checks=(*checks, ReportedCheck(name="hygiene", passed=False, findings=findings)),
    )
    _, verdicts = made.parts.builds.judge.judge(build, report)
    assert verdicts is not None
    (found,) = [each for each in verdicts if each.gate == "hygiene"]
    return found


def _jobs(made: SimulatedWorld) -> dict[str, list[Any]]:
    """The waived findings of all jobs of each stage."""
    found: dict[str, list[Any]] = {}
    for facts in made.ports.blobs.list("jobs", "", limit=100):
        job = BuildJob.model_validate_json(made.ports.blobs.read("jobs", facts.name, limit=10**6))
        found.setdefault(job.stage, []).extend((each.rule, each.path) for each in job.waived)
    return found


def test_the_gate_passes_findings_and_platform_tests_by_their_grants_alone() -> None:
    made = scenes.registered({})
    _register(made)
    made.drain()
    (build,) = scenes.builds(made, BASE)
    refused = _hygiene(made, build)
    assert not refused.passed
    assert "waivers grant rhel9-base private-key --kind hygiene --path /opt/app/test.pem" in refused.evidence
    _grant(made, KEY)
    assert not _hygiene(made, build).passed  # the platform's test is waived by nobody
    _grant(made, AUDIT)
    passed = _hygiene(made, build)
    assert passed.passed
    by, until = ADMIN.actor.identity, made.ports.clock.now().date()
    assert [line.partition(" (granted")[0] for line in passed.waived] == [
        "/opt/app/test.pem: a private key [private-key]",
        "Service: auditd: enabled",
    ]
    assert all(f"({by}) on {until} until {until}" in line for line in passed.waived)
    made.factory.waivers.withdraw(AUDIT, ADMIN, reason="it must audit")
    assert not _hygiene(made, build).passed


def test_the_builder_gets_the_findings_that_are_waived_when_its_attempt_begins() -> None:
    made = scenes.registered({})
    _register(made)
    made.drain()
    assert _jobs(made) == {"build": [], "verify": []}
    _grant(made, KEY)
    _grant(made, AUDIT)
    scenes.released(made)
    made.drain()
    # The machine that verifies looks at everything: the gate reads the grants.
    assert _jobs(made) == {"build": [("private-key", "/opt/app/test.pem")], "verify": []}


def test_an_input_that_the_check_of_the_build_stage_refused_is_built_again_when_its_finding_is_waived() -> (
    None
):
    made = scenes.registered({}, failing={("rhel9-base", "build"): "hygiene"})
    _register(made)
    made.drain()
    assert [build.result for build in scenes.builds(made, BASE)] == [Result.FAILED]
    made.platform.failing = {}
    made.run_until(made.ports.clock.now() + timedelta(hours=1))
    assert len(scenes.builds(made, BASE)) == 1
    _grant(made, KEY)
    made.drain()
    assert [build.result for build in scenes.builds(made, BASE)] == [Result.FAILED, Result.SUCCEEDED]


def test_a_waiver_of_one_content_counts_for_this_content_alone() -> None:
    digest = "0123456789abcdef" * 4
    subject = replace(KEY, path=f"{KEY.path}@sha256:{digest}")
    made = scenes.registered({})
    _register(made, subject.path)
    _grant(made, subject)
    made.drain()
    assert _jobs(made) == {"build": [("private-key", subject.path)], "verify": []}
    (build,) = scenes.builds(made, BASE)
    key = FOUND[0]
    passed = _hygiene(made, build, (key.model_copy(update={"sha256": digest}),))
    assert passed.passed
    assert [line.partition(" (granted")[0] for line in passed.waived] == [
        f"{KEY.path}: a private key [private-key]"
    ]
    for other in ("f" * 64, ""):
        assert not _hygiene(made, build, (key.model_copy(update={"sha256": other}),)).passed
