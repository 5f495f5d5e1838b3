"""Who may do what, route by route, on twins. `test_access_walk.py` walks the whole table over the real services."""

import hashlib
from typing import Any

import pytest

from tests.unit.triggers import provenance_twins, views
from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.receiver_twins import RECEIVER
from tests.unit.triggers.twins import TwinFactory
from triggers.api.app import routes_of
from triggers.api.authentication import OPEN_PATHS, PLATFORM_HEADER
from triggers.api.preconditions import quoted

CONTENT = b"a bundle"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
DOCUMENT = {"document": {"spec": {}}, "bundle": DIGEST}
IF_MATCH = {"If-Match": quoted(views.ETAG)}

VERSIONS = {"from": "1.20261120.1", "to": "1.20261121.1"}

Row = tuple[str, str, dict[str, Any], int]

# route -> (method, path, arguments of the request, status for a caller who may)
OPEN: dict[str, Row] = {
    "health": ("GET", "/api/health", {}, 200),
    "openapi": ("GET", "/api/openapi.json", {}, 200),
}
READING: dict[str, Row] = {
    "images": ("GET", "/api/images", {}, 200),
    "image": ("GET", "/api/images/payments-api", {}, 200),
    "image's builds": ("GET", "/api/images/payments-api/builds", {}, 200),
    "image's journal": ("GET", "/api/images/payments-api/journal", {}, 200),
    "unreadable rows": ("GET", "/api/state/unreadable", {}, 200),
    "build": ("GET", f"/api/builds/{views.BUILD_ID}", {}, 200),
    "lineage": ("GET", "/api/lineage", {}, 200),
    "poison": ("GET", "/api/poison", {}, 200),
    "policy": ("GET", "/api/policy", {}, 200),
    "policy versions": ("GET", "/api/policy/versions", {}, 200),
    "policy version": ("GET", "/api/policy/versions/1", {}, 200),
    "provenance": (
        "GET",
        f"/api/images/payments-api/versions/{provenance_twins.VERSION}/provenance",
        {},
        200,
    ),
    "versions": ("GET", "/api/images/payments-api/versions", {}, 200),
    "names": ("GET", "/api/names", {}, 200),
    "tools": ("GET", "/api/platform/tools", {}, 200),
    "sources": ("GET", "/api/sources", {}, 200),
    "retention": ("GET", "/api/images/payments-api/retention", {}, 200),
    "retention of all": ("GET", "/api/retention", {}, 200),
    "receivers": ("GET", "/api/receivers", {}, 200),
    "receiver": ("GET", f"/api/receivers/{RECEIVER.id}", {}, 200),
    "galleries": ("GET", "/api/galleries", {}, 200),
    "approvals": ("GET", "/api/approvals", {}, 200),
    "waivers": ("GET", "/api/waivers", {}, 200),
    "bases": ("GET", "/api/bases", {"params": {"team": "ml"}}, 200),
    "outages": ("GET", "/api/outages", {}, 200),
    "platform steps": ("GET", "/api/platform", {}, 200),
    "pause's state": ("GET", "/api/pause", {}, 200),
    "provenance keys": ("GET", "/api/provenance/keys", {}, 200),
    "evidence": ("GET", f"/api/builds/{views.BUILD_ID}/evidence", {}, 200),
    "evidence file": ("GET", f"/api/builds/{views.BUILD_ID}/evidence/verify-1/goss.json", {}, 200),
    "sbom": ("GET", "/api/images/payments-api/versions/1.20261121.1/sbom", {}, 200),
    "diff": ("GET", "/api/images/payments-api/diff", {"params": VERSIONS}, 200),
    "diff page": ("GET", "/images/payments-api/diff", {"params": VERSIONS}, 200),
    "build page": ("GET", f"/builds/{views.BUILD_ID}", {}, 200),
    "poison page": ("GET", "/poison", {}, 200),
    "overview page": ("GET", "/", {}, 200),
    "image page": ("GET", "/images/payments-api", {}, 200),
    "style sheet": ("GET", "/static/style.css", {}, 200),
    "no route": ("GET", "/api/nothing", {}, 404),
}
BRINGING: dict[str, Row] = {"bundle": ("PUT", f"/api/bundles/{DIGEST}", {"content": CONTENT}, 201)}
CHANGING: dict[str, Row] = {
    "register": ("PUT", "/api/images/payments-api", {"json": DOCUMENT, "headers": IF_MATCH}, 200),
    "unregister": ("DELETE", "/api/images/payments-api", {"headers": IF_MATCH}, 204),
    "rebuild": ("POST", "/api/images/payments-api/builds", {"json": {}}, 202),
    "requeue": ("POST", f"/api/poison/{views.POISON.key}/requeue", {}, 200),
    "dismiss": ("DELETE", f"/api/poison/{views.POISON.key}", {}, 204),
    "rotate secret": ("POST", f"/api/receivers/{RECEIVER.id}/secret", {}, 200),
    "disable receiver": ("POST", f"/api/receivers/{RECEIVER.id}/disable", {"json": {}}, 200),
    "enable receiver": ("POST", f"/api/receivers/{RECEIVER.id}/enable", {"json": {}}, 200),
    "replay receiver": ("POST", f"/api/receivers/{RECEIVER.id}/replay", {"json": {}}, 200),
    "test receiver": ("POST", f"/api/receivers/{RECEIVER.id}/test", {}, 200),
    "include": ("POST", "/api/images/payments-api/versions/1.20261121.1/include", {"json": {}}, 200),
    "withdraw approval": ("POST", "/api/images/payments-api/approvals/ml/withdraw", {"json": {}}, 200),
    "cancel": ("POST", f"/api/builds/{views.BUILD_ID}/cancel", {"json": {}}, 202),
}
# Its owner alone, and not SecOps either.
OWNING: dict[str, Row] = {
    "offer": ("POST", "/api/images/payments-api/approvals/ml/offer", {"json": {}}, 200),
}
GOVERNING: dict[str, Row] = {
    "platform": ("PUT", "/api/platform", {"json": {"bundle": DIGEST, "catalog": {}}}, 200),
    "plan platform": ("POST", "/api/platform/plan", {"json": {"bundle": DIGEST, "catalog": {}}}, 200),
    "promote trial": ("POST", "/api/platform/promote", {"json": {"bundle": DIGEST}}, 200),
    "end trial": ("POST", "/api/platform/end-trial", {"json": {"bundle": DIGEST}}, 200),
    "submit tool": ("POST", f"/api/platform/tools/{DIGEST}", {}, 200),
    "remove tool": ("POST", f"/api/platform/tools/{DIGEST}/remove", {"json": {"reason": "r"}}, 204),
    "set policy": (
        "PUT",
        "/api/policy",
        {"json": {"document": {"spec": {}}}, "headers": {"If-Match": quoted("2")}},
        200,
    ),
    "accept release": (
        "POST",
        "/api/sources/redhat:rhel:9-lvm-gen2:westeurope/accept",
        {"json": {"release": "9.6.2025112113", "reason": "it is gone"}},
        200,
    ),
    "add receiver": (
        "POST",
        "/api/receivers",
        {"json": {"webhook": "https://hooks.factory.corp/a", "alerts": True}},
        200,
    ),
    "remove receiver": ("DELETE", f"/api/receivers/{RECEIVER.id}", {}, 204),
    "accept galleries": ("POST", "/api/galleries/accept", {"json": {"reason": "it is true"}}, 200),
    "share bundle": (
        "POST",
        f"/api/bundles/{DIGEST}/share",
        {"json": {"to": "ml", "reason": "they need it"}},
        200,
    ),
    "hand over": (
        "POST",
        "/api/names/pay-tmp/handover",
        {"json": {"to": "ml", "reason": "it is theirs"}},
        200,
    ),
    "approve": ("PUT", "/api/images/payments-api/approvals/ml", {"json": {"reason": "r"}}, 200),
    "grant waiver": (
        "PUT",
        "/api/images/payments-api/waivers",
        {"json": {"rule": "r", "until": "2027-01-31", "reason": "r"}},
        200,
    ),
    "withdraw waiver": (
        "POST",
        "/api/images/payments-api/waivers/withdraw",
        {"json": {"rule": "r", "reason": "r"}},
        200,
    ),
    "retry": ("POST", "/api/outages/retry", {"json": {"class": "registry"}}, 200),
    "pause": ("PUT", "/api/pause", {"json": {"reason": "an incident"}}, 200),
    "resume": ("POST", "/api/resume", {"json": {}}, 200),
    "state": ("POST", "/api/state/rebuild", {"json": {}}, 200),
}
ROUTES = OPEN | READING | BRINGING | CHANGING | OWNING | GOVERNING

