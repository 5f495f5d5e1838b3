"""What the API answers about evidence, and how it gives files away."""

import base64
import hashlib
from dataclasses import replace

import pytest

from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError
from pipeline_core.services.views.evidence import KeptFile
from tests.unit.triggers import evidence_twins, views
from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory

EVIDENCE = f"/api/builds/{views.BUILD_ID}/evidence"
DIFF = "/api/images/payments-api/diff"
VERSIONS = {"from": "1.20261120.1", "to": "1.20261121.1"}


@pytest.fixture
def reader(client: AsgiClient) -> AsgiClient:
    client.headers["Authorization"] = "Bearer good.reader"
    return client


def test_the_list_tells_all_files_and_gates(reader: AsgiClient) -> None:
    answer = reader.get(EVIDENCE).json()
    assert answer == {
        "build": views.BUILD_ID,
        "image": "payments-api",
        "version": "1.20261121.1",
        "gates": [
            {
                "gate": "compliance",
                "passed": False,
                "score": 61.5,
                "evidence": "scored 61.5 of 90",
                "simulated": True,
                "waived": [],
            }
        ],
        "files": [
            {
                "name": "log.txt",
                "stage": "build",
                "attempt": 1,
                "is_last": False,
                "sha256": None,
                "size": 4096,
                "media_type": "text/plain",
            },
            {
                "name": "report.html.gz",
                "stage": "verify",
                "attempt": 1,
                "is_last": True,
                "sha256": evidence_twins.HTML_DIGEST,
                "size": len(evidence_twins.HTML),
                "media_type": "application/gzip",
            },
        ],
        "problems": [],
    }


def test_a_file_is_an_attachment_that_no_browser_renders(reader: AsgiClient, factory: TwinFactory) -> None:
    answer = reader.get(f"{EVIDENCE}/verify-1/report.html.gz")
    assert answer.content == evidence_twins.HTML
    assert answer.headers["Content-Type"] == "application/gzip"
    assert "Content-Encoding" not in answer.headers
    name = f"{views.BUILD_ID}.verify-1.report.html.gz"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    digest = base64.b64encode(hashlib.sha256(evidence_twins.HTML).digest()).decode()
    assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert factory.evidence.asked == [("verify-1", "report.html.gz")]


FILE = f"{EVIDENCE}/verify-1/report.html.gz"


def test_a_part_says_where_it_is_and_whose_digest_it_names(reader: AsgiClient) -> None:
    whole = reader.get(FILE)
    assert (whole.status_code, whole.headers["Accept-Ranges"]) == (200, "bytes")
    assert "Content-Range" not in whole.headers
    part = reader.get(FILE, headers={"Range": "bytes=2-"})
    size = len(evidence_twins.HTML)
    assert (part.status_code, part.content) == (206, evidence_twins.HTML[2:6])
    assert part.headers["Content-Range"] == f"bytes 2-5/{size}"
    for header in ("Repr-Digest", "ETag", "Accept-Ranges", "Content-Disposition", "Content-Security-Policy"):
        assert part.headers[header] == whole.headers[header]


def test_a_part_outside_of_the_file_is_416_with_its_size(reader: AsgiClient) -> None:
    refused = reader.get(FILE, headers={"Range": "bytes=999999-"})
    assert (refused.status_code, refused.headers["Content-Range"]) == (
        416,
        f"bytes */{len(evidence_twins.HTML)}",
    )
    assert refused.json()["type"] == "urn:imagefactory:problem:no-such-range"


@pytest.mark.parametrize(("expected", "status"), [(f'"{evidence_twins.HTML_DIGEST}"', 206), ('"other"', 200)])
def test_parts_of_another_file_are_not_mixed(reader: AsgiClient, expected: str, status: int) -> None:
    answer = reader.get(FILE, headers={"Range": "bytes=2-", "If-Range": expected})
    assert answer.status_code == status


def test_several_ranges_are_ignored(reader: AsgiClient) -> None:
    assert reader.get(FILE, headers={"Range": "bytes=0-1,4-5"}).status_code == 200


