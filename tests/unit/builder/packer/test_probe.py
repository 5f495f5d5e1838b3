"""The probe of ports: what real sockets find, how long it waits, and what Packer is told to run."""

import errno
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from builder.packer import ports, provisioners
from builder.results import ports as asked_ports
from builder.results import probe
from pipeline_core.wire.job import JobPort
from tests.unit.builder import samples

API = JobPort(port=8443)


@contextmanager
def listener() -> Iterator[int]:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        yield made.getsockname()[1]


@contextmanager
def nobody() -> Iterator[int]:
    """A port that is taken, at which nobody listens."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        yield made.getsockname()[1]


@pytest.mark.process
def test_a_port_that_listens_is_open_and_one_that_does_not_refuses() -> None:
    with listener() as open_port, nobody() as silent_port:
        assert probe.connect("127.0.0.1", open_port, "tcp") == probe.OPEN
        assert probe.connect("127.0.0.1", silent_port, "tcp") == probe.REFUSED


ERRORS = {
    ("the machine refuses", "tcp"): (OSError(errno.ECONNREFUSED, "x"), probe.REFUSED),
    ("the machine resets", "tcp"): (OSError(errno.ECONNRESET, "x"), probe.REFUSED),
    ("a firewall rejects", "tcp"): (OSError(errno.EHOSTUNREACH, "x"), probe.CLOSED),
    ("a firewall forbids", "tcp"): (OSError(errno.EACCES, "x"), probe.CLOSED),
    ("nothing comes back", "tcp"): (TimeoutError("timed out"), probe.CLOSED),
    ("the machine refuses", "udp"): (OSError(errno.ECONNREFUSED, "x"), probe.REFUSED),
    ("a firewall rejects", "udp"): (OSError(errno.EHOSTUNREACH, "x"), probe.CLOSED),
    ("nothing comes back", "udp"): (TimeoutError("timed out"), probe.SILENT),
}


@pytest.mark.parametrize(("what", "protocol"), ERRORS)
def test_an_error_says_who_refused(what: str, protocol: str) -> None:
    error, found = ERRORS[what, protocol]
    assert probe.of_error(error, protocol) == found


@pytest.mark.process
def test_a_datagram_to_nobody_is_refused_and_one_that_is_answered_is_open() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        port = made.getsockname()[1]
    assert probe.connect("127.0.0.1", port, "udp") == probe.REFUSED


GOOD = {
    ("boot", "tcp"): {probe.OPEN},
    ("deployed", "tcp"): {probe.OPEN, probe.REFUSED},
    ("never", "tcp"): {probe.CLOSED},
    ("boot", "udp"): {probe.OPEN, probe.SILENT},
    ("deployed", "udp"): {probe.OPEN, probe.SILENT, probe.REFUSED},
    ("later", "tcp"): set(),
}


@pytest.mark.parametrize(("when", "protocol"), GOOD)
def test_what_may_be_found_is_this(when: str, protocol: str) -> None:
    every = (probe.OPEN, probe.REFUSED, probe.CLOSED, probe.SILENT)
    assert {each for each in every if probe.is_good(when, protocol, each)} == GOOD[when, protocol]


class Machine:
    """A machine whose service starts after some seconds; its clock is the test's."""

    def __init__(self, starts: float) -> None:
        self.starts, self.time, self.tries = starts, 0.0, 0

    def connect(self, host: str, port: int, protocol: str) -> str:
        self.tries += 1
        return probe.OPEN if self.time >= self.starts else probe.REFUSED

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.mark.parametrize(("starts", "found"), [(0, probe.OPEN), (60, probe.OPEN), (600, probe.REFUSED)])
def test_a_service_may_start_a_little_later_than_the_machine(starts: float, found: str) -> None:
    machine = Machine(starts)
    question = probe.asked([(8443, "tcp", "boot")])
    told = probe.try_all("10.0.0.4", question, connect=machine.connect, now=machine.now, sleep=machine.sleep)
    assert told == {"ports": [{"port": 8443, "protocol": "tcp", "when": "boot", "found": found}]}
    assert machine.time <= probe.PATIENCE + 1


