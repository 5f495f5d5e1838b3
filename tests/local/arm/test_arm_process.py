"""The emulator as a process: it starts beside another emulator, and ends all its children at its own end."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local import ca
from local.arm import launch
from tests.local.arm.conftest import FACTORY, SAMPLE, Body, sign_in, wait_gone

_PARENT = """
import sys, time
from pathlib import Path
from local.arm import launch
running = launch.start(Path(sys.argv[1]))
print(running.pid, flush=True)
time.sleep(600)
"""


def test_two_emulators_do_not_collide(tmp_path: Path) -> None:
    with launch.start(tmp_path / "a") as first, launch.start(tmp_path / "b") as second:
        assert first.arm != second.arm
        assert first.ask("GET", "state")["versions"] == second.ask("GET", "state")["versions"] == []
    wait_gone(first.pid)
    assert not (tmp_path / "a" / "arm.json").exists()


def test_without_a_real_packer_no_machine_answers_and_no_ssh_library_is_loaded(tmp_path: Path) -> None:
    code = "import sys, local.arm.server; print('asyncssh' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=launch.CHECKOUT, capture_output=True, check=True)
    assert done.stdout.strip() == b"False"
    with launch.start(tmp_path) as running:
        assert running.guest_port == 0


def test_with_a_real_packer_the_machines_answer(tmp_path: Path) -> None:
    with launch.start(tmp_path, options=[f"--packer={sys.executable}"]) as running:
        with socket.create_connection(("127.0.0.1", running.guest_port), timeout=10) as door:
            assert door.recv(8) == b"SSH-2.0-"
        assert f"{Path(sys.executable).resolve()} {running.guest_port}" in Path(running.packer).read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with launch.start(tmp_path) as running:
        os.kill(running.pid, number)
        assert running.child.wait(10) == 0


def test_its_end_leaves_nothing_in_the_log(tmp_path: Path) -> None:
    """Not even with a request that waits for its answer."""
    with launch.start(tmp_path) as running:
        running.ask("POST", "faults", {"path_regex": "/msi/token", "delay": 30})
        port = int(running.control.split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as waiting:
            waiting.sendall(b"GET /msi/token HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            running.ask("GET", "state")  # the request before it has arrived by then
            os.kill(running.pid, signal.SIGTERM)
            assert running.child.wait(10) == 0
        assert running.log.read_text() == ""


def test_it_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path)], cwd=launch.CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    wait_gone(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_its_containers_end_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    options = [f"--program=sample={sys.executable} {SAMPLE}", "--grace-seconds=2"]
    with launch.start(tmp_path, resource_groups=["rg-build"], options=options) as running:
        monkeypatch.setenv("IDENTITY_ENDPOINT", running.identity_endpoint)
        monkeypatch.setenv("IDENTITY_HEADER", running.identity_header)
        properties = {
            "osType": "Linux",
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "builder",
                    "properties": {
                        "image": "builder",
                        "command": ["sample", "sleep"],
                        "resources": {"requests": {"cpu": 1, "memoryInGB": 1}},
                    },
                }
            ],
        }
        with sign_in(running, FACTORY) as clients:
            wanted: Body = {"location": "westeurope", "properties": properties}
            clients.azure.containers.container_groups.begin_create_or_update("rg-build", "one", wanted)
        pids: list[int] = []
        end = time.monotonic() + 10
        while not pids and time.monotonic() < end:
            (group,) = running.ask("GET", "state")["container_groups"]
            pids = group["pids"]
        (pid,) = pids
        os.kill(running.pid, number)
        running.child.wait(10)
        wait_gone(pid)
    assert list((tmp_path / "containers").glob("*")) == [] or number is signal.SIGKILL


def test_a_taken_port_is_a_clear_message(tmp_path: Path) -> None:
    with launch.start(tmp_path / "a") as first:
        port = first.arm.rsplit(":", 1)[1]
        with pytest.raises(launch.ArmDidNotStart, match="cannot start"):
            launch.start(tmp_path / "b", options=[f"--port={port}"])


def test_an_authority_is_made_once_and_certifies_addresses_and_names(tmp_path: Path) -> None:
    first = ca.make_authority(tmp_path)
    before = first.ca_file.read_bytes()
    assert ca.make_authority(tmp_path).ca_file.read_bytes() == before
    files = ca.issue_certificate(first, ["127.0.0.1", "localhost", "*.vault.azure.net"], name="azurite")
    assert files.key.stat().st_mode & 0o077 == 0
    assert first.key_file.stat().st_mode & 0o077 == 0
    server, client = (
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
        ssl.create_default_context(cafile=str(files.ca_file)),
    )
    server.load_cert_chain(files.certificate, files.key)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("127.0.0.1", "localhost", "a.vault.azure.net"):
        assert _shakes_hands(server, client, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        _shakes_hands(server, client, "example.com")


def _shakes_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> bool:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ours.getpeercert() is not None