def test_a_log_has_no_digest(reader: AsgiClient, factory: TwinFactory) -> None:
    factory.evidence.kept = KeptFile(name="log.txt", content=b"x", media_type="text/plain", sha256="")
    answer = reader.get(f"{EVIDENCE}/build-1/log.txt")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "Repr-Digest" not in answer.headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/builds/x/evidence", 400),
        ("/api/builds/x/evidence/verify-1/goss.json", 400),
        (f"{EVIDENCE}/verify-0/goss.json", 400),
        (f"{EVIDENCE}/../verify-1/goss.json", 404),
        (f"{EVIDENCE}/verify-1/..%2F..%2Fsecret", 404),
        (f"{EVIDENCE}/verify-1/a/b", 404),
        ("/api/builds/payments-api.000000000000.9/evidence", 404),
        ("/api/images/payments-api/versions/latest/sbom", 400),
        ("/api/images/nobody/versions/1.20261121.1/sbom", 404),
        (DIFF, 400),
        (f"{DIFF}?from=1.20261120.1", 400),
        (f"{DIFF}?from=1.20261120.1&to=latest", 400),
        (f"{DIFF}?from=1.20261120.1&to={'1' * 65}", 400),
    ],
)
def test_what_names_nothing_reaches_no_store(
    reader: AsgiClient, factory: TwinFactory, path: str, status: int
) -> None:
    answer = reader.get(path)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert factory.evidence.asked == factory.version_diff.asked == []


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (NotFound("goss.json is not stored"), 404, "not-found"),
        (PermanentError(ErrorClass.CONFLICT, "its digest differs"), 409, "conflict"),
        (PermanentError(ErrorClass.POLICY, "it is too large"), 422, "refused"),
    ],
)
def test_what_cannot_be_given_away_is_a_problem(
    reader: AsgiClient, factory: TwinFactory, error: Exception, status: int, kind: str
) -> None:
    factory.evidence.error = error
    answer = reader.get(f"{EVIDENCE}/verify-1/goss.json")
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:imagefactory:problem:{kind}")
    assert answer.json()["detail"] == str(error)


def test_an_sbom_is_a_cyclonedx_document(reader: AsgiClient) -> None:
    answer = reader.get("/api/images/payments-api/versions/1.20261121.1/sbom")
    assert answer.json() == {"bomFormat": "CycloneDX"}
    assert answer.headers["Content-Type"] == "application/vnd.cyclonedx+json"
    assert (
        answer.headers["Content-Disposition"] == 'attachment; filename="payments-api-1.20261121.1.cdx.json"'
    )


def test_a_comparison_has_null_for_what_nobody_knows(reader: AsgiClient, factory: TwinFactory) -> None:
    answer = reader.get(DIFF, params=VERSIONS).json()
    assert answer == {
        "image": "payments-api",
        "before": "1.20261120.1",
        "after": "1.20261121.1",
        "before_build": "payments-api.000000000000.1",
        "after_build": views.BUILD_ID,
        "packages": [
            {"name": "bash", "arch": "x86_64", "kind": "upgraded", "before": ["5.1-1"], "after": ["5.2-1"]},
            {"name": "gpg-pubkey", "arch": None, "kind": "removed", "before": ["1-1"], "after": []},
        ],
        "fixed": [{"id": "RHSA-2026:1", "kind": "security", "severity": "important", "packages": ["bash"]}],
        "still_open": None,
        "compliance": {
            "before": {"profile": "cis_server_l1", "score": 90.0},
            "after": None,
            "newly_failing": [{"rule": "sshd_x", "result": "fail", "severity": "high", "title": "Disable X"}],
            "no_longer_failing": None,
        },
        "simulated": True,
    }
    assert factory.version_diff.asked == [("1.20261120.1", "1.20261121.1")]


def test_pages_show_evidence_and_differences_and_run_nothing(
    reader: AsgiClient, factory: TwinFactory
) -> None:
    attack = "<script>alert(1)</script>"
    factory.evidence.shown = replace(evidence_twins.SHOWN, problems=(attack,))
    for path, parameters in ((f"/builds/{views.BUILD_ID}", {}), ("/images/payments-api/diff", VERSIONS)):
        page = reader.get(path, params=parameters)
        assert page.status_code == 200
        assert "<script" not in page.text
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
