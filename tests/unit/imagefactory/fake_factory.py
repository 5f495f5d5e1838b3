"""A factory's HTTP API over a real socket, small and in memory: it knows ETags, digests and tokens."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "a-token"
_PARENTS = {"base": None, "java": "base", "app": "java"}
_MISPLACED = [{"image": "lost", "message": "has no parent"}]


@dataclass
class FakeFactory:
    """What the server knows, and what it was asked."""

    url: str = ""
    bundles: dict[str, bytes] = field(default_factory=dict)
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    builds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    platform: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)  # of requests with a JSON body
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    page: int = 2
    request: dict[str, Any] = field(default_factory=dict)
    poison: list[dict[str, Any]] = field(default_factory=list)
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)  # plain answers by path
    tools: dict[str, dict[str, Any]] = field(default_factory=dict)  # records of files, by digest
    stored: dict[str, bytes] = field(default_factory=dict)  # what its storage took
    stale_offers: int = 0  # offers of an address although the file is there
    refusals: list[str] = field(default_factory=list)  # codes with which its storage refuses, one upload each
    may_bring: bool = True  # whether the caller has the role

    def answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """The answer; one that a test has put into `answers` comes first."""
        self.asked.append((method, path, headers))
        if body and headers.get("content-type", "").startswith("application/json"):
            self.bodies.append(json.loads(body))
        if self.answers:
            return self.answers.pop(0)
        if method == "PUT" and path.startswith("/quarantine/"):
            return self._store(path, headers, body)
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return problem(401, "send an access token")
        route, _, query = path.partition("?")
        if method == "GET" and route in self.shown:
            return reply(200, self.shown[route])
        asked = dict(pair.split("=", 1) for pair in query.split("&") if pair)
        match method, route.removeprefix("/api/").split("/"):
            case "PUT", ["bundles", digest]:
                return self._put_bundle(digest, body)
            case "PUT", ["images", name]:
                return self._put_image(name, headers, json.loads(body))
            case "GET", ["images"]:
                return self._list(asked)
            case "GET", ["images", name] if name in self.images:
                image = self.images[name]
                return reply(200, image["view"], {"ETag": image["etag"]})
            case "POST", ["images", name, "builds"] if name in self.images:
                self.request = {"key": headers.get("idempotency-key"), **json.loads(body)}
                return self._rebuild()
            case "GET", ["builds", identity] if identity in self.builds:
                states = self.builds[identity]
                return reply(200, states.pop(0) if len(states) > 1 else states[0])
            case "POST", ["builds", identity, "cancel"] if identity in self.builds:
                self.request = json.loads(body)
                return self._cancel(identity)
            case "GET", ["poison"]:
                return self._list_poison(asked)
            case "POST", ["poison", key, "requeue"]:
                return self._close(key, "requeued")
            case "DELETE", ["poison", key]:
                status, sent, content = self._close(key, "dismissed")
                return (204, {}, b"") if status == 200 else (status, sent, content)
            case "GET", ["lineage"]:
                return self._lineage(asked)
            case "GET", ["platform", "tools"]:
                return reply(200, {"tools": [tool_view(each) for each in self.tools.values()]})
            case "POST", ["platform", "tools", digest]:
                return self._offer(digest)
            case "POST", ["platform", "tools", digest, "remove"]:
                self.request = json.loads(body)
                return (204, {}, b"") if self.tools.pop(digest, None) else problem(404, "nobody asked")
            case "PUT", ["platform"]:
                self.platform = json.loads(body)
                entries = self.platform["catalog"]["entries"]
                return reply(
                    200, {"bundle": self.platform["bundle"], "catalog": [each["id"] for each in entries]}
                )
        return problem(404, f"there is nothing at {route}")

    def _offer(self, digest: str) -> tuple[int, dict[str, str], bytes]:
        if not self.may_bring:
            return problem(403, "only SecOps may do this")
        record = self.tools.setdefault(digest, tool_record(digest))
        is_wanted = digest not in self.stored or self.stale_offers > 0
        self.stale_offers -= 1
        address = f"{self.url}/quarantine/{digest}?sig=secret" if is_wanted else None
        return reply(200, {"record": record, "address": address, "until": "2026-11-21T12:00:00Z"})

    def _store(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """One blob, as the storage account takes it: once, with no token of the caller."""
        digest = path.removeprefix("/quarantine/").partition("?")[0]
        asked = headers.get("x-ms-blob-type"), headers.get("if-none-match"), headers.get("authorization")
        if asked != ("BlockBlob", "*", None):
            return 400, {"x-ms-error-code": "InvalidHeaderValue"}, b""
        if self.refusals:
            return 403, {"x-ms-error-code": self.refusals.pop(0)}, b""
        if digest in self.stored:
            return 409, {"x-ms-error-code": "BlobAlreadyExists"}, b""
        self.stored[digest] = body
        self.tools[digest] = tool_record(digest, state="admitted", reason="")
        return 201, {}, b""

    def _lineage(self, asked: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        """A page has two images: their levels are counted on it."""
        names = [name for name in sorted(_PARENTS) if name > asked.get("after", "")]
        page = {name: _PARENTS[name] for name in names[: self.page]}
        following = names[self.page - 1] if len(names) > self.page else None
        return reply(
            200, {"levels": [sorted(page)], "parents": page, "errors": _MISPLACED, "next": following}
        )

    def _put_bundle(self, digest: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if hashlib.sha256(body).hexdigest() != digest:
            return problem(422, "the content has another digest")
        created = digest not in self.bundles
        self.bundles[digest] = body
        return reply(201 if created else 200, {"bundle": digest, "created": created})

    def _rebuild(self) -> tuple[int, dict[str, str], bytes]:
        build = next(iter(self.builds), None)
        why = "started" if build else "waiting"
        answer = {"token": "t", "build": build, "why": why, "detail": "d"}
        return reply(202, answer, {"Location": f"/api/builds/{build}"})

    def _cancel(self, identity: str) -> tuple[int, dict[str, str], bytes]:
        first = self.builds[identity][0]
        if first["result"] == "succeeded":
            return problem(409, "it ended as succeeded before it could be cancelled")
        return reply(202, first, {"Location": f"/api/builds/{identity}"})

    def _list_poison(self, asked: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        wanted = [each for each in self.poison if asked.get("state") in (None, each["state"])]
        later = [each for each in wanted if each["key"] > asked.get("after", "")]
        following = later[self.page - 1]["key"] if len(later) > self.page else None
        return reply(200, {"records": later[: self.page], "next": following})

    def _put_image(
        self, name: str, headers: Mapping[str, str], body: dict[str, Any]
    ) -> tuple[int, dict[str, str], bytes]:
        old = self.images.get(name)
        if headers.get("if-none-match") == "*":
            if old is not None:
                return problem(412, f"image {name} is registered already")
        elif old is None or headers.get("if-match") != old["etag"]:
            return problem(412, f"image {name} has changed since it was read")
        if body["bundle"] not in self.bundles:
            return problem(
                422, "1 thing is wrong", {"path": "bundle", "message": "was not uploaded", "remedy": "PUT it"}
            )
        etag = f'"{len(self.asked)}"'
        view = image_view(name, team=body["document"]["metadata"]["team"])
        self.images[name] = {"etag": etag, "document": body["document"], "view": view}
        fixed = [{"name": "generation", "value": "V2", "change": "never"}]
        return reply(200 if old else 201, {**view, "fixed": fixed}, {"ETag": etag})

    def _close(self, key: str, state: str) -> tuple[int, dict[str, str], bytes]:
        found = [each for each in self.poison if each["key"] == key]
        if not found:
            return problem(404, f"there is no poisoned message {key}")
        if found[0]["state"] != "open":
            return problem(409, f"{key} was {found[0]['state']} by Admin already")
        found[0]["state"] = state
        return reply(200, found[0])

    def _list(self, asked: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        names = [name for name in sorted(self.images) if name > asked.get("after", "")]
        views = [self.images[name]["view"] for name in names[: self.page]]
        wanted = [view for view in views if asked.get("team") in (None, view["team"])]
        following = names[self.page - 1] if len(names) > self.page else None
        return reply(200, {"images": wanted, "next": following})


def image_view(name: str, *, team: str = "payments", **changes: Any) -> dict[str, Any]:
    """An image as the API shows it."""
    return {
        "name": name,
        "team": team,
        "parent": "rhel9-base",
        "source": None,
        "version": "1.20261121.1",
        "state": "current",
        "detail": "",
        "active_build": None,
        "builds": [build_view(f"{name}.0123456789ab.1")],
        "journal": [
            {
                "at": "2026-11-21T10:00:00Z",
                "event": "image.published",
                "actor": "factory",
                "version": None,
                "detail": "",
            }
        ],
        **changes,
    }


def tool_record(digest: str, **changes: Any) -> dict[str, Any]:
    """What the factory knows about a file, as the API shows it."""
    return {
        "sha256": digest,
        "state": "requested",
        "at": "2026-11-21T10:00:00Z",
        "size": 0,
        "scanned_by": None,
        "reason": "its file was not brought yet",
        "by": "",
        **changes,
    }


def tool_view(record: dict[str, Any]) -> dict[str, Any]:
    """An entry of the list of files."""
    missing = record["state"] != "admitted"
    return {
        "sha256": record["sha256"],
        "record": record,
        "named_by": ["falcon 7.18.0"],
        "is_missing": missing,
    }


def poison_view(key: str, **changes: Any) -> dict[str, Any]:
    """A poisoned message as the API shows it."""
    return {
        "key": key,
        "queue": "build-steps",
        "text": "garbage",
        "at": "2026-11-21T10:00:00Z",
        "size": 7,
        "is_whole": True,
        "image": "payments-api",
        "build": None,
        "error": None,
        "state": "open",
        "closed_by": None,
        "closed_at": None,
        **changes,
    }


def build_view(identity: str, **changes: Any) -> dict[str, Any]:
    """A build as the API shows it."""
    return {
        "id": identity,
        "phase": "finished",
        "result": "succeeded",
        "version": "1.20261121.2",
        "reasons": ["requested by dev"],
        "failure": None,
        "failure_owner": None,
        **changes,
    }


def reply(status: int, body: Any, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    """A JSON answer."""
    return status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(body).encode()


def problem(status: int, detail: str, *errors: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    """An RFC 9457 answer."""
    body = {
        "type": "t",
        "title": "t",
        "status": status,
        "detail": detail,
        "correlation_id": "c-1",
        "errors": errors,
    }
    return status, {"Content-Type": "application/problem+json"}, json.dumps(body).encode()


@contextmanager
def serving() -> Iterator[FakeFactory]:
    """A factory on a free port of the loopback address."""
    factory = FakeFactory()

    class Exchange(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, sent, content = factory.answer(self.command, self.path, headers, self.rfile.read(length))
            self.send_response(status)
            for name, value in {**sent, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - names of http.server

        def log_message(self, *_: Any) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    factory.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield factory
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
