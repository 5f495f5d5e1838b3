"""`imagefactory approve`, `approvals` and `bases`: what is sent, and what the tables say."""

import json
from typing import Any

import pytest

from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory

pytestmark = pytest.mark.process

MADE = {"identity": "user:oid@t", "name": "Sec Ops", "at": "2026-11-21T12:00:00Z", "reason": "a trial"}


def _approval(**changes: Any) -> dict[str, Any]:
    return {
        "parent": "pay-base",
        "team": "ml",
        "owner": "payments",
        "state": "approved",
        "ends_soon": False,
        "until": None,
        "granted": MADE,
        "withdrawn": None,
        "withheld": None,
    } | changes


def _words(text: str) -> str:
    return " ".join(text.split())


def test_approve_sends_the_team_the_day_and_the_reason(run: Run, factory: FakeFactory) -> None:
    factory.answers.append((200, {}, json.dumps(_approval(until="2027-01-31")).encode()))
    words = ("approve", "pay-base", "--for", "ml", "--until", "2027-01-31", "--reason", "a trial")
    done = run(*words)
    assert done.exit_code == 0, done.stderr
    assert factory.bodies == [{"reason": "a trial", "until": "2027-01-31"}]
    assert factory.asked[-1][:2] == ("PUT", "/api/images/pay-base/approvals/ml")
    assert "team ml may build on pay-base until 2027-01-31" in done.stdout


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (("approve", "pay-base", "--reason", "r"), "--for is missing"),
        (("approve", "pay-base", "--for", "ml"), "--reason is missing"),
        (("approve", "pay-base", "--for", "ml", "--reason", "r", "--until", "soon"), "is not a day"),
        (("approve", "Pay", "--for", "ml", "--reason", "r"), "is not a name of an image"),
        (("approvals", "withdraw", "pay-base", "--for", "ml"), "--reason is missing"),
        (("approvals", "offer", "pay-base", "--reason", "r"), "--for is missing"),
        (("bases",), "--team is missing"),
    ],
)
def test_what_is_missing_is_said_before_any_request(
    run: Run, factory: FakeFactory, words: tuple[str, ...], missing: str
) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert missing in _words(done.stderr)
    assert factory.asked == []


@pytest.mark.parametrize("deed", ["withdraw", "offer"])
def test_a_decision_is_sent_with_its_reason(run: Run, factory: FakeFactory, deed: str) -> None:
    factory.answers.append((200, {}, json.dumps(_approval(state="withheld")).encode()))
    done = run("approvals", deed, "pay-base", "--for", "ml", "--reason", "a trial")
    assert done.exit_code == 0, done.stderr
    assert factory.asked[-1][:2] == ("POST", f"/api/images/pay-base/approvals/ml/{deed}")
    assert factory.bodies == [{"reason": "a trial"}]


def test_the_list_asks_for_every_page_and_shows_the_newest_decision(run: Run, factory: FakeFactory) -> None:
    gone = MADE | {"name": "Pay Owner", "reason": "no longer offered"}
    pages = [
        {"approvals": [_approval(until="2026-12-01", ends_soon=True)], "next": "ml:pay-base"},
        {"approvals": [_approval(team="x", state="withheld", withheld=gone)], "next": None},
    ]
    factory.answers += [(200, {}, json.dumps(page).encode()) for page in pages]
    shown = run("approvals", "list", "--parent", "pay-base", "--ending")
    assert shown.exit_code == 0, shown.stderr
    assert [path for _, path, _ in factory.asked] == [
        "/api/approvals?after=&limit=200&parent=pay-base&ending=true",
        "/api/approvals?after=ml%3Apay-base&limit=200&parent=pay-base&ending=true",
    ]
    text = _words(shown.stdout)
    assert "2026-12-01 (soon)" in text
    assert "withheld by its owner" in text
    assert "Pay Owner" in text


def test_bases_say_why_a_team_may_build_on_them(run: Run, factory: FakeFactory) -> None:
    base = {"name": "rhel9-base", "team": "secops", "parent": None, "version": None, "until": None}
    approved = base | {
        "name": "pay-base",
        "team": "payments",
        "parent": "rhel9-base",
        "version": "1.20261121.1",
    }
    page = {
        "bases": [
            base | {"is_approved": False},
            approved | {"is_approved": True, "until": "2027-01-31"},
            approved | {"name": "pay-other", "is_approved": True},
        ],
        "next": None,
    }
    factory.shown["/api/bases"] = page
    shown = run("bases", "--team", "ml")
    text = _words(shown.stdout)
    assert "Marketplace" in text
    assert "until 2027-01-31" in text
    assert json.loads(run("bases", "--team", "ml", "-o", "json").stdout) == page["bases"]
