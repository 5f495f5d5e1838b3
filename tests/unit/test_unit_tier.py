"""The unit tier refuses processes and ports, by whichever way they are asked for."""

import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.unit import conftest
from tests.unit.tier import WATCH, NotAUnitTestError


def _bind() -> None:
    with socket.socket() as here:
        here.bind(("127.0.0.1", 0))


def _connect() -> None:
    with socket.socket() as here:
        here.connect(("127.0.0.1", 9))


def _send() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as here:
        here.sendto(b"", ("127.0.0.1", 9))


def _spawn() -> None:
    multiprocessing.get_context("spawn").Process(target=print).start()


ASKED: dict[str, Callable[[], object]] = {
    "subprocess": lambda: subprocess.run([sys.executable, "-V"], check=False),
    "fork": os.fork,
    "posix_spawn": lambda: os.posix_spawn(sys.executable, [sys.executable, "-V"], {}),
    "shell": lambda: os.system("true"),
    "multiprocessing": _spawn,
    "a port of one's own": _bind,
    "a port of another": _connect,
    "a datagram": _send,
}


@pytest.mark.parametrize("asked", ASKED)
def test_a_process_or_a_port_is_refused(asked: str) -> None:
    with pytest.raises(NotAUnitTestError, match=r"test_unit_tier.py.*mark a test"):
        ASKED[asked]()
    assert len(WATCH.refused) == 1
    WATCH.refused.clear()


def test_a_refusal_that_is_caught_is_remembered() -> None:
    with suppress(NotAUnitTestError):
        os.system("true")
    assert "os.system" in WATCH.refused[0]
    WATCH.refused.clear()


def test_a_refusal_that_a_fixture_catches_after_the_test_is_an_error() -> None:
    teardown = conftest.pytest_runtest_teardown()
    next(teardown)
    with suppress(NotAUnitTestError):
        os.system("true")
    with pytest.raises(NotAUnitTestError, match=r"os\.system"):
        teardown.send(None)
    WATCH.refused.clear()


def test_a_socket_without_a_port_is_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name may have 108 characters only
    with socket.socket(socket.AF_UNIX) as here:
        here.bind("here")
    assert WATCH.refused == []


@pytest.mark.process
def test_a_test_that_is_marked_may_start_a_process() -> None:
    assert subprocess.run([sys.executable, "-c", ""], check=False).returncode == 0
