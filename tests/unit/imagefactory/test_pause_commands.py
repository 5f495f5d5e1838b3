"""`imagefactory pause` and `resume`, and what other commands say while the factory is paused."""

import json
from typing import Any

import pytest

from imagefactory.commands import pause
from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory, image_view, problem, reply

pytestmark = pytest.mark.process

LINE = "the factory is paused since 2026-11-21 10:00 UTC by Admin: an incident"


def _answer(state: str) -> dict[str, Any]:
    return {"state": state, "message": None if state == "running" else LINE.replace("paused", state)}


def test_it_waits_until_the_pause_is_complete(
    run: Run, factory: FakeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pause, "_EVERY", 0.01)
    factory.answers += [reply(202, _answer("pausing")), reply(200, _answer("pausing"))]
    factory.shown["/api/pause"] = _answer("paused")
    done = run("pause", "--reason", "an incident")
    assert (done.exit_code, done.stdout.strip()) == (0, LINE)
    assert [asked[:2] for asked in factory.asked] == [("PUT", "/api/pause"), *[("GET", "/api/pause")] * 2]
    assert factory.bodies == [{"reason": "an incident"}]
    assert "a creation that was under way is waited for" in done.stderr


def test_a_pause_that_does_not_become_complete_ends_with_a_message(
    run: Run, factory: FakeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pause, "_PATIENCE", 0.0)
    factory.answers.append(reply(202, _answer("pausing")))
    done = run("pause", "--reason", "an incident")
    assert done.exit_code == 1
    assert "the factory is still pausing" in " ".join(done.stderr.split())


def test_without_waiting_it_says_what_holds(run: Run, factory: FakeFactory) -> None:
    factory.answers.append(reply(202, _answer("pausing")))
    done = run("pause", "--reason", "an incident", "--no-wait", "-o", "json")
    assert json.loads(done.stdout) == _answer("pausing")
    assert len(factory.asked) == 1


def test_the_status_is_shown_and_changes_nothing(run: Run, factory: FakeFactory) -> None:
    factory.shown["/api/pause"] = _answer("running")
    done = run("pause", "--status")
    assert (done.exit_code, done.stdout.strip()) == (0, "the factory is not paused")
    assert [asked[0] for asked in factory.asked] == ["GET"]


@pytest.mark.parametrize("given", [(), ("--reason", " "), ("--status", "--reason", "an incident")])
def test_it_pauses_only_for_a_reason(given: tuple[str, ...], run: Run, factory: FakeFactory) -> None:
    done = run("pause", *given)
    assert done.exit_code == 2
    assert factory.asked == []


def test_it_resumes(run: Run, factory: FakeFactory) -> None:
    factory.answers.append(reply(200, _answer("running")))
    done = run("resume", "--reason", "it is over")
    assert (done.exit_code, done.stdout.strip()) == (0, "the factory is not paused")
    assert factory.asked[0][:2] == ("POST", "/api/resume")
    assert factory.bodies == [{"reason": "it is over"}]


def test_a_refusal_is_a_refusal(run: Run, factory: FakeFactory) -> None:
    factory.answers.append(problem(403, "only SecOps (Factory.Admin) pauses the factory"))
    done = run("pause", "--reason", "an incident")
    assert done.exit_code == 1
    assert "only SecOps" in done.stderr


@pytest.mark.parametrize("command", [("list",), ("show", "payments-api")])
@pytest.mark.parametrize("output", ["table", "json"])
@pytest.mark.parametrize("paused", [LINE, None])
def test_list_and_show_warn_on_standard_error(
    command: tuple[str, ...], output: str, paused: str | None, run: Run, factory: FakeFactory
) -> None:
    view = image_view("payments-api")
    if command == ("list",):
        factory.shown["/api/images"] = {"images": [view], "next": None, "paused": paused}
    else:
        factory.shown["/api/images/payments-api"] = {**view, "paused": paused}
    done = run(*command, "-o", output)
    assert done.exit_code == 0
    assert (LINE in " ".join(done.stderr.split())) is (paused is not None)
    assert LINE not in done.stdout or (command[0] == "show" and output == "json")
    if command[0] == "show" and output == "json":
        assert json.loads(done.stdout)["paused"] == paused
