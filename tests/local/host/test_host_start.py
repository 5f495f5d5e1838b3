"""Errors that end a host before it serves, each with exit code 1 and a message that says what to repair."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local import ports

_ROOT = Path(__file__).parents[3]
_TIMER = """
import azure.functions as func
app = func.FunctionApp()
@app.timer_trigger(arg_name="timer", schedule="%TICK%")
def tick(timer: func.TimerRequest) -> None: ...
"""
_QUEUE = """
import azure.functions as func
app = func.FunctionApp()
@app.queue_trigger(arg_name="message", queue_name="work", connection="Jobs")
{decorator}
def work({parameters}) -> None: ...
"""
_HOST = {"version": "2.0"}


def run_host(
    folder: Path, app: str | None, settings: dict[str, str], host: object = _HOST, *more: str
) -> "subprocess.CompletedProcess[str]":
    if app is not None:
        (folder / "function_app.py").write_text(app, "utf-8")
    if host is not None:
        (folder / "host.json").write_text(json.dumps(host), "utf-8")
    (folder / "settings.json").write_text(json.dumps({"Values": settings}), "utf-8")
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "local.host",
            "--app-dir",
            folder,
            "--settings",
            folder / "settings.json",
            *more,
        ],
        env={"PYTHONPATH": str(_ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


CASES = [
    ("app missing", None, {}, _HOST, "has no function_app.py"),
    ("app raises", "raise RuntimeError('boom at import')", {}, _HOST, "boom at import"),
    ("app without app", "x = 1", {}, _HOST, "has no function app named `app`"),
    ("no function", "import azure.functions as f\napp = f.FunctionApp()", {}, _HOST, "registers no function"),
    ("setting missing", _TIMER, {}, _HOST, "function tick refers to %TICK%, and there is no such setting"),
    ("bad schedule", _TIMER, {"TICK": "every day"}, _HOST, "function tick: the schedule 'every day'"),
    (
        "connection missing",
        _QUEUE.format(decorator="", parameters="message: func.QueueMessage"),
        {},
        _HOST,
        "function work uses the connection Jobs, and there is no setting Jobs__queueServiceUri",
    ),
    (
        "output binding",
        _QUEUE.format(
            decorator='@app.queue_output(arg_name="out", queue_name="b", connection="Jobs")',
            parameters="message: func.QueueMessage, out: func.Out[str]",
        ),
        {},
        _HOST,
        "the binding queue (out) is not emulated",
    ),
    (
        "wrong parameter",
        _QUEUE.format(decorator="", parameters="msg: func.QueueMessage"),
        {},
        _HOST,
        "its parameters are ['msg'], its binding gives 'message'",
    ),
    ("host.json missing", _TIMER, {"TICK": "0 * * * * *"}, None, "host.json is missing"),
    ("host.json of another version", _TIMER, {"TICK": "0 * * * * *"}, {"version": "1"}, '"version": "2.0"'),
    (
        "thread count",
        _TIMER,
        {"TICK": "0 * * * * *", "PYTHON_THREADPOOL_THREAD_COUNT": "many"},
        _HOST,
        "PYTHON_THREADPOOL_THREAD_COUNT is 'many'",
    ),
]


@pytest.mark.parametrize(
    ("app", "settings", "host", "message"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_a_host_that_cannot_run_its_app_says_why(
    tmp_path: Path, app: str | None, settings: dict[str, str], host: object, message: str
) -> None:
    done = run_host(tmp_path, app, settings, host)
    assert done.returncode == 1
    assert message in done.stderr


def test_a_port_that_is_taken_is_said_to_be(tmp_path: Path) -> None:
    with ports.listen() as listener:
        port = ports.port_of(listener)
        done = run_host(tmp_path, _TIMER, {"TICK": "0 * * * * *"}, _HOST, "--port", str(port))
    assert done.returncode == 1
    assert f"port {port} cannot be used" in done.stderr
