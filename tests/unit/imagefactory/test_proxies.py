"""No proxy sees a token: this machine is reached directly, whatever proxy the environment names."""

import socketserver
import threading
from collections.abc import Iterator

import pytest

from imagefactory.bearer import is_loopback
from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory

pytestmark = pytest.mark.process


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A proxy that the environment names for everything. It keeps what it was sent, and answers nothing."""
    seen: list[bytes] = []

    class Recorder(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            seen.append(self.request.recv(65536))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Recorder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, address)
            monkeypatch.setenv(name.upper(), address)
        yield seen
        server.shutdown()


@pytest.mark.usefixtures("factory")
def test_the_command_sends_its_token_to_no_proxy(
    run: Run, factory: FakeFactory, proxy: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    shown = run("list")
    assert shown.exit_code == 0, shown.output
    assert proxy == []
    assert [path for _, path, _ in factory.asked] == ["/api/images?after=&limit=200"]


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("http://127.0.0.1:7071", True),
        ("https://localhost", True),
        ("http://[::1]:80/api", True),
        ("https://images.example.com", False),
        ("https://127.0.0.1.example.com", False),
    ],
)
def test_only_this_machine_is_reached_without_a_proxy(url: str, answer: bool) -> None:
    assert is_loopback(url) is answer
