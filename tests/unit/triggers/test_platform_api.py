"""The routes of platform steps: what is in force, what is on trial, and what a change would cost."""

import pytest

from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory

DIGEST = "ef" * 32


@pytest.fixture
def admin(client: AsgiClient) -> AsgiClient:
    client.headers["Authorization"] = "Bearer good.admin"
    return client


ON_TRIAL = {
    "bundle": "cd" * 32,
    "catalog": [],
    "since": "2026-11-21T10:00:00Z",
    "by": "user:1111@2222",
    "canaries": [{"image": "rhel9-canary", "state": "tried"}],
}


def test_what_is_in_force_is_shown_with_the_trial_and_how_far_it_is(admin: AsgiClient) -> None:
    shown = admin.get("/api/platform").json()
    assert shown["trial"].pop("since")
    assert shown == {
        "bundle": "ab" * 32,
        "catalog": [],
        "trial": {key: value for key, value in ON_TRIAL.items() if key != "since"},
        "given_up": ["12" * 32],
    }


def test_steps_are_tried_on_named_images(admin: AsgiClient, factory: TwinFactory) -> None:
    body = {"bundle": DIGEST, "catalog": {}, "canaries": ["rhel9-canary", "java-canary"]}
    answer = admin.put("/api/platform", json=body)
    assert [each["image"] for each in answer.json()["trial"]["canaries"]] == ["rhel9-canary", "java-canary"]
    assert factory.platforms.bundles == [DIGEST]


@pytest.mark.parametrize(
    "canaries", [["Not A Name"], [f"image-{number}" for number in range(21)], "rhel9-canary", [1]]
)
@pytest.mark.parametrize(("method", "path"), [("PUT", "/api/platform"), ("POST", "/api/platform/plan")])
def test_names_of_canaries_are_checked(
    method: str, path: str, canaries: object, admin: AsgiClient, factory: TwinFactory
) -> None:
    answer = admin.request(method, path, json={"bundle": DIGEST, "catalog": {}, "canaries": canaries})
    assert answer.status_code in (400, 422)
    assert not factory.platforms.bundles
    assert not factory.platforms.decided


def test_a_trial_is_promoted_and_ended_by_its_bundle(admin: AsgiClient, factory: TwinFactory) -> None:
    promoted = admin.post("/api/platform/promote", json={"bundle": DIGEST, "untried": True})
    insisted = admin.post("/api/platform/promote", json={"bundle": DIGEST, "over_newer": True})
    ended = admin.post("/api/platform/end-trial", json={"bundle": DIGEST})
    assert insisted.status_code == 200
    assert (promoted.json()["trial"], ended.json()["trial"]) == (None, None)
    assert factory.platforms.decided == [
        ("promote", DIGEST, False, True, False),
        ("promote", DIGEST, False, False, True),
        ("end", DIGEST),
    ]


def test_a_plan_shows_builds_waves_and_what_is_known_of_time(admin: AsgiClient, factory: TwinFactory) -> None:
    answer = admin.post(
        "/api/platform/plan", json={"bundle": DIGEST, "catalog": {}, "canaries": ["rhel9-canary"]}
    )
    assert answer.json() == {
        "registered": 9,
        "rebuilt": 7,
        "waves": [1, 4, 2],
        "stale": 2,
        "measured": 6,
        "machine_seconds": 12_840,
        "elapsed_seconds": 5_520,
        "longest_seconds": 2_400,
        "running": 3,
        "resting": {"suspended": 1},
        "without_tool": 1,
        "unreadable": 0,
        "slots": 8,
        "busy": 2,
        "refusals": [{"path": "catalog.entries", "message": "has no 'falcon'", "remedy": "keep the tool"}],
    }
    assert factory.platforms.decided == [("plan", DIGEST, ("rhel9-canary",))]
