"""Routes of receivers: every field on the wire, no address, and a secret in one answer only."""

from datetime import UTC, datetime

import pytest

from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.receivers import ALERTS, FleetReceiver
from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.receiver_twins import RECEIVER
from tests.unit.triggers.twins import TwinFactory

TEAM = {"Authorization": "Bearer good.team"}
ADMIN = {"Authorization": "Bearer good.admin"}
PATH = f"/api/receivers/{RECEIVER.id}"
URL = "https://hooks.factory.corp/a"


def test_a_receiver_shows_its_state_and_not_its_address(client: AsgiClient) -> None:
    answer = client.get("/api/receivers", headers=TEAM)
    (shown,) = answer.json()["receivers"]
    assert (shown["id"], shown["team"], shown["place"]) == (
        str(RECEIVER.id),
        "payments",
        "https://hooks.factory.corp",
    )
    assert (shown["state"], shown["waiting"], shown["given_up"], shown["detail"]) == (
        "failing",
        2,
        1,
        "it answered 500",
    )
    assert "token" not in answer.text


def test_a_page_of_receivers_names_the_next(client: AsgiClient, factory: TwinFactory) -> None:
    first = client.get("/api/receivers", headers=TEAM).json()
    assert first["next"] == str(RECEIVER.id)
    asked = {"cursor": first["next"], "limit": "7", "image": "payments-api"}
    assert client.get("/api/receivers", params=asked, headers=TEAM).json()["next"] is None
    assert factory.receivers.pages == [(None, None, 100), (ImageName("payments-api"), RECEIVER.id, 7)]


@pytest.mark.parametrize("asked", [{"cursor": "nonsense"}, {"limit": "0"}, {"limit": "201"}])
def test_a_cursor_or_a_limit_of_another_form_is_refused(
    asked: dict[str, str], client: AsgiClient, factory: TwinFactory
) -> None:
    assert client.get("/api/receivers", params=asked, headers=TEAM).status_code == 400
    assert factory.receivers.pages == []


@pytest.mark.parametrize(
    ("path", "place", "words"),
    [
        ("/api/receivers/payments-00000000", "receiver", "is not an id of a receiver"),
        (
            "/api/receivers?image=Payments",
            "image",
            "'Payments' is not a name of an image: give lower-case letters",
        ),
    ],
)
def test_an_id_or_a_name_of_another_form_is_refused_by_its_place(
    path: str, place: str, words: str, client: AsgiClient
) -> None:
    answer = client.get(path, headers=TEAM)
    assert answer.status_code == 400
    (fault,) = answer.json()["errors"]
    assert fault["path"] == place
    assert words in fault["message"]
    assert fault["remedy"].startswith("give ")


def test_one_receiver_has_its_dead_letters(client: AsgiClient) -> None:
    (dead,) = client.get(PATH, headers=TEAM).json()["dead_letters"]
    assert (dead["sequence"], dead["image"], dead["event"], dead["why"]) == (
        1,
        "payments-api",
        "image.published",
        "too old",
    )


def test_a_secret_is_in_the_answer_to_its_rotation_and_is_not_stored_on_the_way(client: AsgiClient) -> None:
    answer = client.post(f"{PATH}/secret", headers=TEAM)
    assert answer.json() == {"secret": "whsec_secret"}
    assert answer.headers["cache-control"] == "no-store"


def test_what_is_asked_reaches_the_service(client: AsgiClient, factory: TwinFactory) -> None:
    client.post(f"{PATH}/disable", json={"reason": "moves"}, headers=TEAM)
    client.post(f"{PATH}/enable", json={"replay": False}, headers=TEAM)
    client.post(f"{PATH}/replay", json={"since": "2026-11-29T12:00:00"}, headers=TEAM)
    client.post(f"{PATH}/replay", json={}, headers=TEAM)
    assert factory.receivers.asked == [
        ("disable", "moves"),
        ("enable", False),
        ("replay", datetime(2026, 11, 29, 12, tzinfo=UTC)),
        ("replay", None),
    ]


def test_a_trial_says_what_came_back(client: AsgiClient) -> None:
    answer = client.post(f"{PATH}/test", headers=TEAM).json()
    assert answer == {"accepted": False, "detail": "it answered 500"}


def test_secops_adds_a_receiver_for_the_fleet(client: AsgiClient, factory: TwinFactory) -> None:
    body = {"webhook": URL, "events": ["image.reused"], "alerts": True, "bases": True}
    assert client.post("/api/receivers", json=body, headers=ADMIN).status_code == 200
    wanted = FleetReceiver(url=URL, events=ALERTS | {Event.REUSED}, bases=True)
    assert factory.receivers.asked == [("add", wanted)]


def test_what_a_receiver_of_the_fleet_wants_is_shown(client: AsgiClient) -> None:
    body = {"webhook": URL, "events": ["image.reused"], "bases": True}
    shown = client.post("/api/receivers", json=body, headers=ADMIN).json()
    text = "every event of bases, image.reused"
    assert shown["wants"] == {"events": ["image.reused"], "alerts": False, "bases": True, "text": text}
    assert client.get(PATH, headers=TEAM).json()["wants"] is None  # a team's


def test_another_wish_is_refused_without_replace(client: AsgiClient, factory: TwinFactory) -> None:
    first, other = {"webhook": URL, "alerts": True}, {"webhook": URL, "bases": True}
    for body, status in ((first, 200), (first, 200), (other, 409), ({**other, "replace": True}, 200)):
        assert client.post("/api/receivers", json=body, headers=ADMIN).status_code == status
    assert factory.receivers.fleet == FleetReceiver(url=URL, bases=True)


def test_an_unknown_event_or_id_is_refused(client: AsgiClient, factory: TwinFactory) -> None:
    body = {"webhook": URL, "events": ["image.exploded"]}
    refused = client.post("/api/receivers", json=body, headers=ADMIN)
    assert 400 <= refused.status_code < 500
    assert "image.exploded is not an event" in refused.text
    assert client.get("/api/receivers/payments--0000000000000000", headers=TEAM).status_code == 404
    assert client.get("/api/receivers/payments--nothexnothexnoth", headers=TEAM).status_code == 400
    assert factory.receivers.asked == []
