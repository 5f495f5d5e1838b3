"""`imagefactory waivers`: what is sent, and what the table says of a waiver that does not count."""

import json
from typing import Any

import pytest

from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory

pytestmark = pytest.mark.process

MADE = {"identity": "user:oid@t", "name": "Sec Ops", "at": "2026-11-21T12:00:00Z", "reason": "seen in 42"}


def _waiver(**changes: Any) -> dict[str, Any]:
    return {
        "image": "payments-api",
        "team": "payments",
        "kind": "scan",
        "rule": "partition_for_tmp",
        "path": "",
        "state": "granted",
        "ends_soon": False,
        "asked_reason": "with the next release",
        "asked_until": None,
        "until": "2027-01-31",
        "granted": MADE,
        "withdrawn": None,
    } | changes


def test_grant_sends_the_subject_the_day_and_the_reason(run: Run, factory: FakeFactory) -> None:
    factory.answers.append((200, {}, json.dumps(_waiver()).encode()))
    words = (
        "waivers",
        "grant",
        "payments-api",
        "partition_for_tmp",
        "--until",
        "2027-01-31",
        "--reason",
        "seen",
    )
    done = run(*words)
    assert done.exit_code == 0, done.stderr
    assert factory.asked[-1][:2] == ("PUT", "/api/images/payments-api/waivers")
    assert factory.bodies == [
        {"kind": "scan", "rule": "partition_for_tmp", "path": "", "reason": "seen", "until": "2027-01-31"}
    ]
    assert "payments-api may fail partition_for_tmp until 2027-01-31" in done.stdout


def test_withdraw_sends_the_subject_and_the_reason(run: Run, factory: FakeFactory) -> None:
    factory.answers.append((200, {}, json.dumps(_waiver(state="withdrawn")).encode()))
    words = ("--kind", "hygiene", "--path", "/opt/key.pem", "--reason", "gone")
    done = run("waivers", "withdraw", "payments-api", "private-key", *words)
    assert done.exit_code == 0, done.stderr
    assert factory.asked[-1][:2] == ("POST", "/api/images/payments-api/waivers/withdraw")
    assert factory.bodies == [
        {"kind": "hygiene", "rule": "private-key", "path": "/opt/key.pem", "reason": "gone"}
    ]


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (("grant", "app", "r", "--reason", "x"), "--until is missing"),
        (("grant", "app", "r", "--until", "soon", "--reason", "x"), "is not a day"),
        (("grant", "app", "r", "--until", "2027-01-31"), "--reason is missing"),
        (
            ("grant", "app", "r", "--kind", "hygiene", "--until", "2027-01-31", "--reason", "x"),
            "--path belongs",
        ),
        (("withdraw", "app", "r", "--path", "/opt", "--reason", "x"), "--path belongs"),
        (("withdraw", "App", "r", "--reason", "x"), "is not a name of an image"),
    ],
)
def test_what_is_missing_is_said_before_any_request(
    run: Run, factory: FakeFactory, words: tuple[str, ...], missing: str
) -> None:
    done = run("waivers", *words)
    assert done.exit_code == 2
    assert missing in " ".join(done.stderr.split())
    assert factory.asked == []


def test_the_list_says_what_is_asked_for_and_by_whom_it_was_granted(run: Run, factory: FakeFactory) -> None:
    asked = {"state": "asked", "granted": None, "until": None, "rule": "other"}
    found = [_waiver(ends_soon=True), _waiver(**asked)]
    factory.shown["/api/waivers"] = {"waivers": found, "next": None}
    shown = run("waivers", "list", "--image", "payments-api", COLUMNS="250")
    text = " ".join(shown.stdout.split())
    assert "2027-01-31 (soon)" in text
    assert "Sec Ops" in text
    assert "asked for" in text
    assert "the team: with the next release" in text
    assert json.loads(run("waivers", "list", "--asked", "-o", "json").stdout) == found
    assert [path for _, path, _ in factory.asked] == [
        "/api/waivers?after=&limit=200&image=payments-api",
        "/api/waivers?after=&limit=200&asked=true",
    ]


def test_a_grant_that_nobody_asks_for_is_listed_as_such(run: Run, factory: FakeFactory) -> None:
    found = {"waivers": [_waiver(state="unasked", asked_reason="")], "next": None}
    factory.answers.append((200, {}, json.dumps(found).encode()))
    shown = run("waivers", "list", COLUMNS="250")
    assert shown.exit_code == 0, shown.stderr
    assert "granted, not asked for" in " ".join(shown.stdout.split())
