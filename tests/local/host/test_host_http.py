"""HTTP functions, the Event Grid webhook and the admin API of the real host."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

StartHost = Callable[..., Any]


@pytest.fixture
def host(start_host: StartHost) -> Any:
    return start_host()


def test_the_asgi_app_sees_the_request_as_it_was_sent(host: Any, http: requests.Session) -> None:
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    answer = http.put(
        f"{host.url}/api/echo/a%20b/c?x=1&y=%26",
        data=b"\x00\xff" * 5,
        headers={"Authorization": "Bearer t", "traceparent": parent},
        timeout=5,
    )
    found = answer.json()
    assert answer.status_code == 200
    assert (found["method"], found["rest"], found["query"]) == ("PUT", "a b/c", {"x": "1", "y": "&"})
    assert (found["length"], found["authorization"], found["traceparent"]) == (10, "Bearer t", parent)
    (line,) = host.invocations("http_api")
    assert found["invocation_id"] == line["invocation_id"]


def test_status_headers_and_repeated_cookies_come_through(host: Any, http: requests.Session) -> None:
    answer = http.get(f"{host.url}/api/cookies", timeout=5)
    assert (answer.status_code, answer.text, answer.headers["Location"]) == (201, "two", "/there")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.cookies.get_dict() == {"a": "1", "b": "2"}


def test_a_failing_function_answers_500_without_its_error(host: Any, http: requests.Session) -> None:
    answer = http.get(f"{host.url}/api/broken", timeout=5)
    assert (answer.status_code, answer.content) == (500, b"")
    assert host.invocations("http_api")[0]["ok"] is False


def test_the_app_answers_for_a_path_or_method_that_it_does_not_know(
    host: Any, http: requests.Session
) -> None:
    assert http.get(f"{host.url}/nowhere", timeout=5).json() == {"detail": "Not Found"}
    assert http.patch(f"{host.url}/api/echo/x", timeout=5).status_code == 405


def test_a_function_of_level_function_demands_the_key(host: Any, http: requests.Session) -> None:
    address = f"{host.url}/guarded/7"
    assert http.get(address, timeout=5).status_code == 401
    assert http.get(address, headers={"x-functions-key": "wrong"}, timeout=5).status_code == 401
    assert http.get(address, headers={"x-functions-key": host.key}, timeout=5).text == "number 7"
    assert http.get(address, params={"code": host.key}, timeout=5).text == "number 7"


def test_a_route_constraint_decides_which_function_answers(host: Any, http: requests.Session) -> None:
    # Not a number, so not `guarded`: the catch-all of the ASGI app gets it.
    assert http.get(f"{host.url}/guarded/seven", timeout=5).json() == {"detail": "Not Found"}


def test_the_status_tells_that_the_host_runs(host: Any, http: requests.Session) -> None:
    found = http.get(f"{host.url}/admin/host/status", timeout=5).json()
    assert (found["state"], found["running"]) == ("Running", [])
    names = [entry["name"] for entry in http.get(f"{host.url}/admin/functions", timeout=5).json()]
    assert names == ["buried", "guarded", "http_api", "seen", "tick", "work"]


def _event(**changes: Any) -> dict[str, Any]:
    event = {
        "id": "1",
        "topic": "/subscriptions/s",
        "subject": "a version",
        "eventType": "Microsoft.Resources.ResourceWriteSuccess",
        "eventTime": "2026-11-21T12:00:00.1234567Z",
        "data": {"operationName": "write"},
        "dataVersion": "2",
        "metadataVersion": "1",
    }
    return {**event, **changes}


def _deliver(
    http: requests.Session, host: Any, kind: str, body: Any, name: str = "seen"
) -> requests.Response:
    return http.post(
        f"{host.url}/runtime/webhooks/EventGrid",
        params={"functionName": name},
        headers={"aeg-event-type": kind},
        data=body if isinstance(body, str) else json.dumps(body),
        timeout=5,
    )


def test_the_validation_handshake_echoes_the_code(host: Any, http: requests.Session) -> None:
    body = [
        _event(eventType="Microsoft.EventGrid.SubscriptionValidationEvent", data={"validationCode": "42"})
    ]
    answer = _deliver(http, host, "SubscriptionValidation", body)
    assert (answer.status_code, answer.json()) == (200, {"validationResponse": "42"})
    assert host.records("seen") == []


def test_each_event_of_a_batch_is_one_invocation(host: Any, http: requests.Session) -> None:
    assert _deliver(http, host, "Notification", [_event(id="1"), _event(id="2")]).status_code == 202
    assert [found["id"] for found in host.records("seen")] == ["1", "2"]
    assert host.records("seen")[0]["data"] == {"operationName": "write"}
    assert host.records("seen")[0]["type"] == "Microsoft.Resources.ResourceWriteSuccess"


def test_an_event_that_fails_asks_for_another_delivery(host: Any, http: requests.Session) -> None:
    assert _deliver(http, host, "Notification", [_event(subject="fail")]).status_code == 500


@pytest.mark.parametrize(
    ("kind", "body", "name", "status"),
    [
        ("Notification", "no json", "seen", 400),
        ("Notification", [{"id": "1"}], "seen", 400),
        ("SubscriptionValidation", [], "seen", 400),
        ("", [_event()], "seen", 400),
        ("Notification", [_event()], "work", 404),
        ("Notification", [_event()], "", 404),
    ],
)
def test_a_delivery_that_makes_no_sense_runs_nothing(
    host: Any, http: requests.Session, kind: str, body: Any, name: str, status: int
) -> None:
    assert _deliver(http, host, kind, body, name).status_code == status
    assert host.records("seen") == []


def test_a_disabled_function_is_not_served(start_host: StartHost, http: requests.Session) -> None:
    host = start_host(**{"AzureWebJobs.seen.Disabled": "true"})
    assert _deliver(http, host, "Notification", [_event()]).status_code == 404
