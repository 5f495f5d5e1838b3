"""How `python -m local.run` ends if a call of its own fails: one line with the cause, and the logs stay."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import AzureError, ServiceRequestError

from local.run import __main__ as program
from local.run import folder as run_folder
from local.run import stack
from local.run.story import Story


@contextlib.contextmanager
def _running(folder: Path, **_: Any) -> Iterator[Any]:
    """Programs of a run that have written a log, and whose certificate authority has a key."""
    log = folder / "host.log"
    log.write_text("what happened before")
    (folder / "ca").mkdir()
    (folder / "ca" / "ca-key.pem").write_text("secret")
    arm = SimpleNamespace(ca_file=folder / "ca" / "ca.pem")
    host = SimpleNamespace(log=log)
    yield SimpleNamespace(parts=lambda: (), host=host, arm=arm, url="", token=lambda *_, **__: "")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the run makes its folder. The signals of this process are put back."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(run_folder, "LEAST_FREE", 0)
    monkeypatch.setattr(stack, "running", _running)
    monkeypatch.setattr(sys, "argv", ["local.run"])
    monkeypatch.setattr(os, "environ", {**os.environ, "PACKER": "recorded"})
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield tmp_path
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "Connection refused"),
        OSError(28, "No space left on device"),
        ValueError("the emulator's answer is not JSON"),
        ServiceRequestError("Unable to connect to 127.0.0.1"),
        AzureError("the queue does not exist"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_call_of_the_run_itself_that_fails_is_one_line_and_the_logs_stay(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fail(_: Story) -> None:
        raise error

    monkeypatch.setattr(Story, "register", fail)
    assert program.main() == 1
    said = capsys.readouterr().err
    (left,) = place.glob("imagefactory-*")
    assert f"The run failed: {type(error).__name__}: {error}\n" in said
    assert f"Logs of this run are kept in {left}\n" in said
    assert "Traceback" not in said
    assert (left / "host.log").read_text() == "what happened before"
    assert list(left.rglob("*-key.pem")) == []
    run_folder.make().remove()
    assert left.exists(), "the next run removes no folder that was kept"


def test_a_full_disk_stands_before_what_it_has_caused(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: Story) -> None:
        monkeypatch.setattr(run_folder, "LEAST_FREE", 2**62)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Story, "register", fail)
    assert program.main() == 1
    said = capsys.readouterr().err
    assert "The run failed: no space left in " in said
    assert "(OSError: [Errno 5] Input/output error)" in said
    assert list(place.rglob("host.log")) != []


def test_an_error_of_the_program_itself_keeps_the_logs_too(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a bug, so its traceback is shown."""

    def fail(_: Story) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(Story, "register", fail)
    with pytest.raises(KeyError):
        program.main()
    assert list(place.rglob("host.log")) != []
