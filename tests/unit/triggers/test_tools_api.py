"""The routes of the files of tools: what is listed, and an address that no cache and no text keeps."""

from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.tool_twins import ADDRESS, ADMITTED
from tests.unit.triggers.twins import TwinFactory

ADMIN = {"Authorization": "Bearer good.admin"}


def test_the_list_has_state_scanner_and_what_builds_wait_for(client: AsgiClient) -> None:
    admitted, absent = client.get("/api/platform/tools", headers=ADMIN).json()["tools"]
    assert admitted["record"] | {"at": None} == {
        "sha256": str(ADMITTED.sha256),
        "state": "admitted",
        "at": None,
        "size": 7,
        "scanned_by": "a scanner",
        "reason": "",
        "by": "user:1",
    }
    assert (admitted["is_missing"], admitted["named_by"]) == (False, ["agent 1.0.0"])
    assert (absent["is_missing"], absent["record"]) == (True, None)


def test_an_address_is_given_only_for_a_file_that_is_wanted_and_is_not_kept(client: AsgiClient) -> None:
    answer = client.post(f"/api/platform/tools/{'b2' * 32}", headers=ADMIN)
    assert answer.json()["address"] == ADDRESS
    assert answer.headers["cache-control"] == "no-store"
    assert client.post(f"/api/platform/tools/{ADMITTED.sha256}", headers=ADMIN).json()["address"] is None


def test_a_removal_takes_its_reason(client: AsgiClient, factory: TwinFactory) -> None:
    body = {"reason": "a false finding"}
    answer = client.post(f"/api/platform/tools/{'b2' * 32}/remove", headers=ADMIN, json=body)
    assert answer.status_code == 204
    assert factory.submissions.removed == [("b2" * 32, "a false finding")]
