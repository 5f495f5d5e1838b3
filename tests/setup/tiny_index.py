"""A package index on this machine, made of what is installed here.

For each locked distribution it can hold an empty wheel of the locked release and of a newer one, with the real
requirements: an installer that resolves meets what it would meet on the real index some months after the lock was
written. It can also hold wheels with the real content, for what is to be run after it is installed.
"""

import hashlib
import io
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata

from packaging.utils import canonicalize_name

WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def newer(version: str) -> str:
    """The next release after `version`, near enough to satisfy whatever `version` satisfies."""
    return f"{version}.1"


def file_of(name: str, version: str) -> str:
    return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


def empty_wheel(name: str, version: str) -> bytes:
    """A wheel without code, with the requirements of the installed `name`."""
    installed = metadata.distribution(name).metadata
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Provides-Extra: {extra}" for extra in installed.get_all("Provides-Extra", [])]
    lines += [f"Requires-Dist: {each}" for each in installed.get_all("Requires-Dist", [])]
    return _wheel(name, version, {"METADATA": "\n".join(lines).encode() + b"\n"}, {})


def real_wheel(name: str) -> bytes:
    """The installed `name`, packed again: its code and metadata, without the programs that pip made."""
    found = metadata.distribution(name)
    folder = f"{name.replace('-', '_')}-{found.version}.dist-info"
    own: dict[str, bytes] = {}
    code: dict[str, bytes] = {}
    for file in found.files or ():
        if ".." in file.parts or file.suffix == ".pyc":
            continue
        if not file.parts[0].endswith(".dist-info"):
            code[str(file)] = file.read_binary()
        elif str(file).endswith(("/METADATA", "/entry_points.txt")):
            own[file.name] = file.read_binary()
    assert code, f"{folder} names no files"
    return _wheel(name, found.version, own, code)


def _wheel(name: str, version: str, own: Mapping[str, bytes], code: Mapping[str, bytes]) -> bytes:
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        made = {**own, "WHEEL": WHEEL.encode(), "RECORD": b""}
        for path, each in {**code, **{f"{folder}/{file}": text for file, text in made.items()}}.items():
            archive.writestr(
                zipfile.ZipInfo(path), each
            )  # with a fixed date: made twice, it has the same digest
    return content.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def served(wheels: Mapping[str, Callable[[], bytes]]) -> Iterator[str]:
    """The address of a simple index (PEP 503) of `wheels`, by file name; each is made when it is asked for."""
    pages: dict[str, str] = {}
    for file in wheels:
        page = f"/simple/{canonicalize_name(file.split('-')[0])}/"
        link = f'<a href="/files/{file}">{file}</a><br>'
        pages[page] = pages.get(page, "<!DOCTYPE html><html><body>") + link

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            file = self.path.removeprefix("/files/")
            if file in wheels:
                self._answer(200, "application/octet-stream", wheels[file]())
            elif self.path in pages:
                self._answer(200, "text/html", pages[self.path].encode())
            else:
                self._answer(404, "text/plain", b"no such page")

        def _answer(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class names it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
