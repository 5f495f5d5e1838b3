"""Limits over HTTP: 429 with the time to wait, for changes alone, and never for the kill switch."""

from datetime import timedelta

import pytest

from pipeline_core.domain.errors import OverLimit
from tests.unit.services import scenes
from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory
from triggers.api import openapi
from triggers.api.app import create_app

TEAM = {"Authorization": "Bearer good.team"}
ADMIN = {"Authorization": "Bearer good.admin"}
DIGEST = "ab" * 32
CHANGES = [
    ("POST", "/api/images/payments-api/builds"),
    ("PUT", "/api/images/payments-api"),
    ("DELETE", "/api/images/payments-api"),
    ("PUT", f"/api/bundles/{DIGEST}"),
    ("POST", "/api/nothing"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_change_over_the_limit_is_answered_with_429_and_the_time_to_wait(
    client: AsgiClient, factory: TwinFactory, method: str, path: str
) -> None:
    factory.rates.refusal = OverLimit("you have made 120 changes", retry_after=timedelta(seconds=1.2))
    answer = client.request(method, path, headers=TEAM)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:imagefactory:problem:over-limit"
    assert answer.json()["detail"] == "you have made 120 changes: try again in 2 s"
    assert factory.rates.counted == ["Member"]
    assert factory.registrar.documents == {}


@pytest.mark.parametrize("path", ["/api/images", "/api/images/payments-api", "/api/health", "/api/policy"])
def test_what_is_read_is_not_counted(client: AsgiClient, factory: TwinFactory, path: str) -> None:
    factory.rates.refusal = OverLimit("you have made 120 changes", retry_after=timedelta(seconds=1))
    assert client.get(path, headers=TEAM).status_code == 200
    assert factory.rates.counted == []


@pytest.mark.parametrize(("method", "path"), [("PUT", "/api/pause"), ("POST", "/api/resume")])
def test_the_kill_switch_is_never_counted(
    client: AsgiClient, factory: TwinFactory, method: str, path: str
) -> None:
    factory.rates.refusal = OverLimit("you have made 120 changes", retry_after=timedelta(seconds=1))
    answer = client.request(method, path, headers=ADMIN, json={"reason": "stop"})
    assert (answer.status_code, factory.rates.counted) == (200, [])


def test_a_stranger_is_refused_before_anything_is_counted(client: AsgiClient, factory: TwinFactory) -> None:
    assert client.post("/api/images/payments-api/builds").status_code == 401
    assert factory.rates.counted == []


def test_every_change_names_429_and_no_read_does(factory: TwinFactory) -> None:
    document = openapi.document(create_app(lambda: factory))  # type: ignore[arg-type,return-value]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            is_change = method not in ("get", "head")
            assert ("429" in operation["responses"]) == is_change, (method, path)


def test_a_thousand_rebuild_requests_of_one_caller_are_refused_over_http() -> None:
    """Security finding 7, as it was done: one caller, 1,079 requests on an image that is suspended."""
    made = scenes.registered({"rhel9-base": None})
    made.register("pay-1", "rhel9-base", team="payments", suspend=True)
    client = AsgiClient(create_app(lambda: made.factory))
    made.ports.tokens.grant("eve", scenes.principal("payments"))
    client.headers = {"Authorization": "Bearer eve"}
    statuses = [client.post("/api/images/pay-1/builds").status_code for _ in range(130)]
    assert (statuses.count(202), statuses.count(429)) == (120, 10)
