"""The factory's HTTP API as calls. Sends the token only to the factory: https or this machine, no redirects."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from imagefactory.bearer import Bearer
from imagefactory.failures import CommandRefused, Misused, Unreachable
from pipeline_core.wire.bundle import PackedBundle
from pipeline_core.wire.problems import Problem

_TIMEOUT = (10.0, 120.0)  # seconds to connect, and between two bytes
_ANSWER_LIMIT = 64 * 1024 * 1024  # bytes: the largest file of evidence
_TRIES = 3
_WAIT_LIMIT = 30.0  # seconds; the command does not wait for a longer Retry-After
_PAGE = 200
_PAGE_LIMIT = 1000
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAnswer:
    """An answer that is not an error."""

    status: int
    body: Json
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Calls of one factory; `ca_file` is a PEM file that is trusted instead of the public authorities."""

    url: str
    token: str = field(repr=False)
    ca_file: str = ""
    sleep: Callable[[float], None] = time.sleep

    def put_bundle(self, bundle: PackedBundle) -> bool:
        """Upload a packed folder; False where the factory had it."""
        headers = {"Content-Type": "application/gzip"}
        return (
            self._ask("PUT", f"/api/bundles/{bundle.digest}", data=bundle.content, headers=headers).status
            == 201
        )

    def find_image(self, name: str) -> tuple[Json, str] | None:
        """The image and its ETag, or None."""
        try:
            answer = self._ask("GET", f"/api/images/{_segment(name)}")
        except CommandRefused as error:
            if error.status == 404:
                return None
            raise
        return answer.body, answer.headers.get("ETag", "")

    def get_image(self, name: str) -> tuple[Json, str]:
        """The image and its ETag; raises CommandRefused where there is none."""
        answer = self._ask("GET", f"/api/images/{_segment(name)}")
        return answer.body, answer.headers.get("ETag", "")

    def put_image(
        self, name: str, document: Mapping[str, object], bundle: PackedBundle, etag: str | None
    ) -> ApiAnswer:
        """Register: replace the version `etag`, or create where it is None."""
        condition = {"If-None-Match": "*"} if etag is None else {"If-Match": etag}
        body = {"document": document, "bundle": str(bundle.digest)}
        return self._ask("PUT", f"/api/images/{_segment(name)}", body=body, headers=condition)

    def list_images(self, team: str | None) -> Iterator[Json]:
        """Every image, page by page."""
        after = ""
        for _ in range(_PAGE_LIMIT):
            team_part = f"&team={quote(team, safe='')}" if team else ""
            page = self._ask(
                "GET", f"/api/images?limit={_PAGE}&after={quote(after, safe='')}{team_part}"
            ).body
            yield from page["images"]
            following = page.get("next")
            if not following or following == after:
                return
            after = following

    def list_history(self, name: str, kind: str, cursor: str, size: int) -> Iterator[Json]:
        """Pages of an image's `builds` or `journal`, newest first, from a cursor (empty: the newest) to the end."""
        for _ in range(_PAGE_LIMIT):
            here = f"cursor={quote(cursor, safe='')}&limit={size}"
            page = self._ask("GET", f"/api/images/{_segment(name)}/{kind}?{here}").body
            yield page
            following = page.get("next")
            if not following or following == cursor:
                return
            cursor = following

    def list_unreadable(self) -> Iterator[Json]:
        """Every row that the factory cannot read, page by page."""
        after = ""
        for _ in range(_PAGE_LIMIT):
            page = self._ask("GET", f"/api/state/unreadable?limit=200&after={quote(after, safe='')}").body
            yield from page["rows"]
            following = page.get("next")
            if not following or following == after:
                return
            after = following

    def request_build(self, name: str, reason: str, key: str) -> Json:
        """Ask for a build of unchanged inputs; the same key is the same request."""
        path, headers = f"/api/images/{_segment(name)}/builds", {"Idempotency-Key": key}
        return self._ask("POST", path, body={"reason": reason}, headers=headers).body

    def get_build(self, identity: str) -> Json:
        """One build."""
        return self._ask("GET", f"/api/builds/{_segment(identity)}").body

    def get_evidence(self, identity: str) -> Json:
        """The files that are kept of a build, and the decision of each gate."""
        return self._ask("GET", f"/api/builds/{_segment(identity)}/evidence").body

    def take_evidence(self, identity: str, place: str, name: str) -> bytes:
        """One file of a build; `place` is like `verify-1`."""
        return self._take(f"/api/builds/{_segment(identity)}/evidence/{_segment(place)}/{_segment(name)}")

    def take_sbom(self, name: str, version: str) -> bytes:
        """The CycloneDX document of a published version."""
        return self._take(f"/api/images/{_segment(name)}/versions/{_segment(version)}/sbom")

    def get_diff(self, name: str, before: str, after: str) -> Json:
        """What differs between two published versions."""
        versions = f"from={quote(before, safe='')}&to={quote(after, safe='')}"
        return self._ask("GET", f"/api/images/{_segment(name)}/diff?{versions}").body

    def list_poison(self, state: str, limit: int) -> Iterator[Json]:
        """At most `limit` poisoned messages in a state (empty: any), newest first, page by page."""
        after, left = "", limit
        chosen = f"&state={quote(state, safe='')}" if state else ""
        for _ in range(_PAGE_LIMIT):
            page = self._ask("GET", f"/api/poison?limit=100&after={quote(after, safe='')}{chosen}").body
            for record in page["records"][:left]:
                left -= 1
                yield record
            following = page.get("next")
            if not left or not following or following == after:
                return
            after = following

    def requeue_poison(self, key: str) -> Json:
        """Send a poisoned message to its queue again; returns the record after that."""
        return self._ask("POST", f"/api/poison/{_segment(key)}/requeue").body

    def dismiss_poison(self, key: str) -> None:
        """Put a poisoned message aside."""
        self._ask("DELETE", f"/api/poison/{_segment(key)}")

    def cancel_build(self, identity: str, reason: str) -> Json:
        """Stop a build; returns the build after that. A second call changes nothing."""
        return self._ask("POST", f"/api/builds/{_segment(identity)}/cancel", body={"reason": reason}).body

    def get_lineage(self) -> Json:
        """The lineage: all images by level."""
        return self._ask("GET", "/api/lineage").body

    def put_platform(
        self, catalog: Mapping[str, object], bundle: PackedBundle, *, drop_used: bool = False
    ) -> Json:
        """Put platform steps and a catalog in force. `drop_used` drops tools that images name, too."""
        body: dict[str, object] = {"bundle": str(bundle.digest), "catalog": catalog}
        if drop_used:  # left out otherwise: a factory of an older release refuses keys that it does not know
            body["drop_used"] = True
        return self._ask("PUT", "/api/platform", body=body).body

    def get_policy(self, revision: int | None = None) -> Json:
        """The policy in force, or one version of it, with its ETag where it is in force."""
        answer = self._ask("GET", "/api/policy" if revision is None else f"/api/policy/versions/{revision}")
        return {**answer.body, "etag": answer.headers.get("ETag")}

    def find_policy_etag(self) -> str | None:
        """The version in force, or None where there is no policy yet."""
        try:
            return self._ask("GET", "/api/policy").headers.get("ETag", "")
        except CommandRefused as error:
            if error.status == 404:
                return None
            raise

    def put_policy(self, document: Mapping[str, object], etag: str | None) -> ApiAnswer:
        """Put a policy in force over the version `etag`, or the first where it is None."""
        condition = {"If-None-Match": "*"} if etag is None else {"If-Match": etag}
        return self._ask("PUT", "/api/policy", body={"document": document}, headers=condition)

    def list_policy_versions(self) -> Iterator[Json]:
        """The versions that were put in force, newest first, page by page."""
        before: int | None = None
        for _ in range(_PAGE_LIMIT):
            more = "" if before is None else f"&before={before}"
            page = self._ask("GET", f"/api/policy/versions?limit={_PAGE}{more}").body
            yield from page["versions"]
            following = page.get("next")
            if not following or following == before:
                return
            before = following

    def list_sources(self) -> list[Json]:
        """Every source that was ever followed in the Marketplace."""
        return list(self._ask("GET", "/api/sources").body["sources"])

    def accept_release(self, source: str, release: str, reason: str) -> Json:
        """Let images of a source step down to this release; returns the source after that."""
        body = {"release": release, "reason": reason}
        return self._ask("POST", f"/api/sources/{_segment(source)}/accept", body=body).body

    def get_provenance(self, name: str, version: str) -> Json:
        """A live version as its gallery shows it, with the signed statement about it."""
        return self._ask("GET", f"/api/images/{_segment(name)}/versions/{_segment(version)}/provenance").body

    def list_provenance_keys(self) -> list[Json]:
        """The public keys that the factory signs provenance with, as JSON Web Keys."""
        return list(self._ask("GET", "/api/provenance/keys").body.get("keys", ()))

    def rebuild_state(self, after: str, *, force: bool) -> Json:
        """Take one step of deriving lost records again, from the cursor `after`."""
        return self._ask("POST", "/api/state/rebuild", body={"after": after, "force": force}).body

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ApiAnswer:
        content, sent = data, dict(headers or {})
        if body is not None:
            content = json.dumps(body, ensure_ascii=False).encode()
            sent["Content-Type"] = "application/json"
        status, text, received = self._exchange(method, path, content, sent)
        return _answer_of(status, text, received, f"{method} {path.partition('?')[0]}")

    def _take(self, path: str) -> bytes:
        """The bytes of a file, unchanged. A refusal is JSON here too."""
        status, content, received = self._exchange("GET", path, None, {"Accept": "*/*"})
        if status >= 300:
            _answer_of(status, content, received, f"GET {path}")
        return content

    def _exchange(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes, Mapping[str, str]]:
        for left in reversed(range(_TRIES)):
            status, text, received = self._send(method, path, content, headers)
            wait = _wait_of(status, received) if left else None
            if wait is None:
                return status, text, received
            self.sleep(wait)
        raise AssertionError("the last try always has an answer")

    def _send(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes, Mapping[str, str]]:
        try:
            with requests.Session() as session:
                answer = session.request(
                    method,
                    f"{self.url}{path}",
                    data=content,
                    headers={"Accept": "application/json", **headers},
                    auth=Bearer(self.token),
                    timeout=_TIMEOUT,
                    allow_redirects=False,
                    # Given with each request: on the session, REQUESTS_CA_BUNDLE would win over it.
                    verify=self.ca_file or True,
                    stream=True,
                )
                return answer.status_code, _bounded(answer), answer.headers
        except requests.exceptions.SSLError as error:
            raise Unreachable(
                f"{self.url} has a certificate that is not trusted: {_cause_of(error)}; see --ca-file"
            ) from error
        except requests.exceptions.RequestException as error:
            raise Unreachable(f"{self.url} does not answer: {_cause_of(error)}") from error
        except OSError as error:  # what requests raises for an unreadable CA file
            raise Misused(f"--ca-file: {error}") from error


