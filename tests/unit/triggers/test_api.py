"""What the API answers: bodies, headers, preconditions, limits."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.lineage import LineageProblem
from pipeline_core.domain.names import ImageName, TeamName
from tests.unit.triggers import views
from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory
from triggers.api.app import create_app
from triggers.api.limits import BUNDLE_LIMIT, DOCUMENT_LIMIT
from triggers.api.preconditions import quoted

DIGEST = hashlib.sha256(b"a bundle").hexdigest()
BODY = {"document": {"spec": {"build": {}}}, "bundle": DIGEST}
ETAG = quoted(views.ETAG)


@pytest.fixture
def admin(client: AsgiClient) -> AsgiClient:
    client.headers["Authorization"] = "Bearer good.admin"
    return client


def test_the_openapi_document_is_the_golden_one(
    client: AsgiClient, golden: Callable[[str, str], None]
) -> None:
    golden(
        "openapi.json", json.dumps(client.get("/api/openapi.json").json(), indent=2, sort_keys=True) + "\n"
    )


def test_the_openapi_document_states_the_token_and_the_shape_of_errors_on_every_route(
    client: AsgiClient,
) -> None:
    document = client.get("/api/openapi.json").json()
    shapes = [each["content"] for each in document["components"]["responses"].values()]
    assert all(shape.keys() == {"application/problem+json"} for shape in shapes)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            refusals = [each for status, each in operation["responses"].items() if status >= "400"]
            assert all(each["$ref"].startswith("#/components/responses/") for each in refusals)
            assert operation["responses"].keys() >= {"400", "500", "503"}
            assert ("security" in operation) == (path != "/api/health")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/lineage", "404"), ("/api/receivers", "404"), ("/api/policy", "404"), ("/api/policy", "409")],
)
def test_a_refusal_that_a_list_may_give_is_documented(path: str, status: str, client: AsgiClient) -> None:
    assert status in client.get("/api/openapi.json").json()["paths"][path]["get"]["responses"]


def test_no_page_that_loads_foreign_scripts_is_served(admin: AsgiClient) -> None:
    assert {admin.get(path).status_code for path in ("/docs", "/redoc", "/api/docs")} == {404}


def test_a_page_of_images_has_null_for_what_is_absent(admin: AsgiClient) -> None:
    answer = admin.get("/api/images").json()
    assert answer["next"] is None
    assert answer["images"][0] == {
        "name": "payments-api",
        "team": "payments",
        "parent": "rhel9-base",
        "source": None,
        "version": None,
        "origin_version": None,
        "fingerprint": None,
        "published_at": None,
        "active_build": views.BUILD_ID,
        "active_phase": "building",
        "state": "stale",
        "reasons": ["never-built"],
        "detail": "a build is on its way",
        "conditions": [],
    }


def test_a_page_is_asked_for_as_the_caller_says(admin: AsgiClient, factory: TwinFactory) -> None:
    factory.queries.page = replace(views.PAGE, next="rhel9-base")
    answer = admin.get("/api/images", params={"team": "ml", "after": "a", "limit": "2"})
    assert factory.queries.asked == [(TeamName("ml"), "a", 2)]
    assert answer.json()["next"] == "rhel9-base"


@pytest.mark.parametrize(
    ("parameters", "place"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"team": "A b"}, "team"),
    ],
)
def test_a_bad_parameter_is_named(parameters: dict[str, str], place: str, admin: AsgiClient) -> None:
    answer = admin.get("/api/images", params=parameters)
    assert answer.status_code == 400
    assert [fault["path"] for fault in answer.json()["errors"]] == [place]


def test_an_image_comes_with_its_etag_its_builds_and_its_journal(admin: AsgiClient) -> None:
    answer = admin.get("/api/images/payments-api")
    assert answer.headers["ETag"] == ETAG
    body = answer.json()
    assert [build["result"] for build in body["builds"]] == [None, "succeeded", "failed"]
    assert body["builds"][2]["failure_owner"] == "team"
    assert [build["gates"] for build in body["builds"][:2]] == [[], []]
    assert body["builds"][2]["gates"] == [
        {"gate": "boot", "passed": True, "score": None, "evidence": "", "simulated": True, "waived": []},
        {
            "gate": "compliance",
            "passed": False,
            "score": 41.5,
            "evidence": "scored 41.5 of <90>",
            "simulated": True,
            "waived": [],
        },
    ]
    assert body["journal"][0]["event"] == "build.queued"
    assert (body["definition"], body["bundle"]) == ("cd" * 32, "ef" * 32)


def test_the_etag_of_get_is_good_for_put_and_delete(admin: AsgiClient, factory: TwinFactory) -> None:
    etag = admin.get("/api/images/payments-api").headers["ETag"]
    updated = admin.put("/api/images/payments-api", json=BODY, headers={"If-Match": etag})
    assert (updated.status_code, updated.headers["ETag"]) == (200, quoted("next"))
    assert updated.headers["Location"] == "/api/images/payments-api"
    assert (updated.json()["name"], updated.json()["state"]) == ("payments-api", "registered")
    assert factory.registrar.documents == {"payments-api": BODY["document"]}
    assert admin.delete("/api/images/payments-api", headers={"If-Match": etag}).status_code == 204
    assert factory.registrar.removed == ["payments-api"]


def test_creating_an_image_answers_201(admin: AsgiClient) -> None:
    answer = admin.put("/api/images/ml-worker", json=BODY, headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.json()["name"]) == (201, "ml-worker")
    fixed = {each["name"]: (each["value"], each["change"]) for each in answer.json()["fixed"]}
    assert fixed["generation"] == ("V2", "never: register the image under a new name")
    assert fixed["securityType"][0] == "TrustedLaunch"
    assert "docs/operations.md" in fixed["securityType"][1]


@pytest.mark.parametrize(
    ("name", "headers", "status"),
    [
        ("payments-api", {}, 428),
        ("payments-api", {"If-None-Match": "*"}, 412),
        ("payments-api", {"If-None-Match": ETAG}, 400),
        ("payments-api", {"If-Match": ETAG, "If-None-Match": "*"}, 400),
        ("payments-api", {"If-Match": "*"}, 400),
        ("payments-api", {"If-Match": f"{ETAG}, {ETAG}"}, 400),
        ("payments-api", {"If-Match": quoted("another")}, 412),
        ("payments-api", {"If-Match": f"W/{ETAG}"}, 412),
        ("payments-api", {"If-Match": '"not base64!"'}, 412),
        ("payments-api", {"If-Match": '"'}, 412),
        ("ml-worker", {"If-Match": ETAG}, 404),
    ],
)
def test_a_change_must_name_the_version_it_changes(
    name: str, headers: dict[str, str], status: int, admin: AsgiClient, factory: TwinFactory
) -> None:
    assert admin.put(f"/api/images/{name}", json=BODY, headers=headers).status_code == status
    assert factory.registrar.documents == {}


def test_a_delete_must_name_the_version(admin: AsgiClient, factory: TwinFactory) -> None:
    assert admin.delete("/api/images/payments-api").status_code == 428
    assert admin.delete("/api/images/payments-api", headers={"If-Match": quoted("old")}).status_code == 412
    assert factory.registrar.removed == []


@pytest.mark.parametrize("etag", ["", "1", "W/\"datetime'2026-11-21T09%3A30%3A00Z'\"", 'a"b,c', "äöü"])
def test_any_etag_of_a_store_survives_the_way_through_http(
    etag: str, admin: AsgiClient, factory: TwinFactory
) -> None:
    factory.queries.detail = replace(views.DETAIL, etag=etag)
    header = admin.get("/api/images/payments-api").headers["ETag"]
    assert header.isascii()
    expected = 200 if etag == views.DETAIL.etag else 412
    assert (
        admin.put("/api/images/payments-api", json=BODY, headers={"If-Match": header}).status_code == expected
    )


def test_every_problem_of_a_document_is_reported_at_once(admin: AsgiClient, factory: TwinFactory) -> None:
    answer = admin.put(
        "/api/images/ml-worker", json={"document": {}, "bundle": DIGEST}, headers={"If-None-Match": "*"}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"path": "spec", "message": "is missing", "remedy": "add it"},
        {"path": "metadata.owners", "message": "is empty", "remedy": "name an owner"},
    ]
    assert factory.registrar.documents == {}


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"[]", 422),
        (b'{"bundle":"' + DIGEST.encode() + b'"}', 422),
        (json.dumps({**BODY, "extra": 1}).encode(), 422),
        (json.dumps({**BODY, "bundle": "sha256:0"}).encode(), 400),
        (b"[" * 60_000, 400),
        (b"\xff\xfe", 400),
        (json.dumps({"document": {"spec": float("nan")}, "bundle": DIGEST}).encode(), 422),
        (json.dumps({"document": {"spec": "\ud800"}, "bundle": DIGEST}).encode(), 422),
        (json.dumps({"document": {"spec": {}, "\ud800": 1}, "bundle": DIGEST}).encode(), 422),
        (b'{"document":{"spec":' + b"9" * 5000 + b'},"bundle":"' + DIGEST.encode() + b'"}', 400),
    ],
)
def test_a_body_that_is_not_a_registration_is_refused(
    content: bytes, status: int, admin: AsgiClient, factory: TwinFactory
) -> None:
    headers = {"If-None-Match": "*", "Content-Type": "application/json"}
    answer = admin.put("/api/images/ml-worker", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert factory.registrar.documents == {}


def test_a_body_nested_beyond_reason_is_refused_in_few_words(admin: AsgiClient, factory: TwinFactory) -> None:
    content = b'{"document":' + b'{"a":' * 8000 + b"1" + b"}" * 8001
    headers = {"If-None-Match": "*", "Content-Type": "application/json"}
    answer = admin.put("/api/images/ml-worker", content=content, headers=headers)
    assert answer.status_code in (400, 422)  # how deep a parser goes differs between Pythons
    assert len(answer.text) < 4000
    assert factory.registrar.documents == {}


def test_a_bundle_is_stored_once(admin: AsgiClient, factory: TwinFactory) -> None:
    answers = [admin.put(f"/api/bundles/{DIGEST}", content=b"a bundle") for _ in range(2)]
    assert [(one.status_code, one.json()) for one in answers] == [
        (201, {"bundle": DIGEST, "created": True}),
        (200, {"bundle": DIGEST, "created": False}),
    ]
    assert factory.registrar.bundles == {DIGEST: b"a bundle"}


def test_a_bundle_under_another_digest_is_refused(admin: AsgiClient, factory: TwinFactory) -> None:
    assert admin.put(f"/api/bundles/{DIGEST}", content=b"another").status_code == 422
    assert admin.put("/api/bundles/latest", content=b"another").status_code == 400
    assert factory.registrar.bundles == {}


async def _in_pieces(size: int) -> AsyncIterator[bytes]:
    yield b"x" * (size - 1)
    yield b"x"


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("PUT", f"/api/bundles/{DIGEST}", BUNDLE_LIMIT),
        ("PUT", "/api/images/ml-worker", DOCUMENT_LIMIT + 1024),
        ("PUT", "/api/platform", DOCUMENT_LIMIT + 1024),
        ("POST", "/api/images/payments-api/builds", DOCUMENT_LIMIT + 1024),
    ],
)
def test_a_body_over_its_limit_is_refused_whether_announced_or_not(
    method: str, path: str, limit: int, admin: AsgiClient, factory: TwinFactory
) -> None:
    headers = {"If-None-Match": "*", "Content-Type": "application/json"}
    announced = admin.request(method, path, content=b"x" * (limit + 1), headers=headers)
    streamed = admin.request(method, path, content=_in_pieces(limit + 1), headers=headers)
    assert [announced.status_code, streamed.status_code] == [413, 413]
    assert announced.json()["type"] == streamed.json()["type"] == "urn:imagefactory:problem:too-large"
    within = admin.request(method, path, content=b"x" * limit, headers=headers)
    assert within.status_code != 413
    assert factory.registrar.bundles == {}


def test_a_length_that_is_not_a_number_is_refused(admin: AsgiClient) -> None:
    answer = admin.put(f"/api/bundles/{DIGEST}", content=b"", headers={"Content-Length": "many"})
    assert answer.status_code == 400


def test_a_request_for_a_build_answers_with_its_place(admin: AsgiClient, factory: TwinFactory) -> None:
    answer = admin.post(
        "/api/images/payments-api/builds", json={"reason": "try"}, headers={"Idempotency-Key": "key-1"}
    )
    assert (answer.status_code, answer.headers["Location"]) == (202, f"/api/builds/{views.BUILD_ID}")
    assert answer.json() == {"token": "f" * 32, "build": views.BUILD_ID, "why": "started", "detail": "try"}
    assert (factory.requests.reasons, factory.requests.keys) == (["try"], ["key-1"])


def test_a_request_needs_no_body_and_may_lead_to_no_build(admin: AsgiClient, factory: TwinFactory) -> None:
    factory.requests.build = None
    answer = admin.post("/api/images/payments-api/builds")
    assert (answer.status_code, answer.headers["Location"]) == (202, "/api/images/payments-api")
    assert (answer.json()["build"], answer.json()["why"]) == (None, "suspended")
    assert factory.requests.keys == [None]


@pytest.mark.parametrize("key", ["", "a b", "k" * 129])
def test_a_bad_idempotency_key_is_refused(key: str, admin: AsgiClient, factory: TwinFactory) -> None:
    answer = admin.post("/api/images/payments-api/builds", headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert factory.requests.reasons == []


@pytest.mark.parametrize(("body", "reason"), [(None, "cancelled over the API"), ({"reason": "typo"}, "typo")])
def test_a_build_is_cancelled_and_shown_as_it_stands(
    body: dict[str, str] | None, reason: str, admin: AsgiClient, factory: TwinFactory
) -> None:
    answer = admin.post(f"/api/builds/{views.BUILD_ID}/cancel", json=body)
    assert (answer.status_code, answer.headers["Location"]) == (202, f"/api/builds/{views.BUILD_ID}")
    assert (answer.json()["id"], answer.json()["phase"]) == (views.BUILD_ID, "building")
    assert factory.canceller.reasons == [reason]


def test_a_build_that_has_ended_or_never_was_cannot_be_cancelled(
    admin: AsgiClient, factory: TwinFactory
) -> None:
    factory.canceller.error = PermanentError(ErrorClass.CONFLICT, "it ended as succeeded")
    answer = admin.post(f"/api/builds/{views.BUILD_ID}/cancel")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:imagefactory:problem:conflict")
    assert admin.post("/api/builds/ml-worker.3fa9c1d20b77.1/cancel").status_code == 404
    assert admin.post("/api/builds/none/cancel").status_code == 400
    assert admin.post(f"/api/builds/{views.BUILD_ID}/cancel", json={"why": "x"}).status_code == 422


def test_lineage_and_builds_and_platform_answer_with_their_views(
    admin: AsgiClient, factory: TwinFactory
) -> None:
    factory.queries.lineage_view = replace(
        views.LINEAGE,
        errors=(
            LineageProblem(image=ImageName("lost"), reason="orphan", message="has no registered parent"),
        ),
    )
    assert admin.get("/api/lineage").json() == {
        "levels": [["rhel9-base"], ["payments-api"]],
        "parents": {"payments-api": "rhel9-base", "rhel9-base": None},
        "errors": [{"image": "lost", "message": "has no registered parent"}],
        "next": None,
    }
    factory.queries.lineage_view = replace(views.LINEAGE, next="payments-api/shop")
    page = admin.get("/api/lineage?image=rhel9-base&after=payments-api/app&limit=5").json()
    assert page["next"] == "payments-api/shop"
    assert factory.queries.asked[-1] == (
        ImageName("rhel9-base"),
        (ImageName("payments-api"), ImageName("app")),
        5,
    )
    refused = ("image=Base", "after=a//B", "limit=0", "limit=1001")
    assert [admin.get(f"/api/lineage?{each}").status_code for each in refused] == [400] * 4
    assert admin.get(f"/api/builds/{views.BUILD_ID}").json()["phase"] == "building"
    assert admin.get("/api/builds/none").status_code == 400
    assert admin.get("/api/builds/ml-worker.3fa9c1d20b77.1").status_code == 404
    put = admin.put("/api/platform", json={"bundle": DIGEST, "catalog": {"falcon-sensor": {}}})
    assert put.json() == {"bundle": DIGEST, "catalog": ["falcon-sensor"], "trial": None, "given_up": []}
    admin.put("/api/platform", json={"bundle": DIGEST, "catalog": {}, "drop_used": True})
    assert factory.platforms.dropped == [False, True]


def test_the_factory_is_not_made_before_the_first_request() -> None:
    made: list[TwinFactory] = []

    def provider() -> TwinFactory:
        made.append(TwinFactory())
        return made[-1]

    client = AsgiClient(create_app(provider))  # type: ignore[arg-type]
    assert made == []
    assert client.get("/api/health").json() == {"status": "ok", "paused": False}
    assert len(made) == 1