NO_TOKEN: dict[str, dict[str, str]] = {
    "none": {},
    "garbage": {"Authorization": "Bearer garbage"},
    "expired": {"Authorization": "Bearer expired.admin"},
    "empty": {"Authorization": "Bearer "},
    "another scheme": {"Authorization": "Basic Z29vZC5hZG1pbg=="},
    "very long": {"Authorization": "Bearer good." + "x" * 20_000},
    "a principal header": {"X-MS-CLIENT-PRINCIPAL": "eyJyb2xlcyI6WyJGYWN0b3J5LkFkbWluIl19"},
    "a principal's name": {"X-MS-CLIENT-PRINCIPAL-NAME": "admin", "X-MS-CLIENT-PRINCIPAL-ID": "a"},
    "a forged token of the platform": {PLATFORM_HEADER: "garbage"},
    "a bad token before a good one": {"Authorization": "Bearer garbage", PLATFORM_HEADER: "good.admin"},
}
ALL = frozenset(ROUTES)
MAY = {
    "nobody": frozenset(OPEN),
    "reader": frozenset(OPEN | READING),
    "other-team": frozenset(OPEN | READING | BRINGING),
    "team": ALL - frozenset(GOVERNING),
    "admin": ALL - frozenset(OWNING),
}


def ask(client: AsgiClient, route: str, headers: dict[str, str]) -> Any:
    """The answer of a route to a caller with these headers."""
    method, path, arguments, _ = ROUTES[route]
    return client.request(
        method, path, **{**arguments, "headers": {**arguments.get("headers", {}), **headers}}
    )


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("credentials", NO_TOKEN)
def test_without_a_valid_token_only_open_routes_answer(
    route: str, credentials: str, client: AsgiClient, factory: TwinFactory
) -> None:
    answer = ask(client, route, NO_TOKEN[credentials])
    if route in OPEN:
        assert answer.status_code == 200
        return
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="imagefactory"')
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert _untouched(factory)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("caller", MAY)
def test_a_caller_may_do_what_the_roles_allow_and_no_more(
    route: str, caller: str, client: AsgiClient, factory: TwinFactory
) -> None:
    answer = ask(client, route, {"Authorization": f"Bearer good.{caller}"})
    if route in MAY[caller]:
        assert answer.status_code == ROUTES[route][3], answer.text
        return
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:imagefactory:problem:forbidden"
    assert _untouched(factory)


