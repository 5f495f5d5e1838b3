"""The contract of Web: https alone, no redirect, a bounded body; and nothing of ours goes along."""

import email.utils
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar

import pytest

from local import ca
from pipeline_core.adapters.azure import web as adapter
from pipeline_core.adapters.azure.web import HttpsWeb
from pipeline_core.adapters.memory.web import MemoryWeb
from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.ports import Web, WebAnswer

BODIES: Mapping[str, bytes] = {
    "/ok": b"fine",
    "/busy": b"",
    "/later": b"",
    "/refused": b"no",
    "/large": b"x" * 5000,
}
STATUS: Mapping[str, int] = {"/refused": 410, "/busy": 429, "/later": 503}
ASKED: Mapping[str, timedelta] = {"/busy": timedelta(seconds=90), "/later": timedelta(minutes=50)}
LOOPBACK = (ip_network("127.0.0.0/8"),)


class _Site(BaseHTTPRequestHandler):
    """Answers by path; `/echo` tells what came."""

    protocol_version = "HTTP/1.1"
    drip: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        if path == "/away":
            self._start(302, b"", Location="/ok")
            return
        if path == "/drip":
            self._drip()
            return
        if path == "/drip-headers":
            self._drip_headers()
            return
        told = {"method": self.command, "headers": dict(self.headers), "body": sent.decode()}
        body = json.dumps(told).encode() if path == "/echo" else BODIES[path]
        asked = {"/busy": "90", "/later": email.utils.formatdate(time.time() + 3000, usegmt=True)}
        headers = {"Retry-After": asked[path]} if path in asked else {}
        self._start(STATUS.get(path, 200), body, **headers)

    def _start(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.close_connection = True
        try:
            while not self.drip.wait(0.05):
                self.wfile.write(b"x" * 16384)
                self.wfile.flush()
        except OSError:
            return  # the caller has had enough

    def _drip_headers(self) -> None:
        self.close_connection = True
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for number in range(100):
                if self.drip.wait(0.05):
                    return
                self.wfile.write(f"X-{number}: a\r\n".encode())
                self.wfile.flush()
        except OSError:
            return  # the caller has had enough

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A server on loopback with a certificate of an own authority."""

    url: str
    port: int
    ca_file: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    authority = ca.make_authority(tmp_path_factory.mktemp("web"))
    files = ca.issue_certificate(authority, ["localhost", "127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up are the point
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield Site(
        url=f"https://127.0.0.1:{server.server_port}", port=server.server_port, ca_file=authority.ca_file
    )
    _Site.drip.set()
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture(params=["memory", "azure"])
def web(request: pytest.FixtureRequest, site: Site) -> Web:
    if request.param == "azure":
        return HttpsWeb(str(site.ca_file), LOOPBACK)
    answers: dict[str, Any] = {
        f"{site.url}{path}": WebAnswer(status=STATUS.get(path, 200), body=body, retry_after=ASKED.get(path))
        for path, body in BODIES.items()
    }
    answers[f"{site.url}/away"] = WebAnswer(status=302, body=b"")
    return MemoryWeb(answers=answers, also=LOOPBACK)


def test_an_answer_has_its_status_and_body(web: Web, site: Site) -> None:
    assert web.get(f"{site.url}/ok", limit=4) == WebAnswer(status=200, body=b"fine")
    assert web.post(f"{site.url}/ok", b"{}", {}, limit=4) == WebAnswer(status=200, body=b"fine")


@pytest.mark.parametrize("path", ASKED)
def test_an_answer_says_how_long_it_asks_to_wait_in_seconds_or_as_a_date(
    web: Web, site: Site, path: str
) -> None:
    answer = web.post(f"{site.url}{path}", b"", {}, limit=10)
    assert answer.retry_after is not None
    assert abs(answer.retry_after - ASKED[path]) < timedelta(seconds=5)


def test_a_refusal_is_an_answer_too(web: Web, site: Site) -> None:
    assert web.post(f"{site.url}/refused", b"", {}, limit=10).status == 410


def test_a_body_above_the_limit_is_refused(web: Web, site: Site) -> None:
    assert len(web.get(f"{site.url}/large", limit=5000).body) == 5000
    with pytest.raises(PermanentError) as refused:
        web.get(f"{site.url}/large", limit=4999)
    assert refused.value.error_class is ErrorClass.POLICY


def test_a_redirect_is_refused(web: Web, site: Site) -> None:
    with pytest.raises(PermanentError, match="redirect"):
        web.get(f"{site.url}/away", limit=100)


@pytest.mark.parametrize("scheme", ["http", "ftp", "file", ""])
def test_anything_but_https_is_refused(web: Web, site: Site, scheme: str) -> None:
    url = site.url.replace("https", scheme) + "/ok"
    with pytest.raises(PermanentError, match="https"):
        web.get(url, limit=100)
    with pytest.raises(PermanentError, match="https"):
        web.post(url, b"", {}, limit=100)


def test_nobody_at_home_is_transient(web: Web) -> None:
    with pytest.raises(TransientError) as failed:
        web.get("https://127.0.0.1:1/ok", limit=100)
    assert failed.value.error_class is ErrorClass.NETWORK


def test_a_server_without_a_trusted_certificate_gets_nothing(site: Site) -> None:
    with pytest.raises(TransientError):
        HttpsWeb().get(f"{site.url}/ok", limit=100)


def test_a_post_carries_its_body_and_headers_and_nothing_of_the_machine(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    answer = HttpsWeb(str(site.ca_file), LOOPBACK).post(
        f"{site.url}/echo", b'{"a":1}', {"X-Signature": "s"}, limit=5000
    )
    told = json.loads(answer.body)
    assert (told["method"], told["body"], told["headers"]["X-Signature"]) == ("POST", '{"a":1}', "s")
    assert "Authorization" not in told["headers"]


@pytest.mark.parametrize(
    "url", ["https://", "https://user:pw@127.0.0.1/ok", "https://127.0.0.1:99999/", "https://[::1"]
)
def test_a_malformed_address_is_refused(url: str) -> None:
    with pytest.raises(PermanentError) as refused:
        HttpsWeb().get(url, limit=10)
    assert "pw" not in str(refused.value)


def test_an_address_in_an_error_has_no_path_or_query(site: Site) -> None:
    with pytest.raises(TransientError) as failed:
        HttpsWeb().get("https://127.0.0.1:1/hooks/token?sig=secret", limit=10)
    assert "token" not in str(failed.value)
    assert "secret" not in str(failed.value)
    with pytest.raises(PermanentError) as refused:
        HttpsWeb(str(site.ca_file), LOOPBACK).get(f"{site.url}/away?sig=secret", limit=10)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("path", ["/drip", "/drip-headers"])
def test_a_server_that_drips_is_left_in_time(site: Site, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(adapter, "_WHOLE_SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(TransientError, match="longer than"):
        HttpsWeb(str(site.ca_file), LOOPBACK).post(f"{site.url}{path}", b"{}", {}, limit=10_000_000)
    assert time.monotonic() - began < 3  # the headers alone would take 5 s


NOT_PUBLIC = (
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "168.63.129.16",
    "169.254.169.254",
    "172.31.255.255",
    "192.0.0.192",
    "192.168.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::169.254.169.254",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "64:ff9b:1::a9fe:a9fe",
    "2001::1",
    "2001:db8::1",
    "2002:a9fe:a9fe::1",
    "fc00::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
)


@pytest.mark.parametrize("address", NOT_PUBLIC)
@pytest.mark.parametrize("ca_file", [False, True], ids=["public trust", "a proxy that inspects"])
def test_a_name_that_resolves_to_no_public_address_gets_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, address: str, ca_file: bool
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _resolver("8.8.8.8", address))
    monkeypatch.setattr(socket, "create_connection", _no_connection)
    with pytest.raises(PermanentError, match="not a public address") as refused:
        HttpsWeb(str(site.ca_file) if ca_file else "").post("https://a.example/token", b"", {}, limit=10)
    assert "token" not in str(refused.value)


@pytest.mark.parametrize("address", ["8.8.8.8", "20.50.2.1", "2603:1030::1", "2a01:111::1"])
def test_the_connection_is_made_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    asked: list[str] = []
    met: list[object] = []

    def resolve(*given: Any, **named: Any) -> Any:
        asked.append(given[0])
        return _resolver(address)(*given, **named)

    def connect(place: object, **_: Any) -> socket.socket:
        met.append(place)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(TransientError):
        HttpsWeb().post("https://a.example/", b"", {}, limit=10)
    assert asked == ["a.example"]  # once: a second answer could be another one
    assert met == [(address, 443)]


def test_a_post_to_a_number_that_is_not_public_is_refused_by_the_twin_too() -> None:
    with pytest.raises(PermanentError, match="not a public address"):
        MemoryWeb().post("https://169.254.169.254/", b"", {}, limit=10)


def test_a_name_server_that_does_not_answer_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(adapter, "_WHOLE_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: list(filter(None, [gate.wait(5)]))[:0])
    with pytest.raises(TransientError, match="cannot be resolved"):
        HttpsWeb().post("https://a.example/", b"", {}, limit=10)
    gate.set()


def _resolver(*addresses: str) -> Any:
    def resolve(_host: str, port: int, **_: Any) -> Any:
        return [(None, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return resolve


def _no_connection(*_: Any, **__: Any) -> socket.socket:
    raise AssertionError("nothing may be reached")


@pytest.mark.parametrize("value", ["a\nX-Evil: 1", "a\r\nb"])
def test_a_header_cannot_smuggle_another(site: Site, value: str) -> None:
    with pytest.raises(PermanentError):
        HttpsWeb(str(site.ca_file), LOOPBACK).post(f"{site.url}/echo", b"", {"X-A": value}, limit=5000)
