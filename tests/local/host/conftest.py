"""Starts the real host as a process with the sample app, against the real Azurite."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.storage.queue import QueueClient, QueueServiceClient, TextBase64EncodePolicy

from local import processes

_ROOT = Path(__file__).parents[3]
_SAMPLE = Path(__file__).parent / "sample_app"
_SLOW_TICK = "0 0 0 1 1 *"  # once a year, so never during a test


@dataclass(frozen=True, slots=True, kw_only=True)
class HostUnderTest:
    """A running host and the records of its app."""

    running: processes.Running
    url: str
    key: str
    folder: Path

    def records(self, function: str, **facts: Any) -> list[dict[str, Any]]:
        """The function's records that hold these facts."""
        file = self.folder / "records.jsonl"
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        found = [json.loads(line) for line in lines]
        return [
            record for record in found if record["function"] == function and facts.items() <= record.items()
        ]

    def invocations(self, function: str) -> list[dict[str, Any]]:
        """The host's own lines about a function."""
        lines = (self.folder / "invocations.jsonl").read_text("utf-8").splitlines()
        return [line for line in map(json.loads, lines) if line["function"] == function]

    def wait_for(self, condition: Callable[[], Any], *, seconds: float = 20) -> None:
        """Wait until the condition holds. The failure shows the end of the host's log."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (
                f"not within {seconds} s; {processes.last_lines(self.running.log)}"
            )
            time.sleep(0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """The work queue of one test and its poison queue, as a sender sees them."""

    name: str
    service: QueueServiceClient

    def plain(self, suffix: str = "") -> QueueClient:
        """A client that sends and reads text as it is."""
        return self.service.get_queue_client(self.name + suffix)

    def send(self, **order: Any) -> None:
        """Send an order for `work`, encoded as an app sends it."""
        client = self.service.get_queue_client(self.name, message_encode_policy=TextBase64EncodePolicy())
        client.send_message(json.dumps(order))

    def length(self, suffix: str = "") -> int:
        """The number of messages, invisible ones included."""
        return int(self.plain(suffix).get_queue_properties().approximate_message_count or 0)


@pytest.fixture
def queues(azurite: Any, unique_name: Callable[[str], str]) -> Queues:
    service = QueueServiceClient(azurite.queue, **azurite.client_options())
    made = Queues(name=unique_name("work"), service=service)
    made.plain().create_queue()
    return made


@pytest.fixture
def start_host(
    azurite: Any, storage_identity: Mapping[str, str], queues: Queues, tmp_path: Path
) -> Iterator[Callable[..., HostUnderTest]]:
    """Starts hosts that share one folder, so that a second host is a restart of the first."""
    started: list[processes.Running] = []

    def start(*, lease: float = 2, grace: float = 5, **settings: str) -> HostUnderTest:
        announce = tmp_path / "host.json"
        announce.unlink(missing_ok=True)
        values = {
            **azurite.settings(),
            **storage_identity,
            "WORK_QUEUE": queues.name,
            "TICK": _SLOW_TICK,
            "SAMPLE_RECORD": str(tmp_path / "records.jsonl"),
            **settings,
        }
        settings_file = tmp_path / "settings.json"
        settings_file.write_text(json.dumps({"IsEncrypted": False, "Values": values}), "utf-8")
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "local.host",
            "--app-dir",
            _SAMPLE,
            "--settings",
            settings_file,
        ]
        command += ["--announce", announce, "--invocations", tmp_path / "invocations.jsonl"]
        command += ["--lease-seconds", str(lease), "--grace-seconds", str(grace)]
        running = processes.start(
            "the host",
            command,
            log=tmp_path / "host.log",
            ready=announce.exists,
            environment={"PATH": "", "PYTHONPATH": str(_ROOT), "PYTHONWARNINGS": "ignore"},
        )
        started.append(running)
        found = json.loads(announce.read_text("utf-8"))
        assert found["pid"] == running.pid
        return HostUnderTest(running=running, url=found["url"], key=found["key"], folder=tmp_path)

    yield start
    for running in started:
        running.stop(grace=5)


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session
