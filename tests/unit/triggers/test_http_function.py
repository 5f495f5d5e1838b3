"""The HTTP function as the Functions host calls it: through the SDK's own ASGI bridge."""

import asyncio
import json

import azure.functions as func

from tests.unit.triggers.twins import TwinFactory
from triggers import http


def _ask(
    factory: TwinFactory, method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> func.HttpResponse:
    app = http.function_app(lambda: factory)  # type: ignore[arg-type,return-value]
    function = app.get_functions()[0].get_user_function()
    request = func.HttpRequest(method, f"https://factory.example{url}", headers=headers or {}, body=body)
    answer = asyncio.run(function(request, None))
    assert isinstance(answer, func.HttpResponse)
    app.startup_task_done = False  # the SDK's destructor would start an event loop of its own
    return answer


def test_the_host_reaches_the_api_and_the_dashboard(factory: TwinFactory) -> None:
    assert json.loads(_ask(factory, "GET", "/api/health").get_body()) == {"status": "ok", "paused": False}
    page = _ask(factory, "GET", "/", {"Authorization": "Bearer good.reader"})
    assert (page.status_code, page.mimetype) == (200, "text/html; charset=utf-8")


def test_a_body_and_headers_pass_the_bridge(factory: TwinFactory) -> None:
    headers = {"Authorization": "Bearer good.admin", "If-None-Match": "*", "Content-Type": "application/json"}
    body = json.dumps({"document": {"spec": {}}, "bundle": "ab" * 32}).encode()
    answer = _ask(factory, "PUT", "/api/images/ml-worker", headers, body)
    assert (answer.status_code, answer.headers["Location"]) == (201, "/api/images/ml-worker")


def test_a_mistake_of_ours_is_answered_and_not_left_to_the_host(factory: TwinFactory) -> None:
    factory.queries.error = RuntimeError("inside")
    answer = _ask(factory, "GET", "/api/health")
    assert (answer.status_code, answer.mimetype) == (500, "application/problem+json")
    assert b"inside" not in answer.get_body()


def test_without_a_token_the_host_gets_a_challenge(factory: TwinFactory) -> None:
    answer = _ask(factory, "GET", "/api/images?limit=1")
    assert (answer.status_code, answer.headers["WWW-Authenticate"][:6]) == (401, "Bearer")
