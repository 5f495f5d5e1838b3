"""What the API answers about poisoned messages and conditions."""

from dataclasses import replace

import pytest

from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.poison import PoisonState
from tests.unit.triggers import views
from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory

KEY = views.POISON.key


@pytest.fixture
def team(client: AsgiClient) -> AsgiClient:
    client.headers["Authorization"] = "Bearer good.team"
    return client


def test_the_list_has_null_for_what_is_absent(team: AsgiClient) -> None:
    answer = team.get("/api/poison").json()
    assert answer["next"] is None
    assert answer["records"][0] == {
        "key": KEY,
        "queue": "build-steps",
        "text": '{"schema":1}',
        "at": "2026-11-21T09:30:00Z",
        "size": 12,
        "is_whole": True,
        "image": "payments-api",
        "build": views.BUILD_ID,
        "error": None,
        "state": "open",
        "closed_by": None,
        "closed_identity": None,
        "closed_at": None,
    }
    assert (answer["records"][1]["image"], answer["records"][1]["closed_by"]) == (None, "Admin")


def test_a_page_is_asked_for_as_the_caller_says(team: AsgiClient, factory: TwinFactory) -> None:
    team.get("/api/poison", params={"state": "dismissed", "after": KEY, "limit": "2"})
    team.get("/api/poison")
    assert factory.poison_review.asked == [
        ("Member", PoisonState.DISMISSED, KEY, 2),
        ("Member", None, "", 50),
    ]


@pytest.mark.parametrize(
    "parameters",
    [{"state": "closed"}, {"limit": "0"}, {"limit": "101"}, {"after": "' or 1"}, {"after": "x" * 65}],
    ids=["state", "no limit", "limit", "after", "long"],
)
def test_a_page_that_cannot_be_is_refused(
    parameters: dict[str, str], team: AsgiClient, factory: TwinFactory
) -> None:
    assert team.get("/api/poison", params=parameters).status_code == 400
    assert factory.poison_review.asked == []


def test_requeueing_answers_with_the_record_and_twice_is_a_conflict(
    team: AsgiClient, factory: TwinFactory
) -> None:
    answer = team.post(f"/api/poison/{KEY}/requeue")
    assert (answer.status_code, answer.json()["state"], answer.json()["closed_by"]) == (
        200,
        "requeued",
        "Member",
    )
    again = team.post(f"/api/poison/{KEY}/requeue")
    assert (again.status_code, again.json()["type"]) == (409, "urn:imagefactory:problem:conflict")
    assert team.delete(f"/api/poison/{KEY}").status_code == 409
    assert factory.poison_review.closed == [(KEY, "requeued")]


def test_dismissing_answers_with_nothing(team: AsgiClient, factory: TwinFactory) -> None:
    answer = team.delete(f"/api/poison/{KEY}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert factory.poison_review.closed == [(KEY, "dismissed")]


@pytest.mark.parametrize("key", ["nothing", "a'b", "x" * 65, "a%20b", "a:b"])
def test_a_key_that_is_none_reaches_no_store(key: str, team: AsgiClient, factory: TwinFactory) -> None:
    assert team.post(f"/api/poison/{key}/requeue").status_code == 400
    assert team.delete(f"/api/poison/{key}").status_code == 400
    assert factory.poison_review.closed == []


def test_a_text_that_cannot_be_sent_again_is_refused(
    team: AsgiClient, factory: TwinFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermanentError(ErrorClass.POLICY, "its text was cut")

    monkeypatch.setattr(factory.poison_review, "requeue", refuse)
    answer = team.post(f"/api/poison/{KEY}/requeue")
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:imagefactory:problem:refused")


def test_images_and_builds_show_their_conditions(team: AsgiClient, factory: TwinFactory) -> None:
    shown = {
        "type": "Stalled",
        "since": "2026-11-21T09:30:00Z",
        "reason": "MessagePoisoned",
        "message": "a message of build-steps could not be handled",
    }
    image = replace(views.PAYMENTS, conditions=(views.STALLED,))
    build = replace(views.BUILD, conditions=(views.STALLED,))
    factory.queries.page = replace(views.PAGE, images=(image, views.BASE))
    factory.queries.detail = replace(views.DETAIL, image=image, builds=(build,))
    listed = team.get("/api/images").json()["images"]
    assert [each["conditions"] for each in listed] == [[shown], []]
    detail = team.get("/api/images/payments-api").json()
    assert (detail["conditions"], detail["builds"][0]["conditions"]) == ([shown], [shown])


def test_hostile_texts_come_as_json_and_are_never_a_page(team: AsgiClient, factory: TwinFactory) -> None:
    attack = "<script>alert(1)</script>"
    factory.poison_review.view = replace(views.POISON, text=attack, error=attack, queue=attack)
    answer = team.get("/api/poison")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["records"][0]["text"] == attack
    page = team.get("/poison")
    assert "<script" not in page.text
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
