"""Shell and playbooks of `images/` keep the house rules that a linter does not know."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.images.places import IMAGES, scripts, shown

_FLOATING = re.compile(r"[/@:_]latest\b|\w-latest\b|\bmaster\b")
_PIPED = re.compile(r"(curl|wget)\b[^\n]*\|\s*(sudo\s+)?(ba|z|k)?sh\b")
PLAYBOOKS = sorted(path for path in IMAGES.rglob("*.y*ml") if yaml.safe_load(path.read_text("utf-8")))


def tasks_of(content: Any) -> list[dict[str, Any]]:
    """Every task in a playbook or task file, blocks opened."""
    found: list[dict[str, Any]] = []
    for item in content if isinstance(content, list) else []:
        if not isinstance(item, dict):
            continue
        inner = [item[key] for key in ("tasks", "block", "rescue", "always") if key in item]
        found += [task for part in inner for task in tasks_of(part)] if inner else [item]
    return found


@pytest.mark.parametrize("script", scripts(), ids=shown)
def test_every_script_stops_at_its_first_error_and_can_be_run(script: Path) -> None:
    lines = script.read_text("utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert lines[1].startswith("# "), "says in its first lines what it does"
    code = [line for line in lines if line and not line.startswith("#")]
    assert code[0] == "set -euo pipefail"
    assert script.stat().st_mode & 0o111


@pytest.mark.parametrize("script", scripts(), ids=shown)
def test_no_script_runs_what_it_has_not_verified(script: Path) -> None:
    text = script.read_text("utf-8")
    assert not _PIPED.search(text)
    assert not _FLOATING.search(text)
    if "http" in text and "curl" in text and "127.0.0.1" not in text:
        assert "sha256sum --check" in text


@pytest.mark.parametrize(
    "script", [path for path in scripts() if path.parent.name in {"scripts", "before", "after"}], ids=shown
)
def test_every_step_ends_in_a_check(script: Path) -> None:
    text = script.read_text("utf-8")
    checks = [f"# The check{end}" for end in (":", ",")]
    assert any(word in text for word in checks) or "exit 1" in text


@pytest.mark.parametrize("path", PLAYBOOKS, ids=shown)
def test_a_task_that_touches_a_secret_is_not_logged(path: Path) -> None:
    for task in tasks_of(yaml.safe_load(path.read_text("utf-8"))):
        is_secret = any(word in str(task) for word in ("access_token", "json.value", "metadata/identity"))
        assert not is_secret or task.get("no_log") is True, task.get("name")


def test_what_a_staged_file_is_compared_with_comes_from_the_catalog() -> None:
    text = (IMAGES / "roles" / "agent_stage" / "tasks" / "main.yml").read_text("utf-8")
    tasks = tasks_of(yaml.safe_load(text))
    demanded = [each for task in tasks for each in task.get("ansible.builtin.assert", {}).get("that", ())]
    assert "item.stat.checksum == item.item.sha256" in demanded
    (read,) = [task["ansible.builtin.stat"] for task in tasks if "ansible.builtin.stat" in task]
    assert read["checksum_algorithm"] == "sha256"
    (copied,) = [task["ansible.builtin.copy"] for task in tasks if "ansible.builtin.copy" in task]
    assert read["path"] == copied["src"]
