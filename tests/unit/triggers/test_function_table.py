"""The function table: what is registered, on what, and how small each function is."""

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import function_app
from pipeline_core.wire import messages

ROOT = Path(__file__).parents[3]
FUNCTIONS = tuple(function_app.app.get_functions())  # once: the SDK refuses a second time


def test_the_function_table_is_the_golden_one(golden: Callable[[str, str], None]) -> None:
    table = {
        function.get_function_name(): [_stable(json.loads(raw)) for raw in function.get_raw_bindings()]
        for function in FUNCTIONS
    }
    golden("function_table.json", json.dumps(table, indent=2, sort_keys=True) + "\n")


@pytest.mark.parametrize("queue", messages.QUEUES)
def test_every_queue_and_its_poison_queue_have_exactly_one_function(queue: str) -> None:
    listened = [json.loads(raw).get("queueName") for one in FUNCTIONS for raw in one.get_raw_bindings()]
    assert listened.count(queue) == 1
    assert listened.count(f"{queue}-poison") == 1


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.get_function_name())
def test_a_trigger_has_under_25_lines(function: object) -> None:
    lines, _ = inspect.getsourcelines(function.get_user_function())  # type: ignore[attr-defined]
    assert len(lines) < 25


def test_the_host_serves_the_app_at_its_own_paths() -> None:
    host = json.loads((ROOT / "host.json").read_text("utf-8"))
    assert host["extensions"]["http"]["routePrefix"] == ""
    assert host["extensions"]["queues"] == {
        "batchSize": 8,
        "newBatchThreshold": 4,
        "maxDequeueCount": 5,
        "visibilityTimeout": "00:00:30",
        "maxPollingInterval": "00:00:05",
        "messageEncoding": "none",
    }


@pytest.mark.process
def test_importing_the_app_loads_no_azure_sdk_and_no_web_framework() -> None:
    loaded = _run("import json, sys, function_app; print(json.dumps(sorted(sys.modules)))")
    heavy = (
        "azure.mgmt",
        "azure.storage",
        "azure.data",
        "azure.identity",
        "azure.keyvault",
        "fastapi",
        "jinja2",
    )
    assert [name for name in json.loads(loaded) if name.startswith(heavy)] == []


@pytest.mark.process
def test_importing_the_app_reads_no_setting() -> None:
    assert _run("import os; os.environ.clear(); import function_app; print('fine')").strip() == "fine"


def _stable(binding: dict[str, object]) -> dict[str, object]:
    """Without the methods, of which newer SDKs know more."""
    return {key: value for key, value in binding.items() if key != "methods"}


def _run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