def checked_url(text: str) -> str:
    """The factory's address without a slash at its end; raises Misused where it is wrong or a token is readable."""
    try:
        parts = urlsplit(text.strip())
        parts.port  # noqa: B018 - raises where the port is not a number
    except ValueError as error:
        raise Misused(f"--url {text!r} is not an address: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Misused(f"--url {text!r} is not an address: give one like https://images.example.com")
    if "@" in parts.netloc:
        raise Misused("--url holds a user or a password: remove it")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise Misused(
            f"--url {text!r} is not https, and others on the network could read your token: give an https address"
        )
    return text.strip().rstrip("/")


def _cause_of(error: BaseException) -> str:
    """The text of the innermost error. The outer errors repeat it in other words."""
    for _ in range(10):
        if error.__context__ is None:
            break
        error = error.__context__
    return str(error) or type(error).__name__


def _segment(text: str) -> str:
    return quote(text, safe="")


def _bounded(answer: requests.Response) -> bytes:
    content = bytearray()
    for chunk in answer.iter_content(64 * 1024):
        content += chunk
        if len(content) > _ANSWER_LIMIT:
            raise Unreachable(f"the answer is larger than {_ANSWER_LIMIT:,} bytes")
    return bytes(content)


def _wait_of(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds to wait before the next try, or None where a next try is of no use."""
    wanted = headers.get("Retry-After", "")
    if status not in (429, 503) or not wanted.isdecimal() or float(wanted) > _WAIT_LIMIT:
        return None
    return float(wanted)


def _answer_of(status: int, text: bytes, headers: Mapping[str, str], what: str) -> ApiAnswer:
    body = _json_of(text)
    if 300 <= status < 400:
        raise CommandRefused(
            f"{what} was redirected ({status}): check that --url and your token are the factory's",
            status=status,
        )
    if status >= 400:
        raise _failure_of(status, body, what)
    if body is None and text:
        raise Unreachable(f"the answer to {what} is not JSON: check that --url is the factory's address")
    return ApiAnswer(status=status, body=body or {}, headers=headers)


def _json_of(text: bytes) -> Json | None:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _failure_of(status: int, body: Json | None, what: str) -> CommandRefused | Unreachable:
    """The failure in the RFC 9457 problem details, or a plain one where there are none."""
    if body is None or "detail" not in body:
        plain = f"{what} was answered with {status} and no explanation"
        return Unreachable(plain) if status >= 500 else CommandRefused(plain, status=status)
    correlation = f" [correlation id {body['correlation_id']}]" if body.get("correlation_id") else ""
    text = f"{body['detail']} ({status}){correlation}"
    if status >= 500 or status == 429:
        return Unreachable(text)
    faults = body.get("errors")
    problems = [
        Problem(
            path=str(fault.get("path") or "request"),
            message=str(fault.get("message", "")),
            remedy=str(fault.get("remedy", "")),
        )
        for fault in (faults if isinstance(faults, list) else [])
        if isinstance(fault, dict)
    ]
    return CommandRefused(text, problems, status=status)
