"""`imagefactory evidence`, `diff` and `sbom`: what they show, and what they write, against a factory that may lie."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory

pytestmark = pytest.mark.process

BUILD = "payments-api.3fa9c1d20b77.1"
GOSS, LOG = b'{"summary": {}}', b"built\n"
GATE = {"gate": "goss", "passed": True, "score": None, "evidence": "3 of 3 passed", "simulated": True}


def kept(name: str, content: bytes, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "stage": "verify",
        "attempt": 1,
        "is_last": True,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "media_type": "application/json",
        **changes,
    }


def listed(*files: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "build": BUILD,
        "image": "payments-api",
        "version": "1.20261121.1",
        "gates": [GATE],
        "files": list(files),
        "problems": [],
        **changes,
    }


TWO = listed(
    kept("log.txt", LOG, stage="build", sha256=None, is_last=False, media_type="text/plain"),
    kept("goss.json", GOSS),
)
DIFF: dict[str, Any] = {
    "image": "payments-api",
    "before": "1.20261120.1",
    "after": "1.20261121.1",
    "before_build": "payments-api.000000000000.1",
    "after_build": BUILD,
    "packages": [
        {"name": "bash", "arch": "x86_64", "kind": "upgraded", "before": ["5.1-1"], "after": ["5.2-1"]},
        {"name": "gpg-pubkey", "arch": None, "kind": "removed", "before": ["1-1"], "after": []},
    ],
    "fixed": [{"id": "RHSA-2026:1", "kind": "security", "severity": "important", "packages": ["bash"]}],
    "still_open": None,
    "compliance": {
        "before": {"profile": "cis", "score": 90.5},
        "after": None,
        "newly_failing": [{"rule": "sshd_x", "result": "fail", "severity": "high", "title": "Disable X"}],
        "no_longer_failing": [{"rule": "aide", "result": "error", "severity": "low", "title": None}],
    },
    "simulated": True,
}


def says(factory: FakeFactory, *answers: object) -> None:
    """What the factory answers, one after the other: JSON, or bytes as they are."""
    for answer in answers:
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        factory.answers.append((200, {"Content-Type": "application/octet-stream"}, content))


def test_the_list_shows_gates_files_and_problems(run: Run, factory: FakeFactory) -> None:
    says(factory, {**TWO, "problems": ["verify-2: its digest differs"]})
    done = run("evidence", BUILD)
    assert done.exit_code == 0, done.output
    for text in ("3 of 3 passed", "simulated", "build-1 (earlier)", "goss.json", TWO["files"][1]["sha256"]):
        assert text in done.stdout
    assert "problem: verify-2: its digest differs" in done.stderr
    assert factory.asked[0][:2] == ("GET", f"/api/builds/{BUILD}/evidence")


def test_json_is_what_the_factory_said(run: Run, factory: FakeFactory) -> None:
    says(factory, TWO)
    assert json.loads(run("evidence", BUILD, "-o", "json").stdout) == TWO


def test_every_file_is_saved_as_it_is(run: Run, factory: FakeFactory, tmp_path: Path) -> None:
    says(factory, TWO, LOG, GOSS)
    done = run("evidence", BUILD, "--save", tmp_path / "kept")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "kept" / "build-1" / "log.txt").read_bytes() == LOG
    assert (tmp_path / "kept" / "verify-1" / "goss.json").read_bytes() == GOSS
    assert [path for _, path, _ in factory.asked[1:]] == [
        f"/api/builds/{BUILD}/evidence/build-1/log.txt",
        f"/api/builds/{BUILD}/evidence/verify-1/goss.json",
    ]


def test_a_file_with_another_digest_is_not_written(run: Run, factory: FakeFactory, tmp_path: Path) -> None:
    says(factory, TWO, LOG, b"forged")
    done = run("evidence", BUILD, "--save", tmp_path / "kept")
    assert done.exit_code == 1
    assert "verify-1/goss.json has another digest" in done.stderr
    assert not (tmp_path / "kept" / "verify-1").exists()


@pytest.mark.parametrize(
    "file",
    [
        kept("../../evil", GOSS),
        kept("/etc/passwd", GOSS),
        kept("", GOSS),
        kept("goss.json", GOSS, stage="../.."),
        kept("goss.json", GOSS, attempt="1/../../.."),
    ],
    ids=["up", "absolute", "empty", "stage", "attempt"],
)
def test_no_name_of_the_factorys_leads_out_of_the_folder(
    run: Run, factory: FakeFactory, tmp_path: Path, file: dict[str, Any]
) -> None:
    says(factory, listed(file), GOSS)
    done = run("evidence", BUILD, "--save", tmp_path / "kept")
    assert done.exit_code == 1
    assert "is not a valid name" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(run: Run, factory: FakeFactory, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    says(factory, TWO)
    done = run("evidence", BUILD, "--save", tmp_path)
    assert done.exit_code == 2
    assert "not an empty folder" in done.stderr


def test_a_refused_file_says_why(run: Run, factory: FakeFactory, tmp_path: Path) -> None:
    says(factory, TWO)
    detail = {"detail": "its digest differs; report this to SecOps", "status": 409}
    factory.answers.append((409, {"Content-Type": "application/problem+json"}, json.dumps(detail).encode()))
    done = run("evidence", BUILD, "--save", tmp_path / "kept")
    assert (done.exit_code, "its digest differs; report this to SecOps (409)" in done.stderr) == (1, True)


def test_a_diff_shows_packages_advisories_and_rules(run: Run, factory: FakeFactory) -> None:
    says(factory, DIFF)
    done = run("diff", "payments-api", "1.20261120.1", "1.20261121.1")
    assert done.exit_code == 0, done.output
    for text in (
        "2 packages differ",
        "bash.x86_64",
        "upgraded",
        "5.2-1",
        "gpg-pubkey",
        "RHSA-2026:1",
        "advisories still open: not known",
        "90.5 by cis",
        "not scanned",
        "fails now",
        "sshd_x",
        "fails no longer",
    ):
        assert text in done.stdout, text
    assert "simulated" in done.stderr
    assert factory.asked[0][1] == "/api/images/payments-api/diff?from=1.20261120.1&to=1.20261121.1"


def test_scans_that_cannot_be_compared_say_so(run: Run, factory: FakeFactory) -> None:
    compliance = {"before": None, "after": None, "newly_failing": None, "no_longer_failing": None}
    says(factory, {**DIFF, "compliance": compliance, "simulated": False})
    done = run("diff", "payments-api", "1.20261120.1", "1.20261121.1")
    assert "cannot be compared" in done.stdout
    assert "simulated" not in done.stderr


def test_control_characters_of_a_machine_are_not_obeyed(run: Run, factory: FakeFactory) -> None:
    change = {**DIFF["packages"][0], "name": "a\x1b[31mb"}
    says(factory, {**DIFF, "packages": [change]})
    assert "\x1b[31m" not in run("diff", "payments-api", "1.20261120.1", "1.20261121.1").stdout


def test_an_sbom_of_a_version_is_shown_or_written_byte_for_byte(
    run: Run, factory: FakeFactory, tmp_path: Path
) -> None:
    document = b'{"bomFormat":   "CycloneDX"}'
    says(factory, document, document)
    assert json.loads(run("sbom", "payments-api@1.20261121.1").stdout) == {"bomFormat": "CycloneDX"}
    file = tmp_path / "sbom.json"
    assert run("sbom", "payments-api@1.20261121.1", "--file", file).exit_code == 0
    assert file.read_bytes() == document
    assert {path for _, path, _ in factory.asked} == {"/api/images/payments-api/versions/1.20261121.1/sbom"}


def test_without_a_version_the_current_one_is_taken(run: Run, factory: FakeFactory) -> None:
    says(factory, {"version": "1.20261121.7"}, b"{}")
    assert run("sbom", "payments-api").exit_code == 0
    assert factory.asked[-1][1] == "/api/images/payments-api/versions/1.20261121.7/sbom"
    says(factory, {"version": None})
    done = run("sbom", "payments-api")
    assert (done.exit_code, "no published version" in done.stderr) == (1, True)


def test_an_sbom_that_is_not_json_is_not_printed(run: Run, factory: FakeFactory) -> None:
    says(factory, b"\x1b]0;evil\x07")
    done = run("sbom", "payments-api@1.20261121.1")
    assert done.exit_code == 1
    assert "\x1b" not in done.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("diff", "Payments API", "1.20261120.1", "1.20261121.1"), "not a name of an image"),
        (("diff", "payments-api", "1.20261120.1", "latest"), "'latest' is not a version"),
        (("diff", "payments-api", "1.0", "1.20261121.1"), "'1.0' is not a version"),
        (("sbom", "payments-api@"), "'' is not a version"),
        (("sbom", "../api"), "not a name of an image"),
        (("verify", "@1.20261121.1"), "not a name of an image"),
        (("verify", "payments-api@latest"), "imagefactory show IMAGE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_names_no_image_or_version_is_wrong_usage_and_nobody_is_asked(
    words: tuple[str, ...], told: str, run: Run, factory: FakeFactory
) -> None:
    ended = run(*words)
    assert ended.exit_code == 2
    assert told in " ".join(ended.stderr.split())
    assert factory.asked == []


@pytest.mark.parametrize("words", [("evidence", "nope"), ("builds", "show", "nope"), ("cancel", "nope")])
def test_what_is_not_an_id_of_a_build_is_said_once_and_nobody_is_asked(
    run: Run, factory: FakeFactory, words: tuple[str, ...]
) -> None:
    ended = run(*words)
    assert ended.exit_code == 2
    assert ended.stderr.count("'nope' is not an id of a build") == 1
    assert factory.asked == []


def test_what_is_not_a_name_of_an_image_is_said_once_with_what_to_give(
    run: Run, factory: FakeFactory
) -> None:
    ended = run("sbom", "Payments")
    said = " ".join(ended.stderr.split())
    assert (ended.exit_code, factory.asked) == (2, [])
    assert said.count("'Payments' is not a name of an image") == 1
    assert said.count("Payments") == 1
    assert "lower-case letters" in said
    assert "`imagefactory list` prints them" in said
