"""A package index on this machine that holds, for each locked distribution, the locked release and a newer one.

Each release is an empty wheel with the real requirements of the distribution that is installed here, so that an
installer that resolves meets what it would meet on the real index some months after the lock was written.
"""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata

from packaging.utils import canonicalize_name


def newer(version: str) -> str:
    """The next release after `version`, near enough to satisfy whatever `version` satisfies."""
    return f"{version}.1"


def wheel_of(name: str, version: str) -> tuple[str, bytes]:
    """File name and content of an empty wheel with the requirements of the installed `name`."""
    installed = metadata.distribution(name).metadata
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Provides-Extra: {extra}" for extra in installed.get_all("Provides-Extra", [])]
    lines += [f"Requires-Dist: {each}" for each in installed.get_all("Requires-Dist", [])]
    stem = f"{name.replace('-', '_')}-{version}"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        folder = f"{stem}.dist-info"
        files = {
            f"{folder}/METADATA": "\n".join(lines) + "\n",
            f"{folder}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{folder}/RECORD": "",
        }
        for path, text in files.items():
            archive.writestr(path, text)
    return f"{stem}-py3-none-any.whl", content.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def served(wheels: Mapping[str, bytes]) -> Iterator[str]:
    """The address of a simple index (PEP 503) of `wheels`, by file name."""
    pages: dict[str, str] = {}
    for file, content in wheels.items():
        page = f"/simple/{canonicalize_name(file.split('-')[0])}/"
        link = f'<a href="/files/{file}#sha256={sha256(content)}">{file}</a><br>'
        pages[page] = pages.get(page, "<!DOCTYPE html><html><body>") + link

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            file = self.path.removeprefix("/files/")
            if file in wheels:
                self._answer(200, "application/octet-stream", wheels[file])
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
