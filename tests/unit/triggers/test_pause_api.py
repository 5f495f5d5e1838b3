"""Routes of the kill switch: every field on the wire, who may, and the banner of the pages."""

from dataclasses import replace

import pytest

from pipeline_core.domain.pauses import PauseState
from tests.unit.triggers import views
from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.pause_twins import PAUSE
from tests.unit.triggers.twins import TwinFactory

ADMIN = {"Authorization": "Bearer good.admin"}
READER = {"Authorization": "Bearer good.reader"}
BODY = {"reason": "an incident"}
PAGES = (
    "/",
    "/images/payments-api",
    f"/builds/{views.BUILD_ID}",
    "/poison",
    "/images/payments-api/diff?from=1.20261120.1&to=1.20261121.1",
)


def test_a_factory_that_nobody_paused_says_so(client: AsgiClient) -> None:
    shown = client.get("/api/pause", headers=READER).json()
    assert shown.pop("state") == "running"
    assert set(shown.values()) == {None}
    assert client.get("/api/health").json() == {"status": "ok", "paused": False}


def test_secops_pause_and_resume(client: AsgiClient, factory: TwinFactory) -> None:
    answer = client.put("/api/pause", json=BODY, headers=ADMIN)
    assert (answer.status_code, answer.json()["state"]) == (200, "paused")
    assert answer.json() == client.get("/api/pause", headers=READER).json()
    assert {key: answer.json()[key] for key in ("revision", "actor", "reason")} == {
        "revision": PAUSE.revision,
        "actor": PAUSE.actor,
        "reason": PAUSE.reason,
    }
    assert answer.json()["message"].startswith("the factory is paused since 2026-11-")
    assert client.get("/api/health").json() == {"status": "ok", "paused": True}
    ended = client.post("/api/resume", headers=ADMIN)
    assert (ended.status_code, ended.json()["state"]) == (200, "running")
    assert factory.pauses.asked == ["an incident", "resumed over the API"]


def test_a_pause_that_is_not_complete_is_answered_with_202(client: AsgiClient, factory: TwinFactory) -> None:
    factory.pauses.state = PauseState.PAUSING
    answer = client.put("/api/pause", json=BODY, headers=ADMIN)
    assert (answer.status_code, answer.json()["state"]) == (202, "pausing")
    assert answer.json()["settles_at"] is not None


@pytest.mark.parametrize("caller", ["reader", "team", "other-team", "nobody"])
def test_nobody_but_secops_pauses_or_resumes(caller: str, client: AsgiClient, factory: TwinFactory) -> None:
    headers = {"Authorization": f"Bearer good.{caller}"}
    assert client.put("/api/pause", json=BODY, headers=headers).status_code == 403
    assert client.post("/api/resume", json={}, headers=headers).status_code == 403
    assert factory.pauses.asked == []


@pytest.mark.parametrize("body", [{}, {"reason": " "}, {"reason": "x" * 201}, {"reason": 1}, {"why": "x"}])
def test_a_pause_without_a_good_reason_is_refused(
    body: dict[str, object], client: AsgiClient, factory: TwinFactory
) -> None:
    assert client.put("/api/pause", json=body, headers=ADMIN).status_code == 422
    assert factory.pauses.asked == []


def test_lists_and_images_say_that_the_factory_is_paused(client: AsgiClient, factory: TwinFactory) -> None:
    for path in ("/api/images", "/api/images/payments-api"):
        factory.pauses.known = None
        assert client.get(path, headers=READER).json()["paused"] is None
        factory.pauses.known = PAUSE
        assert client.get(path, headers=READER).json()["paused"].startswith("the factory is paused")


@pytest.mark.parametrize("path", PAGES)
def test_each_page_has_the_banner_while_the_factory_is_paused(
    path: str, client: AsgiClient, factory: TwinFactory
) -> None:
    assert 'class="banner"' not in client.get(path, headers=READER).text
    factory.pauses.known = replace(PAUSE, reason="<script>alert(1)</script>")
    shown = client.get(path, headers=READER).text
    assert '<p class="banner" role="status">the factory is paused since' in shown
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
