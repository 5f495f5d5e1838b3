"""`imagefactory catalog`: files come from a folder or from their hosts, are compared, and go to the storage alone."""

import hashlib
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from imagefactory.catalog.downloads import Downloads
from imagefactory.failures import CommandRefused, Unreachable
from local import ca
from pipeline_core.guard.catalog import CatalogEntry
from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory, tool_record

pytestmark = pytest.mark.process

FALCON, NESSUS = b"falcon" * 1000, b"nessus" * 1000
PART = 64 * 1024  # what is written at once
LARGE = bytes(range(256)) * (3 * PART // 256)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _entry(tool: str, content: bytes) -> dict[str, str]:
    address = f"https://tools.factory.corp/{tool}-1.0.rpm"
    return {"id": tool, "version": "1.0", "url": address, "sha256": _digest(content)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "secops"
    (made / "platform").mkdir(parents=True)
    (made / "platform" / "a.sh").write_text("echo\n")
    entries = [_entry("falcon", FALCON), _entry("nessus", NESSUS)]
    (made / "catalog.json").write_text(json.dumps({"hosts": ["tools.factory.corp"], "entries": entries}))
    return made


@pytest.fixture
def files(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    (made / "falcon-1.0.rpm").write_bytes(FALCON)
    (made / _digest(NESSUS)).write_bytes(NESSUS)
    return made


def test_files_of_a_folder_are_brought_and_only_they(
    run: Run, factory: FakeFactory, folder: Path, files: Path
) -> None:
    done = run("catalog", "submit", folder, "--from", files, "--wait", "--every", "0.05")
    assert done.exit_code == 0, done.output
    assert factory.stored == {_digest(FALCON): FALCON, _digest(NESSUS): NESSUS}
    assert "sig=secret" not in done.output
    asked = len(factory.asked)
    again = run("catalog", "submit", folder, "--from", files)
    assert again.exit_code == 0
    assert [method for method, _, _ in factory.asked[asked:]] == ["GET"]
    assert again.output.count("admitted") >= 2


def test_one_tool_may_be_chosen_and_an_unknown_one_is_named(
    run: Run, factory: FakeFactory, folder: Path, files: Path
) -> None:
    assert run("catalog", "submit", folder, "nessus", "--from", files).exit_code == 0
    assert list(factory.stored) == [_digest(NESSUS)]
    wrong = run("catalog", "submit", folder, "nesus", "--from", files)
    assert wrong.exit_code == 2
    assert "the catalog has no nesus" in wrong.output


def test_a_file_with_another_content_is_not_brought_and_stops_no_other(
    run: Run, factory: FakeFactory, folder: Path, files: Path
) -> None:
    (files / "falcon-1.0.rpm").write_bytes(b"another")
    done = run("catalog", "submit", folder, "--from", files)
    assert done.exit_code == 1
    assert f"SHA-256 is {_digest(b'another')}" in done.output
    assert list(factory.stored) == [_digest(NESSUS)]
    assert (files / "falcon-1.0.rpm").exists()


def test_a_refused_file_is_said_with_its_command(
    run: Run, factory: FakeFactory, folder: Path, files: Path
) -> None:
    factory.tools[_digest(FALCON)] = tool_record(_digest(FALCON), state="refused", reason="Malicious")
    done = run("catalog", "submit", folder, "--from", files)
    assert done.exit_code == 1
    assert "refused: Malicious" in done.output
    assert f"imagefactory catalog remove {_digest(FALCON)}" in " ".join(done.output.split())
    assert list(factory.stored) == [_digest(NESSUS)]


def test_an_upload_that_was_done_before_is_done(
    run: Run, factory: FakeFactory, folder: Path, files: Path
) -> None:
    """The answer of the first upload was lost: the storage says that the blob exists."""
    factory.stored |= {_digest(FALCON): FALCON, _digest(NESSUS): NESSUS}
    factory.stale_offers = 1  # the first offer was made before that upload
    assert run("catalog", "submit", folder, "--from", files).exit_code == 0
    factory.closed = True
    (files / "falcon-1.0.rpm").write_bytes(FALCON)
    factory.stored.clear()
    factory.tools.clear()
    done = run("catalog", "submit", folder, "--from", files)
    assert done.exit_code == 1
    assert "storage refused the file (403, AuthorizationFailure)" in done.output
    assert "sig=secret" not in done.output


def test_waiting_ends_with_the_names_of_what_waits(
    run: Run, factory: FakeFactory, folder: Path, files: Path
) -> None:
    waiting = tool_record(_digest(FALCON), state="quarantined", reason="not scanned")
    factory.tools[_digest(FALCON)] = waiting
    words = ("--wait", "--timeout", "0.2", "--every", "0.05")
    done = run("catalog", "submit", folder, "falcon", "--from", files, *words)
    assert done.exit_code == 3
    assert "falcon is not admitted after 0.2 s" in done.output


def test_the_list_shows_what_builds_wait_for(run: Run, factory: FakeFactory) -> None:
    factory.tools["aa" * 32] = tool_record("aa" * 32, state="admitted", reason="", scanned_by="a scanner")
    factory.tools["bb" * 32] = tool_record("bb" * 32, state="refused", reason="Malicious\x1b[2J")
    shown = run("catalog", "list")
    assert shown.exit_code == 0
    assert "aa" * 32 in shown.output
    assert "\x1b" not in shown.output
    missing = json.loads(run("catalog", "list", "--missing", "-o", "json").output)
    assert [each["sha256"] for each in missing] == ["bb" * 32]


def test_a_removal_needs_a_reason_and_a_digest(run: Run, factory: FakeFactory) -> None:
    factory.tools["bb" * 32] = tool_record("bb" * 32, state="refused")
    assert run("catalog", "remove", "bb" * 32).exit_code == 2
    assert run("catalog", "remove", "nothing", "--reason", "x").exit_code == 2
    assert factory.tools
    assert run("catalog", "remove", "bb" * 32, "--reason", "a false finding").exit_code == 0
    assert (factory.tools, factory.request) == ({}, {"reason": "a false finding"})


def test_a_catalog_is_registered_after_its_files(
    run: Run, factory: FakeFactory, folder: Path, files: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    (cache / "imagefactory" / "catalog").mkdir(parents=True)
    for content in (FALCON, NESSUS):
        part = cache / "imagefactory" / "catalog" / f"{_digest(content)}.part"
        part.write_bytes(content)
    monkeypatch.setattr(Downloads, "_go_on", lambda *_: None)  # all of it is there
    done = run("platform", "register", folder, "--submit", XDG_CACHE_HOME=str(cache))
    assert done.exit_code == 0, done.output
    assert set(factory.stored) == {_digest(FALCON), _digest(NESSUS)}
    assert factory.platform["catalog"]["entries"][0]["id"] == "falcon"
    assert list((cache / "imagefactory" / "catalog").iterdir()) == []


@dataclass
class Vendor:
    """A host over TLS: files by path, redirects, and an answer that breaks off after some bytes."""

    files: dict[str, bytes] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    breaks: list[int] = field(default_factory=list)
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
