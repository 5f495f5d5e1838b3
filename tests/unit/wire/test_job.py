"""The build job and the report: taken by digest, refused where they are not what they say."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from pipeline_core.domain.errors import ErrorClass, MalformedMessage
from pipeline_core.domain.verdicts import Check
from pipeline_core.wire.job import BuildJob
from pipeline_core.wire.report import BuildReport, ReportedCheck, digests_of

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BUILD = "payments-api.3fa9c1d20b77.1"
GALLERY = {
    "kind": "gallery",
    "subscription_id": "s",
    "resource_group": "rg",
    "gallery": "quarantine",
    "image": "payments-api",
    "version": "9.20261121.1",
}
JOB: dict[str, Any] = {
    "build": BUILD,
    "image": "payments-api",
    "stage": "build",
    "attempt": 1,
    "is_root": False,
    "source": GALLERY | {"gallery": "live", "image": "rhel9-java"},
    "destination": GALLERY,
    "placement": {
        "subscription_id": "s",
        "client_id": "c",
        "location": "westeurope",
        "resource_group": "rg",
        "vm_size": "Standard_D2s_v5",
        "generation": "V2",
        "security_type": "TrustedLaunch",
    },
    "steps": [{"kind": "shell", "path": "scripts/install.sh", "env": {"A": "{{ b }}"}}],
    "catalog": [{"id": "falcon", "version": "7.1", "url": "https://x.example.com/f", "sha256": "a" * 64}],
    "tests": {"goss": "goss.yaml", "smoke": ["tests/smoke.sh"], "profile": "cis_server_l1"},
    "bundle": "b" * 64,
    "platform": "c" * 64,
    "timeout_seconds": 3600,
    "lease_until": "2026-11-21T14:00:00Z",
    "tags": {"imagefactory-build": BUILD},
}
REPORT: dict[str, Any] = {
    "build": BUILD,
    "stage": "verify",
    "attempt": 2,
    "succeeded": False,
    "packer": "recorded",
    "started_at": "2026-11-21T12:00:00Z",
    "ended_at": "2026-11-21T12:04:00Z",
    "checks": [{"name": "compliance", "passed": True, "score": 91.5, "simulated": True}],
    "error_class": "provisioner",
    "message": "step 1 failed",
}


def _wire(fields: dict[str, Any]) -> tuple[bytes, str]:
    content = json.dumps(fields).encode()
    return content, hashlib.sha256(content).hexdigest()


def test_a_job_comes_back_under_the_digest_of_its_bytes() -> None:
    job = BuildJob.model_validate(JOB)
    content = job.to_wire()
    assert BuildJob.from_wire(content, digest=hashlib.sha256(content).hexdigest()) == job


def test_the_same_job_has_the_same_bytes() -> None:
    assert (
        BuildJob.model_validate(JOB).to_wire()
        == BuildJob.model_validate(json.loads(json.dumps(JOB))).to_wire()
    )


def test_a_job_whose_digest_does_not_match_is_refused() -> None:
    content, digest = _wire(JOB)
    assert BuildJob.from_wire(content, digest=digest).build == BUILD
    with pytest.raises(MalformedMessage, match="does not have the digest"):
        BuildJob.from_wire(content + b" ", digest=digest)
    with pytest.raises(MalformedMessage, match="does not have the digest"):
        BuildJob.from_wire(content, digest="")


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "cook"},
        {"attempt": 0},
        {"bundle": "B" * 64},
        {"platform": "c"},
        {"timeout_seconds": 1},
        {"schema_version": 3},
        {"source": {"kind": "url", "url": "http://x"}},
        {"steps": [{"kind": "powershell", "path": "x"}]},
        {"lease_until": "tomorrow"},
    ],
)
def test_a_job_with_a_wrong_field_is_refused(change: dict[str, Any]) -> None:
    content, digest = _wire(JOB | change)
    with pytest.raises(MalformedMessage, match="not a BuildJob"):
        BuildJob.from_wire(content, digest=digest)


@pytest.mark.parametrize("name", sorted(set(JOB) - {"steps", "catalog", "tests"}))
def test_a_job_without_one_of_its_facts_is_refused(name: str) -> None:
    content, digest = _wire({key: value for key, value in JOB.items() if key != name})
    with pytest.raises(MalformedMessage):
        BuildJob.from_wire(content, digest=digest)


def test_a_job_of_no_build_is_refused() -> None:
    content, digest = _wire(JOB | {"build": "payments-api"})
    with pytest.raises(MalformedMessage, match="not an id of a build"):
        BuildJob.from_wire(content, digest=digest)


def test_a_report_comes_back_as_it_went() -> None:
    report = BuildReport.model_validate(REPORT)
    assert BuildReport.from_wire(report.to_wire()) == report
    assert report.error_class is ErrorClass.PROVISIONER


@pytest.mark.parametrize(
    "change",
    [
        {"succeeded": "maybe"},
        {"checks": [{"name": "Bad Vibes", "passed": True}]},
        {"message": "m" * 4001},
        {"attempt": 0},
        {"stage": "publish"},
        {"started_at": "noon"},
    ],
)
def test_a_report_with_a_wrong_field_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage, match="not a BuildReport"):
        BuildReport.from_wire(json.dumps(REPORT | change).encode())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_what_is_not_a_report_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedMessage):
        BuildReport.from_wire(content)


def test_a_reported_check_keeps_its_score_and_says_that_it_was_simulated() -> None:
    check = ReportedCheck(name="compliance", passed=True, detail="d", score=91.5, simulated=True)
    assert check.to_domain() == Check(name="compliance", passed=True, detail="d", score=91.5, simulated=True)


def test_a_tool_of_an_older_factory_has_no_file_in_our_storage() -> None:
    job = BuildJob.model_validate(JOB)
    assert [(tool.file, tool.url) for tool in job.catalog] == [("", "https://x.example.com/f")]
    assert job.stored == ()


def test_the_files_of_a_job_are_named_once_by_their_digests() -> None:
    falcon = {**JOB["catalog"][0], "file": "falcon.rpm"}
    goss = {"id": "goss", "version": "0.4.9", "file": "goss-linux-amd64", "sha256": "d" * 64}
    job = BuildJob.model_validate(JOB | {"catalog": [falcon], "tools": [goss, falcon]})
    assert job.stored == ("a" * 64, "d" * 64)


@pytest.mark.parametrize("file", ["../passwd", ".bashrc", "a/b", "a b", "a\nb", "-rf", "x" * 300])
def test_the_name_of_a_file_leads_nowhere_else(file: str) -> None:
    content, digest = _wire(JOB | {"catalog": [{**JOB["catalog"][0], "file": file}]})
    with pytest.raises(MalformedMessage, match="not a BuildJob"):
        BuildJob.from_wire(content, digest=digest)


class OlderTool(BaseModel):
    """A tool as the builder of the release before reads it: it refuses a job without the address."""

    id: str
    version: str
    url: str
    sha256: str


def test_a_builder_of_the_release_before_reads_the_tools_of_a_new_job() -> None:
    falcon = {**JOB["catalog"][0], "file": "falcon.rpm"}
    (tool,) = BuildJob.model_validate(JOB | {"catalog": [falcon]}).catalog
    assert OlderTool.model_validate_json(tool.model_dump_json()).url == falcon["url"]


def test_a_job_of_a_newer_factory_is_read_without_what_is_new() -> None:
    content, digest = _wire(JOB | {"surprise": {"a": 1}, "tests": JOB["tests"] | {"fuzz": "fuzz.sh"}})
    assert BuildJob.from_wire(content, digest=digest) == BuildJob.model_validate(JOB)


def test_a_report_of_a_newer_builder_is_read_and_known_by_its_own_bytes() -> None:
    newer = REPORT | {
        "surprise": 1,
        "error_class": "bad-luck",
        "checks": [{"name": "vibes", "passed": True, "aura": "blue"}],
    }
    content = json.dumps(newer).encode()
    report = BuildReport.from_wire(content)
    assert report.error_class is ErrorClass.INTERNAL
    assert [check.name for check in report.checks] == ["vibes"]
    assert report.digest == hashlib.sha256(content).hexdigest()
    assert report.digest in digests_of(report, content)
    assert (
        BuildReport.model_validate(REPORT).digest
        == hashlib.sha256(BuildReport.model_validate(REPORT).to_wire()).hexdigest()
    )
