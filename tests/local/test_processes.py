"""Children start, are ready or fail in bounded time, and end with all processes that they started."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local import ports, processes

_READY_THEN_WAIT = "import sys, time; print('listening now', flush=True); time.sleep(60)"
_ROOT = Path(__file__).parents[2]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.02)


def start(tmp_path: Path, program: str, *, timeout: float = 10) -> processes.Running:
    log = tmp_path / "log.txt"
    return processes.start(
        "the child",
        [sys.executable, "-c", program],
        log=log,
        ready=lambda: log.exists() and "listening" in log.read_text("utf-8"),
        timeout=timeout,
    )


def test_a_child_is_ready_with_its_line_and_gone_after_its_stop(tmp_path: Path) -> None:
    running = start(tmp_path, _READY_THEN_WAIT)
    assert running.is_alive()
    assert running.stop() == -15
    assert not is_running(running.pid)
    assert running.stop() == -15  # a second call is safe


def test_a_child_that_ends_early_is_reported_with_its_output(tmp_path: Path) -> None:
    with pytest.raises(
        processes.StartFailedError, match=r"(?s)the child ended with exit code 3.*no such luck"
    ):
        start(tmp_path, "import sys; print('no such luck'); sys.exit(3)")


def test_a_child_that_is_never_ready_is_stopped_in_time(tmp_path: Path) -> None:
    with pytest.raises(processes.StartFailedError, match=r"not ready within 0\.5 s"):
        # A start that waited for the end of the child would be ended by the time limit of every test.
        start(tmp_path, "import os, time; print(os.getpid(), flush=True); time.sleep(600)", timeout=0.5)
    wait_until_gone(int((tmp_path / "log.txt").read_text("utf-8")))


def test_a_program_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(processes.StartFailedError, match="the child could not be started"):
        processes.start("the child", [tmp_path / "nothing"], log=tmp_path / "log", ready=lambda: True)


def test_a_stop_kills_a_child_that_ignores_the_signal(tmp_path: Path) -> None:
    running = start(tmp_path, "import signal; signal.signal(15, signal.SIG_IGN)\n" + _READY_THEN_WAIT)
    assert running.stop(grace=0.3) == -9


def test_a_stop_takes_the_grandchildren_along(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys\n"
        "ignore = 'import signal, time; signal.signal(15, signal.SIG_IGN); '\n"
        "ignore += 'print(1, flush=True); time.sleep(60)'\n"
        "child = subprocess.Popen([sys.executable, '-c', ignore], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print('listening', child.pid, flush=True)\n"
        "child.wait()\n"
    )
    running = start(tmp_path, program)
    grandchild = int((tmp_path / "log.txt").read_text("utf-8").split()[1])
    assert is_running(grandchild)
    running.stop()
    wait_until_gone(grandchild)


@pytest.mark.parametrize("end", ["raise SystemExit(0)", "raise RuntimeError()", "os.kill(os.getpid(), 9)"])
@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux signals to a child that its parent was killed"
)
def test_a_child_does_not_outlive_its_parent_however_that_ends(tmp_path: Path, end: str) -> None:
    assert_child_ends_with_parent(tmp_path, f"{start_one(tmp_path)}{end}\n")


@pytest.mark.parametrize("end", ["raise SystemExit(0)", "raise RuntimeError()"])
def test_an_exit_stops_the_children_also_where_the_kernel_does_not(tmp_path: Path, end: str) -> None:
    assert_child_ends_with_parent(
        tmp_path, f"processes._death_guard = lambda: None\n{start_one(tmp_path)}{end}\n"
    )


def start_one(tmp_path: Path) -> str:
    """A program's lines that start a child and print its id."""
    return (
        f"log = Path({str(tmp_path / 'log.txt')!r})\n"
        f"running = processes.start('c', [sys.executable, '-c', {_READY_THEN_WAIT!r}], log=log, "
        "ready=lambda: log.exists() and 'listening' in log.read_text('utf-8'))\n"
        "print(running.pid, flush=True)\n"
    )


def assert_child_ends_with_parent(tmp_path: Path, program: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys; from pathlib import Path; from local import processes\n" + program,
        ],
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    wait_until_gone(int(done.stdout))


def test_a_port_that_is_taken_is_refused() -> None:
    with ports.listen() as listener, pytest.raises(OSError, match=r"[Aa]ddress already in use"):
        ports.listen(ports.port_of(listener))
