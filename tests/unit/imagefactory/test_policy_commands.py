"""`imagefactory policy`: show, set and check, over a socket."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory, image_view, problem, reply

pytestmark = pytest.mark.process

DOCUMENT = """
apiVersion: imagefactory/v1
kind: Policy
spec:
  compliance: {profile: cis_server_l1, minScore: 80}
  bases: {rhel10-base: {minScore: 90}}
"""
SHOWN = {
    "revision": 2,
    "digest": "ab" * 32,
    "actor": "Sam",
    "at": "2026-11-21T09:30:00Z",
    "document": {"apiVersion": "imagefactory/v1", "kind": "Policy", "spec": {"regions": ["westeurope"]}},
    "unregistered": [],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "policy.yaml"
    made.write_text(DOCUMENT)
    return made


def _answer(status: int = 200, etag: str = '"Mg"', **changes: Any) -> tuple[int, dict[str, str], bytes]:
    return reply(status, {**SHOWN, **changes}, {"ETag": etag})


def test_the_policy_in_force_is_shown(run: Run, factory: FakeFactory) -> None:
    factory.answers = [_answer(), _answer()]
    result = run("policy", "show")
    assert result.exit_code == 0, result.output
    assert "policy 2" in result.stdout
    assert "Sam" in result.stdout
    assert "regions" in result.stdout
    shown = json.loads(run("policy", "show", "-o", "json").stdout)
    assert shown == {**SHOWN, "etag": '"Mg"'}
    assert [path for _, path, _ in factory.asked] == ["/api/policy"] * 2


def test_an_older_version_and_the_history_are_shown(run: Run, factory: FakeFactory) -> None:
    versions = [{key: SHOWN[key] for key in ("revision", "digest", "actor", "at")}]
    factory.answers = [
        reply(200, SHOWN),
        reply(200, {"versions": versions, "next": 2}),
        reply(200, {"versions": versions, "next": None}),
        reply(200, {"versions": versions, "next": None}),
    ]
    assert run("policy", "show", "--version", 1).exit_code == 0
    assert json.loads(run("policy", "show", "--history", "-o", "json").stdout) == versions * 2
    assert "Sam" in run("policy", "show", "--history").stdout
    assert [path for _, path, _ in factory.asked] == [
        "/api/policy/versions/1",
        "/api/policy/versions?limit=200",
        "/api/policy/versions?limit=200&before=2",
        "/api/policy/versions?limit=200",
    ]
    assert run("policy", "show", "--history", "--version", 1).exit_code == 2


def test_there_may_be_none(run: Run, factory: FakeFactory) -> None:
    factory.answers = [problem(404, "no policy is in force")]
    result = run("policy", "show")
    assert result.exit_code == 1
    assert "no policy is in force" in result.stderr


def test_a_document_is_put_over_the_version_that_the_factory_has(
    run: Run, factory: FakeFactory, file: Path
) -> None:
    factory.answers = [_answer(), _answer(etag='"Mw"', revision=3, unregistered=["rhel10-base"])]
    result = run("policy", "set", file)
    assert result.exit_code == 0, result.output
    assert "in force: policy 3" in result.stdout
    assert "rhel10-base" in result.stderr
    (_, _, _), (method, path, headers) = factory.asked
    assert (method, path, headers["if-match"]) == ("PUT", "/api/policy", '"Mg"')


def test_a_document_that_was_lost_is_set_over_the_version_that_the_refusal_names(
    run: Run, factory: FakeFactory, file: Path
) -> None:
    status, headers, content = problem(409, "the document of policy 1 is gone from storage")
    factory.answers = [(status, {**headers, "ETag": '"MQ"'}, content), _answer(200)]
    assert run("policy", "set", file).exit_code == 0
    assert factory.asked[-1][2]["if-match"] == '"MQ"'


def test_the_first_document_is_created(run: Run, factory: FakeFactory, file: Path) -> None:
    factory.answers = [problem(404, "no policy is in force"), _answer(201), _answer(201)]
    assert run("policy", "set", file).exit_code == 0
    result = run("policy", "set", file, "--create", "-o", "json")
    assert json.loads(result.stdout)["etag"] == '"Mg"'
    assert [headers.get("if-none-match") for _, _, headers in factory.asked] == [None, "*", "*"]


@pytest.mark.parametrize("etag", ["Mg", '"Mg"'])
def test_a_version_that_is_named_is_the_one_replaced(
    run: Run, factory: FakeFactory, file: Path, etag: str
) -> None:
    factory.answers = [problem(412, "the policy has changed since it was read")]
    result = run("policy", "set", file, "--if-match", etag)
    assert result.exit_code == 1
    assert "has changed" in result.stderr
    assert factory.asked[0][2]["if-match"] == '"Mg"'
    assert run("policy", "set", file, "--if-match", etag, "--create").exit_code == 2


def test_a_file_is_checked_without_the_factory_and_every_error_reported(
    run: Run, factory: FakeFactory, file: Path
) -> None:
    assert run("policy", "check", file).exit_code == 0
    assert json.loads(run("policy", "check", file, "-o", "json").stdout) == {"valid": True, "problems": []}
    file.write_text(DOCUMENT.replace("80", "800") + "  maxage: 1d\n")
    for command in ("check", "set"):
        result = run("policy", command, file)
        assert result.exit_code == 1
        assert "spec.compliance.minScore" in result.stderr
        assert "did you mean 'maxAge'" in result.stderr
    refused = run("policy", "check", file, "-o", "json")
    answer = json.loads(refused.stdout)
    assert (refused.exit_code, answer["valid"], len(answer["problems"])) == (1, False, 2)
    assert factory.asked == []


@pytest.mark.parametrize(("reason", "code"), [("FloorAnnounced", 0), ("FloorEnforced", 1)])
def test_the_images_below_the_floor_are_listed(
    run: Run, factory: FakeFactory, reason: str, code: int
) -> None:
    below = {"type": "BelowFloor", "since": None, "reason": reason, "message": "scored 79"}
    other = {"type": "Stalled", "since": None, "reason": "MessagePoisoned", "message": "poison"}
    for name, held in {"app": [other, below], "java": [other]}.items():
        factory.images[name] = {"view": image_view(name, conditions=held), "etag": '"1"'}
    result = run("policy", "check", "-o", "json")
    assert result.exit_code == code
    assert json.loads(result.stdout) == [
        {"image": "app", "team": "payments", "reason": reason, "since": None, "message": "scored 79"}
    ]
    assert "scored 79" in run("policy", "check").stdout


def test_a_fleet_above_the_floor_is_reported(run: Run, factory: FakeFactory) -> None:
    factory.images["app"] = {"view": image_view("app"), "etag": '"1"'}
    factory.shown["/api/policy"] = SHOWN
    result = run("policy", "check")
    assert result.exit_code == 0
    assert "no image is below the floor" in result.stdout
    assert json.loads(run("policy", "check", "-o", "json").stdout) == []


def test_without_a_policy_a_fleet_is_not_said_to_be_above_a_floor(run: Run, factory: FakeFactory) -> None:
    factory.images["app"] = {"view": image_view("app"), "etag": '"1"'}
    result = run("policy", "check")
    assert result.exit_code == 0
    assert "no policy in force" in result.stderr
    assert "below the floor" not in result.output
    result = run("policy", "check", "-o", "json")
    assert (json.loads(result.stdout), "no policy in force" in result.stderr) == ([], True)


def test_a_policy_that_was_lost_is_not_said_to_be_none(run: Run, factory: FakeFactory) -> None:
    factory.answers = [reply(200, {"images": [], "next": None}), problem(409, "its record was lost")]
    result = run("policy", "check")
    assert result.exit_code == 1
    assert "its record was lost" in result.stderr
