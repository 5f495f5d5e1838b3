"""One exchange with the HTTP API. Sends the token only to the factory: https or this machine, no redirects."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

import requests

from imagefactory.bearer import Bearer, is_loopback
from imagefactory.failures import CommandRefused, Misused, Unreachable
from pipeline_core.domain.byte_ranges import PART
from pipeline_core.wire.problems import Problem

_TIMEOUT = (10.0, 120.0)  # seconds to connect, and between two bytes
_ANSWER_LIMIT = 64 * 1024 * 1024  # bytes: the largest file of evidence
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})", re.ASCII)
_TRIES = 3
_WAIT_LIMIT = 30.0  # seconds; the command does not wait for a longer Retry-After
_OVER_LIMIT = 429
_LIMITED_FOR = 120.0  # seconds that one request waits in all because of a limit, which ends by itself

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAnswer:
    """An answer that is not an error."""

    status: int
    body: Json
    headers: Mapping[str, str]


class _UnwritableError(Exception):
    """The disk does not take what was received."""


@dataclass(slots=True, kw_only=True)
class _Target:
    """A file that is being received: how much of it is written, and the digest of that."""

    file: BinaryIO
    what: str
    size: int = 0
    etag: str = ""
    is_complete: bool = False
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def take(self, answer: requests.Response) -> None:
        """Append an answer. Raises Unreachable where it does not continue what is written."""
        begin, total = self.size, None
        if answer.status_code == 206:
            match = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if match is None or int(match[1]) != begin:
                raise Unreachable(
                    f"{self.what} was answered with another part than byte {begin} and what follows"
                )
            total = int(match[2])
        elif begin:
            raise Unreachable(f"the file of {self.what} was changed while it was received: try again")
        self.etag = answer.headers.get("ETag", "")
        for chunk in answer.iter_content(64 * 1024):
            self.size += len(chunk)
            if self.size > _ANSWER_LIMIT:
                raise Unreachable(f"the answer is larger than {_ANSWER_LIMIT:,} bytes")
            self.digest.update(chunk)
            try:
                self.file.write(chunk)
            except OSError as error:
                raise _UnwritableError(error.strerror) from error
        if total is not None and self.size == begin:
            raise Unreachable(f"{self.what} was answered with a part of no bytes")
        self.is_complete = total is None or self.size >= total


def _quiet(_line: str) -> None:
    """Nobody reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Exchanges with one factory; `ca_file` is a PEM file that is trusted instead of the public authorities.

    `report` gets a line where a limit of the factory makes a request wait.
    """

    url: str
    token: str = field(repr=False)
    ca_file: str = ""
    sleep: Callable[[float], None] = time.sleep
    report: Callable[[str], None] = _quiet

    def get(self, path: str) -> Json:
        """An answer that needs nothing else, such as of `/api/retention`."""
        return self._ask("GET", path).body

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

    def _download(self, path: str, file: BinaryIO) -> str:
        """Write a file, part after part, unchanged; returns the SHA-256 of it all. A refusal is JSON here too.

        Memory does not depend on the size. An older factory sends the whole file in one answer.
        """
        target = _Target(file=file, what=f"GET {path}")
        while not target.is_complete:
            wanted = {"Accept": "*/*", "Range": f"bytes={target.size}-{target.size + PART - 1}"}
            if target.etag:
                wanted["If-Range"] = target.etag
            status, content, received = self._exchange("GET", path, None, wanted, target)
            if status == 416 and received.get("Content-Range", "") == f"bytes */{target.size}":
                break  # the file is empty, or a log of exactly this size
            if status >= 300:
                _answer_of(status, content, received, f"GET {path}")
        return target.digest.hexdigest()

    def _exchange(
        self,
        method: str,
        path: str,
        content: bytes | None,
        headers: Mapping[str, str],
        target: "_Target | None" = None,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        left, limited = _TRIES, 0.0
        while True:
            status, text, received = self._send(method, path, content, headers, target)
            wait = _wait_of(status, received)
            if status == _OVER_LIMIT and wait is not None:
                wait = max(wait, 1.0)
                limited += wait
                if limited > _LIMITED_FOR:
                    return status, text, received
                self.report(f"waiting {wait:g} s: {_detail_of(text)}")
                self.sleep(wait)
                continue
            left -= 1
            if wait is None or not left:
                return status, text, received
            self.sleep(wait)

    def _send(
        self,
        method: str,
        path: str,
        content: bytes | None,
        headers: Mapping[str, str],
        target: "_Target | None",
    ) -> tuple[int, bytes, Mapping[str, str]]:
        try:
            with requests.Session() as session:
                session.trust_env = not is_loopback(
                    self.url
                )  # a proxy of the environment would see the token
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
                with answer:
                    if target is not None and answer.status_code in (200, 206):
                        target.take(answer)
                        return answer.status_code, b"", answer.headers
                    return answer.status_code, _bounded(answer), answer.headers
        except requests.exceptions.SSLError as error:
            raise Unreachable(
                f"{self.url} has a certificate that is not trusted: {_cause_of(error)}; see --ca-file"
            ) from error
        except requests.exceptions.RequestException as error:
            raise Unreachable(f"{self.url} does not answer: {_cause_of(error)}") from error
        except _UnwritableError as error:
            raise Misused(f"the file cannot be written: {error}") from error
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
    if parts.scheme == "http" and not is_loopback(text.strip()):
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


def segment(text: str) -> str:
    return quote(text, safe="")


def _bounded(answer: requests.Response) -> bytes:
    content = bytearray()
    for chunk in answer.iter_content(64 * 1024):
        content += chunk
        if len(content) > _ANSWER_LIMIT:
            raise Unreachable(f"the answer is larger than {_ANSWER_LIMIT:,} bytes")
    return bytes(content)


def _detail_of(text: bytes) -> str:
    body = _json_of(text) or {}
    return str(body.get("detail") or "the factory has too many requests")


def _wait_of(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds to wait before the next try, or None where a next try is of no use."""
    wanted = headers.get("Retry-After", "")
    if status not in (_OVER_LIMIT, 503) or not wanted.isdecimal() or float(wanted) > _WAIT_LIMIT:
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
        failure = _failure_of(status, body, what)
        wait = headers.get("Retry-After", "")
        if status == _OVER_LIMIT and body is None and wait.isdecimal():
            failure = Unreachable(f"{failure}: try again in {wait} s")
        if isinstance(failure, CommandRefused):
            failure.etag = headers.get("ETag", "")
        raise failure
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
        return (
            Unreachable(plain)
            if status >= 500 or status == _OVER_LIMIT
            else CommandRefused(plain, status=status)
        )
    correlation = f" [correlation id {body['correlation_id']}]" if body.get("correlation_id") else ""
    text = f"{body['detail']} ({status}){correlation}"
    if status >= 500 or status == _OVER_LIMIT:
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
