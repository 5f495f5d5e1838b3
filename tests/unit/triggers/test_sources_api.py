"""Routes of followed sources: every field on the wire, and the decision of SecOps."""

from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import SOURCE, TwinFactory

ADMIN = {"Authorization": "Bearer good.admin"}
PATH = f"/api/sources/{SOURCE.key}/accept"


def test_a_source_names_what_is_offered_what_was_withdrawn_and_its_images(client: AsgiClient) -> None:
    (shown,) = client.get("/api/sources", headers={"Authorization": "Bearer good.reader"}).json()["sources"]
    assert (shown["key"], shown["urn"], shown["location"]) == (SOURCE.key, SOURCE.urn, "westeurope")
    assert (shown["newest"], shown["revision"], shown["images"]) == ("9.6.2025112113", 3, ["rhel9-base"])
    (gone,) = shown["withdrawn"]
    assert (gone["version"], gone["reason"]) == ("9.8.2026062323", "absent")
    assert gone["message"] == "is no longer offered"
    assert gone["since"] == shown["looked_at"] == shown["silence"]["since"]
    assert shown["silence"]["why"] == "the Marketplace lists no version of it"
    assert shown["accepted"] is None


def test_secops_accepts_a_release_with_a_reason(client: AsgiClient, factory: TwinFactory) -> None:
    answer = client.post(PATH, json={"release": "9.6.2025112113", "reason": "9.8 is broken"}, headers=ADMIN)
    assert answer.status_code == 200
    assert answer.json()["accepted"]["actor"] == "Admin"
    assert factory.sources.accepted == [("9.6.2025112113", "9.8 is broken")]


def test_a_release_is_not_accepted_without_a_reason(client: AsgiClient, factory: TwinFactory) -> None:
    refused = client.post(PATH, json={"release": "9.6.2025112113"}, headers=ADMIN)
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("no reason was given: say why")
    assert factory.sources.accepted == []


def test_a_release_that_is_not_the_one_to_decide_about_is_a_conflict(client: AsgiClient) -> None:
    assert client.post(PATH, json={"release": "9.4.1", "reason": "r"}, headers=ADMIN).status_code == 409


def test_a_wrong_version_or_source_is_refused(client: AsgiClient, factory: TwinFactory) -> None:
    assert client.post(PATH, json={"release": "newest"}, headers=ADMIN).status_code == 400
    assert client.post(PATH, json={"release": "9.6.1", "extra": 1}, headers=ADMIN).status_code == 422
    unknown = client.post(
        "/api/sources/a:b:c:westeurope/accept", json={"release": "9.6.1", "reason": "r"}, headers=ADMIN
    )
    assert unknown.status_code == 404
    assert (
        client.post(
            "/api/sources/rhel/accept", json={"release": "9.6.1", "reason": "r"}, headers=ADMIN
        ).status_code
        == 400
    )
    assert factory.sources.accepted == []
