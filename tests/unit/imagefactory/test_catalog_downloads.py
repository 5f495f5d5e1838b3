"""A file of the catalog comes from its hosts alone, goes on where it broke off, and is compared."""

import errno
import hashlib
import os
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from imagefactory.catalog.downloads import Downloads
from imagefactory.failures import CommandRefused, Unreachable
from local import ca
from pipeline_core.guard.catalog import CatalogEntry

pytestmark = pytest.mark.process

FALCON = b"falcon" * 1000
PART = 64 * 1024  # what is written at once
LARGE = bytes(range(256)) * (3 * PART // 256)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Vendor:
    """A host over TLS: files by path, redirects, and an answer that breaks off after some bytes."""

    files: dict[str, bytes] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    breaks: list[int] = field(default_factory=list)
    busy: list[tuple[int, str]] = field(default_factory=list)  # passing answers, with their Retry-After
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    host: str = ""


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[tuple[Vendor, Path]]:
    authority = ca.make_authority(tmp_path / "ca")
    issued = ca.issue_certificate(authority, ["127.0.0.1"])
    made = Vendor()

    class Exchange(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            if made.busy:
                status, after = made.busy.pop(0)
                self.send_response(status)
                self.send_header("Retry-After", after)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if self.path in made.moved:
                self.send_response(302)
                self.send_header("Location", made.moved[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = made.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            left = content[begin:]
            if made.breaks:
                self.wfile.write(left[: made.breaks.pop(0)])
                self.close_connection = True
                return
            self.wfile.write(left)

        def log_message(self, *_: Any) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    made.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield made, authority.ca_file
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _downloads(vendor: tuple[Vendor, Path], folder: Path, *more: str) -> Downloads:
    made, ca_file = vendor
    return Downloads(
        folder=folder,
        hosts=frozenset({made.host, *more}),
        ca_file=str(ca_file),
        report=lambda _: None,
        sleep=lambda _: None,
    )


def _of(vendor: tuple[Vendor, Path], content: bytes, path: str = "/falcon.rpm") -> CatalogEntry:
    return CatalogEntry(
        id="falcon", version="1.0", url=f"https://{vendor[0].host}{path}", sha256=_digest(content)
    )


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_file_is_fetched_and_compared(vendor: tuple[Vendor, Path], tmp_path: Path) -> None:
    vendor[0].files["/falcon.rpm"] = FALCON
    assert _downloads(vendor, tmp_path / "cache").fetch(_of(vendor, FALCON)).read_bytes() == FALCON
    assert all("authorization" not in headers for _, headers in vendor[0].asked)


def test_a_download_goes_on_where_it_broke_off(vendor: tuple[Vendor, Path], tmp_path: Path) -> None:
    vendor[0].files["/falcon.rpm"] = LARGE
    vendor[0].breaks = [PART + 1000, 0, PART]
    assert _downloads(vendor, tmp_path / "cache").fetch(_of(vendor, LARGE)).read_bytes() == LARGE
    ranges = [headers.get("range") for _, headers in vendor[0].asked]
    assert ranges == [None, f"bytes={PART}-", f"bytes={PART}-", f"bytes={2 * PART}-"]


def test_what_breaks_off_too_often_is_kept_for_the_next_run(
    vendor: tuple[Vendor, Path], tmp_path: Path
) -> None:
    vendor[0].files["/falcon.rpm"] = LARGE
    vendor[0].breaks = [PART, 0, PART, 0]
    downloads = _downloads(vendor, tmp_path / "cache")
    with pytest.raises(Unreachable, match=f"behind {2 * PART:,} bytes"):
        downloads.fetch(_of(vendor, LARGE))
    vendor[0].asked.clear()
    assert downloads.fetch(_of(vendor, LARGE)).read_bytes() == LARGE
    assert [headers.get("range") for _, headers in vendor[0].asked] == [f"bytes={2 * PART}-"]


def test_another_content_is_refused_and_not_kept(vendor: tuple[Vendor, Path], tmp_path: Path) -> None:
    vendor[0].files["/falcon.rpm"] = b"another"
    with pytest.raises(CommandRefused, match="the catalog pins"):
        _downloads(vendor, tmp_path / "cache").fetch(_of(vendor, FALCON))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_redirect_within_the_hosts_is_followed(vendor: tuple[Vendor, Path], tmp_path: Path) -> None:
    vendor[0].files["/real.rpm"] = FALCON
    vendor[0].moved["/falcon.rpm"] = "/real.rpm"
    assert _downloads(vendor, tmp_path / "cache").fetch(_of(vendor, FALCON)).read_bytes() == FALCON


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("https://evil.factory.corp/falcon.rpm", "evil.factory.corp, which is not among `hosts`"),
        ("http://{host}/falcon.rpm", "not plain https"),
        ("https://user@{host}/falcon.rpm", "not plain https"),
        ("/falcon.rpm", "more than 5 redirects"),
    ],
    ids=["another host", "http", "a user", "round and round"],
)
def test_a_redirect_elsewhere_is_refused(
    vendor: tuple[Vendor, Path], tmp_path: Path, target: str, said: str
) -> None:
    vendor[0].moved["/falcon.rpm"] = target.format(host=vendor[0].host)
    with pytest.raises(CommandRefused, match=said):
        _downloads(vendor, tmp_path / "cache").fetch(_of(vendor, FALCON))


def test_a_file_beyond_the_limit_is_refused(
    vendor: tuple[Vendor, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagefactory.catalog.downloads.SIZE_LIMIT", 100)
    vendor[0].files["/falcon.rpm"] = FALCON
    with pytest.raises(CommandRefused, match="larger than 100 bytes"):
        _downloads(vendor, tmp_path / "cache").fetch(_of(vendor, FALCON))


def test_an_address_that_is_gone_is_named(vendor: tuple[Vendor, Path], tmp_path: Path) -> None:
    with pytest.raises(CommandRefused, match=r"answered with 404"):
        _downloads(vendor, tmp_path / "cache").fetch(_of(vendor, FALCON))


def test_answers_that_pass_are_waited_for_within_bounds(vendor: tuple[Vendor, Path], tmp_path: Path) -> None:
    vendor[0].files["/falcon.rpm"] = FALCON
    vendor[0].busy = [(429, "7"), (503, "99999"), (502, "soon")]
    waited: list[float] = []
    patient = replace(_downloads(vendor, tmp_path / "cache"), sleep=waited.append)
    assert patient.fetch(_of(vendor, FALCON)).read_bytes() == FALCON
    assert waited == [7.0, 60.0, 2.0]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_answer_that_does_not_pass_is_not_blamed_on_the_address(
    vendor: tuple[Vendor, Path], tmp_path: Path, status: int
) -> None:
    vendor[0].busy = [(status, "1")] * 5
    with pytest.raises(Unreachable, match=rf"the last time with {status}: run the command again later"):
        _downloads(vendor, tmp_path / "cache").fetch(_of(vendor, FALCON))
    assert len(vendor[0].busy) == 1


def test_a_full_disk_is_said_with_the_folder_and_what_is_there_is_kept(
    vendor: tuple[Vendor, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor[0].files["/falcon.rpm"] = FALCON

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Downloads, "_write", full)
    cache = tmp_path / "cache"
    with pytest.raises(CommandRefused, match=f"falcon: {cache}: No space left on device"):
        _downloads(vendor, cache).fetch(_of(vendor, FALCON))


def test_a_folder_that_is_a_file_is_said(vendor: tuple[Vendor, Path], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("x")
    with pytest.raises(CommandRefused, match=f"falcon: {tmp_path}/cache: File exists"):
        _downloads(vendor, tmp_path / "cache").fetch(_of(vendor, FALCON))
