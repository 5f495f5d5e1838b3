"""`imagefactory notify`: what is shown, what is sent, and a secret that is printed alone."""

import json
from typing import Any

import pytest

from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory, problem, reply

pytestmark = pytest.mark.process

ID = "payments--0123456789abcdef"


def _receiver(**changes: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "team": "payments",
        "place": "https://hooks.example.com",
        "state": "failing",
        "waiting": 1,
        "given_up": 0,
        "has_secret": True,
        "former_secret_until": None,
        "failing_since": None,
        "next_try": None,
        "accepted_at": None,
        "detail": "it answered 500",
        "dead_letters": [],
        "wants": None,
    } | changes


def test_the_list_names_state_and_reason(run: Run, factory: FakeFactory) -> None:
    both = [_receiver(), _receiver(id="0" * 16, team=None)]
    factory.shown["/api/receivers"] = {"receivers": both, "next": None}
    shown = run("notify", "list")
    assert shown.exit_code == 0
    for text in (ID, "failing", "it answered 500", "SecOps", "2 receivers"):
        assert text in shown.output
    shown = json.loads(run("notify", "list", "payments-api", "-o", "json").output)
    assert ([each["id"] for each in shown["receivers"]], shown["next"]) == ([ID, "0" * 16], None)
    assert factory.asked[-1][1] == "/api/receivers?cursor=&limit=100&image=payments-api"


def test_a_page_of_receivers_says_where_the_next_one_begins(run: Run, factory: FakeFactory) -> None:
    factory.answers += [reply(200, {"receivers": [_receiver()], "next": ID})]
    done = run("notify", "list", "--limit", "1")
    assert "1 receiver" in done.stdout
    assert f"more: --cursor {ID}, or --all" in done.stderr
    assert factory.asked[-1][1] == "/api/receivers?cursor=&limit=1"


def test_all_pages_of_receivers_come_in_one_list(run: Run, factory: FakeFactory) -> None:
    last = _receiver(id="team--" + "f" * 16)
    factory.answers += [
        reply(200, {"receivers": [_receiver()], "next": ID}),
        reply(200, {"receivers": [last], "next": None}),
    ]
    shown = json.loads(run("notify", "list", "--all", "--limit", "1", "-o", "json").stdout)
    assert [each["id"] for each in shown["receivers"]] == [ID, last["id"]]
    assert factory.asked[-1][1] == f"/api/receivers?cursor={ID}&limit=1"


def test_a_factory_of_an_older_release_sends_every_receiver(run: Run, factory: FakeFactory) -> None:
    factory.answers += [reply(200, {"receivers": [_receiver()]})]
    assert json.loads(run("notify", "list", "-o", "json").stdout)["next"] is None


def test_one_receiver_is_shown_with_its_dead_letters(run: Run, factory: FakeFactory) -> None:
    dead = {
        "sequence": 1,
        "image": "payments-api",
        "event": "image.published",
        "at": "2026",
        "why": "too old",
    }
    factory.shown[f"/api/receivers/{ID}"] = _receiver(dead_letters=[dead])
    shown = run("notify", "show", ID)
    assert "too old" in shown.output
    assert json.loads(run("notify", "show", ID, "-o", "json").output)["id"] == ID


def test_a_secret_is_the_only_line_of_the_output(run: Run, factory: FakeFactory) -> None:
    factory.answers.append(reply(200, {"secret": "whsec_abc"}))
    shown = run("notify", "secret", "rotate", ID)
    assert shown.stdout == "whsec_abc\n"
    assert factory.asked[-1][:2] == ("POST", f"/api/receivers/{ID}/secret")


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("disable", ID, "--reason", "moves"), "disable"),
        (("enable", ID), "enable"),
        (("enable", ID, "--no-replay"), "enable"),
        (("replay", ID, "--since", "2026-11-29T12:00:00Z"), "replay"),
    ],
)
def test_a_receiver_is_changed(run: Run, factory: FakeFactory, arguments: tuple[str, ...], path: str) -> None:
    factory.answers.append(reply(200, _receiver(state="working")))
    shown = run("notify", *arguments)
    assert shown.exit_code == 0
    assert f"{ID}: working, 1 waits" in shown.output
    assert factory.asked[-1][:2] == ("POST", f"/api/receivers/{ID}/{path}")


def test_a_trial_that_is_not_accepted_fails_the_command(run: Run, factory: FakeFactory) -> None:
    factory.answers.append(reply(200, {"accepted": False, "detail": "it answered 500"}))
    refused = run("notify", "test", ID)
    assert refused.exit_code == 1
    assert "it answered 500" in refused.output
    factory.answers.append(reply(200, {"accepted": True, "detail": "it accepted the trial"}))
    assert run("notify", "test", ID).exit_code == 0


def test_secops_adds_and_removes_a_receiver_for_the_fleet(run: Run, factory: FakeFactory) -> None:
    factory.answers.append(reply(200, _receiver(id="0" * 16, has_secret=False)))
    added = run("notify", "add", "https://hooks.example.com/a", "--alerts")
    assert f"imagefactory notify secret rotate {'0' * 16}" in added.output
    factory.answers.append((204, {}, b""))
    assert run("notify", "remove", "0" * 16).exit_code == 0
    assert factory.asked[-1][:2] == ("DELETE", f"/api/receivers/{'0' * 16}")


WANTS = {
    "events": ["image.reused"],
    "alerts": False,
    "bases": True,
    "text": "every event of bases, image.reused",
}


def test_what_a_receiver_of_the_fleet_wants_is_printed(run: Run, factory: FakeFactory) -> None:
    fleet = _receiver(id="0" * 16, team=None, wants=WANTS)
    factory.shown["/api/receivers"] = {"receivers": [fleet], "next": None}
    factory.shown[f"/api/receivers/{'0' * 16}"] = fleet
    for shown in (run("notify", "list"), run("notify", "show", "0" * 16)):
        assert "every event of bases, image.reused" in shown.output
    del fleet["wants"]
    assert "older release" in run("notify", "list").output


def test_another_wish_needs_replace(run: Run, factory: FakeFactory) -> None:
    refusal = (
        "0000000000000000 wants something else already (every alarm), so nothing was changed: give --replace"
    )
    factory.answers.append(problem(409, refusal))
    refused = run("notify", "add", "https://hooks.example.com/a", "--bases")
    assert refused.exit_code == 1
    assert refusal in refused.output
    factory.answers.append(reply(200, _receiver(id="0" * 16, team=None, wants=WANTS)))
    added = run("notify", "add", "https://hooks.example.com/a", "--bases", "--replace")
    assert "it gets: every event of bases, image.reused" in added.stderr
    assert [body.get("replace") for body in factory.bodies[-2:]] == [None, True]


def test_a_receiver_that_wants_nothing_is_wrong_usage(run: Run, factory: FakeFactory) -> None:
    assert run("notify", "add", "https://hooks.example.com/a").exit_code == 2
    assert factory.asked == []