def test_the_question_has_the_ports_of_the_job_and_some_that_nobody_may_answer() -> None:
    job = samples.verify_job(
        serves=(API, JobPort(port=9090, when="deployed"), JobPort(port=111, protocol="udp"))
    )
    asked = asked_ports.question(job, samples.PLATFORM)["ports"]
    assert isinstance(asked, list)
    assert [(each["port"], each["protocol"], each["when"]) for each in asked] == [
        (8443, "tcp", "boot"),
        (9090, "tcp", "deployed"),
        (111, "udp", "boot"),
        (111, "tcp", "never"),
        (65533, "tcp", "never"),
    ]


@pytest.mark.process
def test_the_script_of_the_step_runs_the_probe_and_says_its_title(tmp_path: Path) -> None:
    with listener() as port, nobody() as closed:
        rows = [(port, "tcp", "boot"), (closed, "tcp", "deployed")]
        (tmp_path / asked_ports.ASKED).write_text(json.dumps(probe.asked(rows, patience=0)), encoding="utf-8")
        (tmp_path / "ports.sh").write_text(ports.script("step 1 of 2: platform: ports", ports.program()))
        done = subprocess.run(
            [shutil.which("sh") or "/bin/sh", str(tmp_path / "ports.sh")],
            cwd=tmp_path,
            env={"IMAGEFACTORY_HOST": "127.0.0.1"},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    told = done.stdout.splitlines()
    assert told[0] == "imagefactory: step 1 of 2: platform: ports"
    assert told[1:] == [f"ports: {port}/tcp (boot): open", f"ports: {closed}/tcp (deployed): refused"]
    found = json.loads((tmp_path / asked_ports.FOUND).read_text(encoding="utf-8"))
    assert [each["found"] for each in found["ports"]] == ["open", "refused"]


def test_a_probe_without_its_question_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.main(["127.0.0.1", str(tmp_path / "none.json"), str(tmp_path / "found.json")]) == 1
    assert "could not be tried" in capsys.readouterr().err
    assert not (tmp_path / "found.json").exists()


def test_the_ports_are_tried_before_anything_else_runs_on_the_booted_machine() -> None:
    job = samples.verify_job(serves=(API,))
    plan = provisioners.plan(job, frozenset(samples.BUNDLE), frozenset(samples.PLATFORM))
    assert [step.title.partition(": ")[2] for step in plan.steps] == [
        "prepare",
        "platform: ports",
        "platform: verify",
    ]
    assert all(step.is_ours for step in plan.steps)
    (local,) = [block["shell-local"] for block in plan.blocks if "shell-local" in block]
    assert local == {
        "script": "steps/01-ports.sh",
        "execute_command": ["/bin/sh", "-c", "{{ .Vars }} /bin/sh {{ .Script }}"],
        "environment_vars": ["IMAGEFACTORY_HOST=${build.Host}"],
    }


def _scripts(**changes: Any) -> dict[str, str]:
    job = samples.root_job(**changes)
    plan = provisioners.plan(job, frozenset(samples.BUNDLE), frozenset(samples.PLATFORM))
    return {script.file: script.content for script in plan.scripts}


def test_the_platforms_steps_get_the_ports_and_those_of_the_team_do_not() -> None:
    served = _scripts(serves=(API, JobPort(port=53, protocol="udp", when="deployed")))
    told = "kept+=(IMAGEFACTORY_SERVES='8443/tcp=boot 53/udp=deployed')"
    assert {told in text for file, text in served.items() if file.endswith("platform.sh")} == {True}
    assert {told in text for file, text in served.items() if file.endswith("shell.sh")} == {False}
    assert not any("IMAGEFACTORY_SERVES" in text for text in _scripts().values())
