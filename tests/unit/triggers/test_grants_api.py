"""Routes of grants: every field on the wire, and what is decided by whom until when."""

from pipeline_core.domain.definitions import WaiverKind
from pipeline_core.domain.names import ImageName
from pipeline_core.services.policies.waivers import WaiverSubject
from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.grant_twins import UNTIL
from tests.unit.triggers.twins import TwinFactory

ADMIN = {"Authorization": "Bearer good.admin"}
OWNER = {"Authorization": "Bearer good.team"}
READER = {"Authorization": "Bearer good.reader"}
PATH = "/api/images/payments-api/approvals/ml"


def test_an_approval_says_who_granted_it_until_when(client: AsgiClient, factory: TwinFactory) -> None:
    answer = client.get("/api/approvals?team=ml&ending=true&limit=7", headers=READER).json()
    assert answer["next"] == "ml:payments-api"
    (shown,) = answer["approvals"]
    granted = shown.pop("granted")
    assert shown == {
        "parent": "payments-api",
        "team": "ml",
        "owner": "payments",
        "state": "approved",
        "ends_soon": True,
        "until": "2027-01-31",
        "withdrawn": None,
        "withheld": None,
    }
    assert (granted["identity"], granted["name"], granted["reason"]) == ("user:a@t", "Admin", "r")
    ((parent, team, ending, after, limit),) = factory.approvals.asked
    assert (parent, str(team), ending, after, limit) == (None, "ml", True, "", 7)


def test_secops_approves_until_a_day_with_a_reason(client: AsgiClient, factory: TwinFactory) -> None:
    body = {"reason": "asked for in 42", "until": "2027-01-31"}
    answer = client.put(PATH, json=body, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    assert answer.json()["until"] == "2027-01-31"
    assert factory.approvals.decided == [("approve", "payments-api", "ml", UNTIL, "asked for in 42")]
    assert client.put(PATH, json={}, headers=ADMIN).status_code == 422
    for wrong in ({"until": "soon"}, {"until": 7.5}, {"unknown": 1}):
        assert client.put(PATH, json={"reason": "r", **wrong}, headers=ADMIN).status_code == 422
    assert len(factory.approvals.decided) == 1


def test_an_owner_withdraws_its_offer_and_offers_again(client: AsgiClient, factory: TwinFactory) -> None:
    for deed in ("withdraw", "offer"):
        answer = client.post(f"{PATH}/{deed}", json={"reason": "r"}, headers=OWNER)
        assert answer.status_code == 200, answer.text
    assert [made[0] for made in factory.approvals.decided] == ["withdraw", "offer"]


def test_names_are_checked(client: AsgiClient, factory: TwinFactory) -> None:
    assert client.put("/api/images/A/approvals/ml", json={"reason": "r"}, headers=ADMIN).status_code == 400
    wrong = "/api/images/payments-api/approvals/M%20L"
    assert client.put(wrong, json={"reason": "r"}, headers=ADMIN).status_code == 400
    assert client.get("/api/approvals?team=A%2FB", headers=READER).status_code == 400
    assert client.get("/api/bases", headers=READER).status_code == 400
    assert factory.approvals.decided == []


def test_bases_are_listed_for_a_team(client: AsgiClient) -> None:
    answer = client.get("/api/bases?team=ml", headers=READER).json()
    assert answer == {
        "bases": [
            {
                "name": "rhel9-base",
                "team": "secops",
                "parent": None,
                "version": "1.20261121.1",
                "is_approved": False,
                "until": None,
            }
        ],
        "next": None,
    }


WAIVERS = "/api/images/payments-api/waivers"


def test_a_waiver_says_what_is_asked_and_who_granted_it(client: AsgiClient, factory: TwinFactory) -> None:
    answer = client.get("/api/waivers?image=payments-api&asked=true&limit=7", headers=READER).json()
    assert answer["next"] == "payments-api"
    granted, asked = answer["waivers"]
    assert granted.pop("granted")["identity"] == "user:a@t"
    assert granted == {
        "image": "payments-api",
        "team": "payments",
        "kind": "scan",
        "rule": "r",
        "path": "",
        "state": "granted",
        "ends_soon": False,
        "asked_reason": "later",
        "asked_until": None,
        "until": "2027-01-31",
        "withdrawn": None,
    }
    assert (asked["kind"], asked["path"], asked["state"]) == ("hygiene", "/opt/key.pem", "asked")
    assert (asked["until"], asked["granted"], asked["withdrawn"]) == (None, None, None)
    ((image, is_asked, ending, after, limit),) = factory.waivers.asked
    assert (str(image), is_asked, ending, after, limit) == ("payments-api", True, False, "", 7)


def test_a_waiver_is_granted_until_a_day_and_withdrawn(client: AsgiClient, factory: TwinFactory) -> None:
    subject = {"kind": "hygiene", "rule": "private-key", "path": "/opt/key.pem", "reason": "a test key"}
    answer = client.put(WAIVERS, json={**subject, "until": "2027-01-31"}, headers=ADMIN)
    assert answer.status_code == 200, answer.text
    assert answer.json()["until"] == "2027-01-31"
    assert client.post(f"{WAIVERS}/withdraw", json=subject, headers=ADMIN).status_code == 200
    (first, wanted, until, reason), (second, *_) = factory.waivers.decided
    assert (first, until, reason, second) == ("grant", UNTIL, "a test key", "withdraw")
    expected = WaiverSubject(
        image=ImageName("payments-api"), kind=WaiverKind.HYGIENE, rule="private-key", path="/opt/key.pem"
    )
    assert wanted == expected
    for wrong in (
        {"until": None},
        {"kind": "all", "until": "2027-01-31"},
        {"rule": "", "until": "2027-01-31"},
    ):
        assert client.put(WAIVERS, json={**subject, **wrong}, headers=ADMIN).status_code == 422
    assert client.put(WAIVERS, json={**subject, "until": "2027-01-31"}, headers=OWNER).status_code == 403
    assert len(factory.waivers.decided) == 2
