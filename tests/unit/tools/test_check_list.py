"""`make check` and the hooks of pre-commit run one list of checks."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECK = str(Path("tools/check.sh").resolve())


def _names() -> list[str]:
    listed = subprocess.run([CHECK, "--list"], capture_output=True, text=True, check=True)
    return listed.stdout.split()


def _hooks() -> dict[str, dict[str, Any]]:
    settings = yaml.safe_load(Path(".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (repository,) = settings["repos"]
    return {hook["id"]: hook for hook in repository["hooks"] if "commit-msg" not in hook.get("stages", [])}


@pytest.mark.process
def test_each_check_has_one_hook_that_calls_it_by_name() -> None:
    hooks = _hooks()

    assert list(hooks) == _names()
    assert {name: hook["entry"] for name, hook in hooks.items()} == {
        name: f"tools/check.sh {name}" for name in _names()
    }


def test_make_check_runs_the_whole_list() -> None:
    recipe = Path("Makefile").read_text(encoding="utf-8").split("\ncheck:")[1].split("\n\n")[0]

    assert recipe.rstrip().endswith("tools/check.sh")


@pytest.mark.process
def test_each_listed_name_is_a_check() -> None:
    script = Path(CHECK).read_text(encoding="utf-8")

    assert [name for name in _names() if f"\n  {name})" not in script] == []


@pytest.mark.process
def test_an_unknown_name_is_a_failure_that_lists_the_names() -> None:
    ran = subprocess.run([CHECK, "linting"], capture_output=True, text=True, check=False)

    assert ran.returncode == 1
    assert ran.stdout.startswith("FAILED   linting: there is no such check, these are: format lint ")


def test_both_kinds_of_hook_are_installed() -> None:
    settings = yaml.safe_load(Path(".pre-commit-config.yaml").read_text(encoding="utf-8"))

    assert settings["default_install_hook_types"] == ["pre-commit", "commit-msg"]
