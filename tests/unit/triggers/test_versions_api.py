"""Routes of published versions: every field on the wire, and who decides."""

import pytest

from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory

ADMIN = {"Authorization": "Bearer good.admin"}
PATH = "/api/images/payments-api/versions/1.20261121.1/include"


def test_a_version_that_was_taken_out_is_included_with_a_reason(
    client: AsgiClient, factory: TwinFactory
) -> None:
    answer = client.post(PATH, json={"reason": "not the cause"}, headers=ADMIN)
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["image"], shown["version"], shown["standing"]) == ("payments-api", "1.20261121.1", "live")
    assert (shown["actor"], shown["reason"]) == ("Admin", "not the cause")
    assert factory.readmission.included == [("1.20261121.1", "not the cause")]


def test_an_unknown_version_or_a_wrong_one_is_refused(client: AsgiClient, factory: TwinFactory) -> None:
    unknown = client.post(PATH.replace("1121.1", "1121.9"), json={}, headers=ADMIN)
    assert unknown.status_code == 404
    wrong = client.post(PATH.replace("1.20261121.1", "newest"), json={}, headers=ADMIN)
    assert wrong.status_code == 400
    assert client.post(PATH, json={"extra": 1}, headers=ADMIN).status_code == 422
    assert factory.readmission.included == []


def test_galleries_name_the_images_that_differ(client: AsgiClient) -> None:
    shown = client.get("/api/galleries", headers={"Authorization": "Bearer good.reader"}).json()
    (suspect,) = shown["suspects"]
    assert (suspect["image"], suspect["kind"], suspect["version"]) == ("payments-api", "gone", "1.20261121.1")
    assert suspect["is_moved"] is False
    assert shown["alarmed_at"] == suspect["since"]
    assert (shown["accepted_until"], shown["accepted_by"]) == (None, "")


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "  "}])
def test_what_the_galleries_show_is_not_accepted_without_a_reason(
    body: dict[str, str], client: AsgiClient, factory: TwinFactory
) -> None:
    refused = client.post("/api/galleries/accept", json=body, headers=ADMIN)
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("no reason was given: say why")
    assert factory.suspicion.accepted == []


def test_secops_accept_what_the_galleries_show(client: AsgiClient, factory: TwinFactory) -> None:
    answer = client.post("/api/galleries/accept", json={"reason": "it was deleted"}, headers=ADMIN)
    assert answer.status_code == 200
    assert answer.json()["accepted_by"] == "Admin"
    assert answer.json()["alarmed_at"] is None
    assert factory.suspicion.accepted == ["it was deleted"]