@pytest.mark.parametrize("route", READING)
def test_a_browser_reads_with_the_token_of_app_service(route: str, client: AsgiClient) -> None:
    assert ask(client, route, {PLATFORM_HEADER: "good.reader"}).status_code == ROUTES[route][3]


@pytest.mark.parametrize("route", BRINGING | CHANGING | OWNING | GOVERNING)
def test_a_browsers_session_changes_nothing(route: str, client: AsgiClient, factory: TwinFactory) -> None:
    assert ask(client, route, {PLATFORM_HEADER: "good.admin"}).status_code == 401
    assert _untouched(factory)


def test_the_scheme_is_read_without_case(client: AsgiClient) -> None:
    assert client.get("/api/images", headers={"authorization": "bearer good.reader"}).status_code == 200


def test_signing_keys_that_do_not_answer_are_not_the_callers_fault(client: AsgiClient) -> None:
    answer = client.get("/api/images", headers={"Authorization": "Bearer unreachable.admin"})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "login.example" not in answer.text


def test_a_body_is_not_looked_at_before_the_token(client: AsgiClient) -> None:
    answer = client.put(
        "/api/images/payments-api", content=b"no json", headers={"Content-Length": "999999999"}
    )
    assert answer.status_code == 401


def test_the_truth_table_covers_every_route(factory: TwinFactory) -> None:
    routes = routes_of(lambda: factory)  # type: ignore[arg-type,return-value]
    asked = {(method, path) for method, path, _, _ in ROUTES.values()}
    unasked = [
        (method, route.path)
        for route in routes
        for method in route.methods or ()
        if not any(method == one and route.path_regex.match(path) for one, path in asked)
    ]
    assert unasked == []
    assert len(routes) > 50
    assert {path for _, path, _, _ in OPEN.values()} == OPEN_PATHS


def _untouched(factory: TwinFactory) -> bool:
    return not (
        factory.registrar.bundles
        or factory.registrar.documents
        or factory.registrar.removed
        or factory.requests.reasons
        or factory.canceller.reasons
        or factory.platforms.bundles
        or factory.platforms.decided
        or factory.policy.put_documents
        or factory.poison_review.closed
        or factory.poison_review.asked
        or factory.recovery.cursors
        or factory.sources.accepted
        or factory.receivers.asked
        or factory.readmission.included
        or factory.suspicion.accepted
        or factory.retries.retried
        or factory.pauses.asked
        or factory.approvals.decided
        or factory.waivers.decided
    )
