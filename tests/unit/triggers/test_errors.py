"""Errors over HTTP: always a problem, always with an id, never with what is inside."""

from datetime import timedelta

import pytest

from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    FactoryError,
    InvalidValue,
    NotFound,
    PermanentError,
    StaleWrite,
    TablesLost,
    TransientError,
    UnlistedTransition,
)
from pipeline_core.wire.problems import InvalidDocument, Problem
from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory

SECRET = "key=hunter2 at /srv/state.py"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ERRORS: list[tuple[Exception, int, str]] = [
    (NotFound("image a is not registered"), 404, "not-found"),
    (PermanentError(ErrorClass.PERMISSION, "not yours"), 403, "forbidden"),
    (PermanentError(ErrorClass.POLICY, "too large"), 422, "refused"),
    (PermanentError(ErrorClass.COMPLIANCE, "below the floor"), 422, "refused"),
    (PermanentError(ErrorClass.NOT_FOUND, "gone"), 404, "not-found"),
    (PermanentError(ErrorClass.CONFLICT, "held"), 409, "conflict"),
    (StaleWrite("has changed"), 412, "version-conflict"),
    (AlreadyExists("exists"), 409, "conflict"),
    (InvalidValue("a name of an image", "A", "lower-case letters"), 400, "invalid-request"),
    (InvalidDocument([Problem(path="spec", message="is missing", remedy="add it")]), 422, "invalid-document"),
    (TransientError(ErrorClass.NETWORK, SECRET), 503, "unavailable"),
    (TablesLost("the records of every image are lost"), 503, "tables-lost"),
    (UnlistedTransition(SECRET), 500, "internal"),
    (FactoryError(SECRET), 500, "internal"),
    (RuntimeError(SECRET), 500, "internal"),
    (KeyError(SECRET), 500, "internal"),
]


@pytest.fixture
def reader(client: AsgiClient) -> AsgiClient:
    client.headers["Authorization"] = "Bearer good.reader"
    client.is_held_to_document = False  # the twins raise what no service raises there
    return client


@pytest.mark.parametrize("path", ["/api/lineage", "/", "/api/health"])
@pytest.mark.parametrize(("error", "status", "slug"), ERRORS)
def test_every_error_is_a_problem(
    error: Exception, status: int, slug: str, path: str, reader: AsgiClient, factory: TwinFactory
) -> None:
    factory.queries.error = error
    answer = reader.get(path, headers={"X-Correlation-Id": "request-1"})
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    problem = answer.json()
    assert problem["type"] == f"urn:imagefactory:problem:{slug}"
    assert (problem["status"], problem["instance"]) == (status, path)
    assert problem["correlation_id"] == answer.headers["X-Correlation-Id"] == "request-1"
    assert SECRET not in answer.text
    assert all(fault["path"] and fault["message"] for fault in problem.get("errors", ()))
    assert ("errors" in problem) is isinstance(error, InvalidValue | InvalidDocument)


def test_a_mistake_of_ours_is_in_the_log_under_the_id_of_the_answer(
    reader: AsgiClient, factory: TwinFactory, caplog: pytest.LogCaptureFixture
) -> None:
    factory.queries.error = RuntimeError(SECRET)
    answer = reader.get("/api/lineage")
    line = next(record for record in caplog.records if record.getMessage() == "request failed")
    assert line.correlation_id == answer.json()["correlation_id"]  # type: ignore[attr-defined]
    assert line.exc_info is not None


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [(None, "5"), (timedelta(seconds=30), "30"), (timedelta(milliseconds=1), "1")],
)
def test_what_may_be_tried_again_says_when(
    retry_after: timedelta | None, seconds: str, reader: AsgiClient, factory: TwinFactory
) -> None:
    factory.queries.error = TransientError(ErrorClass.THROTTLED, "slow down", retry_after=retry_after)
    assert reader.get("/api/lineage").headers["Retry-After"] == seconds


def test_an_unknown_address_and_a_wrong_method_are_problems(reader: AsgiClient) -> None:
    nothing = reader.get("/api/images/")
    assert (nothing.status_code, nothing.json()["type"]) == (404, "urn:imagefactory:problem:not-found")
    wrong = reader.request("PATCH", "/api/lineage")
    assert (wrong.status_code, wrong.json()["type"]) == (405, "urn:imagefactory:problem:method-not-allowed")
    assert wrong.headers["Allow"] == "GET"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Correlation-Id": "abc-1"}, "abc-1"),
        ({"traceparent": TRACEPARENT}, "4bf92f3577b34da6a3ce929d0e0e4736"),
        ({"X-Correlation-Id": "abc", "traceparent": TRACEPARENT}, "abc"),
    ],
)
def test_the_callers_id_comes_back(headers: dict[str, str], expected: str, reader: AsgiClient) -> None:
    answer = reader.get("/api/lineage", headers=headers)
    assert answer.headers["X-Correlation-Id"] == expected
    assert answer.headers.get("traceparent") == headers.get("traceparent")


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", "-", "traceparent"])
def test_an_id_that_could_harm_a_log_is_replaced(given: str, reader: AsgiClient) -> None:
    headers = {"X-Correlation-Id": given, "traceparent": given}
    identity = reader.get("/api/lineage", headers=headers).headers["X-Correlation-Id"]
    assert identity == given if given == "traceparent" else len(identity) == 32


def test_two_requests_without_an_id_get_two(reader: AsgiClient) -> None:
    assert len({reader.get("/api/health").headers["X-Correlation-Id"] for _ in range(2)}) == 2


def test_every_answer_forbids_sniffing_framing_and_caching(reader: AsgiClient) -> None:
    for path in ("/api/health", "/api/images", "/nothing", "/"):
        headers = reader.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
