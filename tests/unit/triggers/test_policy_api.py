"""The routes of the policy: ETags, history, and what is refused."""

from typing import Any

import pytest

from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory
from triggers.api.preconditions import quoted

ADMIN = {"Authorization": "Bearer good.admin"}
READER = {"Authorization": "Bearer good.reader"}
NEW: dict[str, Any] = {"document": {"spec": {"maxAge": "7d"}}}


def _version(revision: int) -> dict[str, Any]:
    return {
        "revision": revision,
        "digest": "ab" * 32,
        "actor": "Sam",
        "identity": "user:5a@te",
        "at": "2026-11-21T09:30:00Z",
    }


def test_the_policy_in_force_comes_with_the_etag_that_a_change_needs(
    client: AsgiClient, factory: TwinFactory
) -> None:
    shown = client.get("/api/policy", headers=READER)
    assert shown.json() == {**_version(2), "document": {"spec": {}}, "unregistered": [], "notes": []}
    changed = client.put("/api/policy", json=NEW, headers={**ADMIN, "If-Match": shown.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.json() == {**_version(3), **NEW, "unregistered": ["rhel10-base"], "notes": []}
    assert changed.headers["ETag"] == quoted("3")
    late = client.put("/api/policy", json=NEW, headers={**ADMIN, "If-Match": shown.headers["ETag"]})
    assert late.status_code == 412
    assert factory.policy.put_documents == [NEW["document"]]


def test_the_first_policy_is_created(client: AsgiClient, factory: TwinFactory) -> None:
    twice = client.put("/api/policy", json=NEW, headers={**ADMIN, "If-None-Match": "*"})
    assert twice.status_code == 412
    factory.policy.revision = 0
    assert client.get("/api/policy", headers=READER).status_code == 404
    created = client.put("/api/policy", json=NEW, headers={**ADMIN, "If-None-Match": "*"})
    assert created.status_code == 201
    assert created.headers["ETag"] == quoted("1")


def test_a_change_says_what_it_changes(client: AsgiClient, factory: TwinFactory) -> None:
    assert client.put("/api/policy", json=NEW, headers=ADMIN).status_code == 428
    assert factory.policy.put_documents == []


def test_every_problem_is_in_the_answer(client: AsgiClient) -> None:
    answer = client.put("/api/policy", json={"document": {}}, headers={**ADMIN, "If-Match": quoted("2")})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"path": "spec", "message": "is missing", "remedy": "add it"}]


def test_the_history_comes_in_pages(client: AsgiClient, factory: TwinFactory) -> None:
    factory.policy.revision = 3
    page = client.get("/api/policy/versions?limit=2", headers=READER).json()
    assert page == {"versions": [_version(3), _version(2)], "next": 2}
    page = client.get("/api/policy/versions?limit=2&before=2", headers=READER).json()
    assert page == {"versions": [_version(1)], "next": None}
    assert client.get("/api/policy/versions?limit=3", headers=READER).json()["next"] is None
    assert factory.policy.asked == [(None, 2), (2, 2), (None, 3)]


def test_an_older_version_is_shown_with_its_document(client: AsgiClient) -> None:
    assert client.get("/api/policy/versions/1", headers=READER).json()["revision"] == 1
    assert client.get("/api/policy/versions/7", headers=READER).status_code == 404


@pytest.mark.parametrize("path", ["versions/0", "versions/x", "versions?before=0", "versions?limit=201"])
def test_an_address_that_names_no_version_is_refused(path: str, client: AsgiClient) -> None:
    assert client.get(f"/api/policy/{path}", headers=READER).status_code == 400


@pytest.mark.parametrize("body", [{}, {"document": 1}, {"document": {}, "force": True}, {"document": []}])
def test_a_body_of_another_form_is_refused(body: object, client: AsgiClient, factory: TwinFactory) -> None:
    answer = client.put("/api/policy", json=body, headers={**ADMIN, "If-Match": quoted("2")})
    assert answer.status_code == 422
    assert factory.policy.put_documents == []


def test_a_precondition_that_names_no_version_does_not_speak_of_an_image(client: AsgiClient) -> None:
    for header in ("W/nothing", '"not base64!"'):
        answer = client.put("/api/policy", json=NEW, headers={**ADMIN, "If-Match": header})
        assert answer.status_code == 412
        assert answer.json()["detail"] == (
            "If-Match names no version of what is changed: take the ETag of GET as it is"
        )
