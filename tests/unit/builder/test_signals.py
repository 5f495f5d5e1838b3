"""A stop signal or the end of the time: Packer ends with its children, and the report is written."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.packer.command import Packer, RunEnd
from builder.stop import StopRequest
from pipeline_core.domain.errors import ErrorClass, Owner, PermanentError
from pipeline_core.wire.report import BuildReport
from tests.unit.builder import samples
from tests.unit.builder.conftest import Run
from tests.unit.builder.fakes import FolderEvents

pytestmark = pytest.mark.process

CHECKOUT = Path(__file__).parents[3]
# Cleans up on SIGINT as Packer does, and has a child of its own.
PATIENT = """echo "Connected to SSH!"
trap 'echo cleaned > cleaned; kill $child; exit 1' INT
sleep 60 & child=$!
echo $child > child; echo up > up
wait"""
STUBBORN = """trap '' INT TERM
sleep 60 & echo $! > child; echo up > up
while true; do sleep 0.05; done"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_requested_stop_ends_packer_and_is_reported_as_an_eviction(
    tmp_path: Path, number: signal.Signals
) -> None:
    root, work = tmp_path / "storage", tmp_path / "work"
    work.mkdir()
    job = samples.root_job()
    samples.store(root, job)
    program = samples.write_packer(tmp_path, PATIENT)
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CHECKOUT),
        **samples.environment_for(job, program),
    }
    builder = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.builder.program", str(root), str(work)],
        env=environ,
        stdout=subprocess.DEVNULL,
    )
    try:
        _await_file(work / "up")
        builder.send_signal(number)
        assert builder.wait(20) == 0  # the report is written: another code may start the container again
    finally:
        builder.kill()
        builder.wait()

    assert (work / "cleaned").exists()
    _await_gone(int((work / "child").read_text()))
    place = root / "builds" / samples.ROOT_BUILD / "build-1"
    report = BuildReport.from_wire((place / "result.json").read_bytes())
    assert report.error_class is ErrorClass.EVICTION
    assert [event["kind"] for event in FolderEvents(root).sent] == ["completed"]
    assert "failed: eviction" in (place / "log.txt").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    work = tmp_path / "work"
    work.mkdir()
    yield work
    if (work / "child").exists():
        _await_gone(int((work / "child").read_text()))


def test_a_run_out_of_time_is_interrupted_then_killed_with_its_group(tmp_path: Path, folder: Path) -> None:
    packer = _packer(tmp_path, folder, STUBBORN, StopRequest())

    run = packer.build("t", limit=lambda: 0.3)

    assert run.ended is RunEnd.TIMED_OUT
    assert run.exit_code == -signal.SIGKILL
    _await_gone(int((folder / "child").read_text()))


def test_a_run_out_of_time_may_clean_up(tmp_path: Path, folder: Path) -> None:
    run = _packer(tmp_path, folder, PATIENT, StopRequest(), grace=10).build("t", limit=lambda: 0.3)

    assert run.ended is RunEnd.TIMED_OUT
    assert run.exit_code == 1
    assert (folder / "cleaned").exists()


def test_a_builder_that_was_started_to_ignore_interrupts_can_interrupt_packer(
    tmp_path: Path, folder: Path
) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run = _packer(tmp_path, folder, PATIENT, StopRequest(), grace=10).build("t", limit=lambda: 1)
    finally:
        signal.signal(signal.SIGINT, before)

    assert run.exit_code == 1
    assert (folder / "cleaned").exists()


def test_a_packer_that_is_not_there_is_said_so(tmp_path: Path, folder: Path) -> None:
    packer = Packer(
        program="no-such-packer", folder=folder, environ={"PATH": "/usr/bin"}, stop=StopRequest(), take=print
    )
    with pytest.raises(PermanentError, match="no-such-packer is not a program"):
        packer.version()


def test_nothing_starts_after_a_requested_stop(tmp_path: Path, folder: Path) -> None:
    stop = StopRequest()
    stop.request()

    run = _packer(tmp_path, folder, "trap '' INT; touch ran; sleep 0.3", stop).build("t", limit=lambda: 5)

    assert run.ended is RunEnd.STOPPED
    assert not (folder / "ran").exists()


def test_every_line_of_packer_arrives_once_and_whole_wherever_a_read_ends(tmp_path: Path) -> None:
    lines: list[str] = []
    words = "".join(f"{'é' * (number % 97)}{number}\n" for number in range(30_000))
    (tmp_path / "said").write_text(f"{words}the last, without an end", encoding="utf-8")
    packer = Packer(
        program=str(samples.write_packer(tmp_path, "cat said")),
        folder=tmp_path,
        environ={"PATH": os.environ["PATH"]},
        stop=StopRequest(),
        take=lines.extend,
    )
    assert packer.build("x", limit=lambda: 30).succeeded
    assert lines == [*words.splitlines(keepends=True), "the last, without an end"]


def test_what_packer_leaves_in_its_group_is_ended_with_it(tmp_path: Path, folder: Path) -> None:
    run = _packer(tmp_path, folder, "sleep 60 & echo $! > child", StopRequest()).build("t", limit=lambda: 20)

    assert run.succeeded
    _await_gone(int((folder / "child").read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_packer_does_not_outlive_a_killed_builder(tmp_path: Path) -> None:
    root, work = tmp_path / "storage", tmp_path / "work"
    work.mkdir()
    job = samples.root_job()
    samples.store(root, job)
    program = samples.write_packer(tmp_path, "echo $$ > child; echo up > up; exec sleep 60")
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CHECKOUT),
        **samples.environment_for(job, program),
    }
    builder = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.builder.program", str(root), str(work)],
        env=environ,
        stdout=subprocess.DEVNULL,
    )
    _await_file(work / "up")
    builder.kill()
    builder.wait()

    _await_gone(int((work / "child").read_text()))


def _packer(tmp_path: Path, folder: Path, build: str, stop: StopRequest, grace: float = 0.3) -> Packer:
    return Packer(
        program=str(samples.write_packer(tmp_path, build)),
        folder=folder,
        environ={"PATH": os.environ["PATH"]},
        stop=stop,
        take=lambda line: None,
        timeout_grace_seconds=grace,
    )


def _await_file(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)


def _await_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while _is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("when", "said"), [("version", "its version"), ("validate", "read the template"), ("build", "")]
)
def test_a_packer_that_is_killed_is_tried_again_and_the_report_names_the_signal(
    run: Run, when: str, said: str
) -> None:
    """A real process, killed as the kernel does for want of memory."""
    killed = "kill -9 $$; sleep 60"
    builds = {"version": samples.GOOD_BUILD, "validate": samples.GOOD_BUILD, "build": killed}
    left = run(
        samples.root_job(),
        builds[when],
        validate=killed if when == "validate" else "true",
        asked=killed if when == "version" else "true",
    )
    assert left.report.error_class is ErrorClass.EVICTION
    assert left.report.failure().who is Owner.AZURE
    first = left.report.message.splitlines()[0]
    assert "killed by SIGKILL (exit code -9, as for want of memory)" in first
    assert said in first
