"""The workflow of GitHub Actions runs `.ci/run` with few rights, and actionlint finds a broken one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import optional_tools
from tools import build_actionlint, go_modules

WORKFLOWS = sorted(Path(".github/workflows").glob("*.yml"))
WHOLE = yaml.safe_load(Path(".github/workflows/ci.yml").read_text(encoding="utf-8"))
CASES = {
    "a misspelt key": ("runs-on:", "run-on:"),
    "an unknown machine": ("ubuntu-24.04", "ubuntu-1.0"),
    "an unknown context": ("github.ref", "gitbub.ref"),
    "an unquoted path in a shell line": ('"PATH=$PATH"', "PATH=$PATH"),
}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_action_is_pinned_by_commit_with_its_version(path: Path) -> None:
    used = re.findall(r"^.*\buses:.*$", path.read_text(encoding="utf-8"), re.MULTILINE)

    assert used
    assert [line for line in used if not re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)] == []


def test_the_workflow_reads_only_and_ends_in_time() -> None:
    (job,) = WHOLE["jobs"].values()

    assert WHOLE["permissions"] == {"contents": "read"}
    assert "permissions" not in job
    assert job["timeout-minutes"] < 90
    assert any(step.get("run", "").endswith(" .ci/run") for step in job["steps"])
    assert "secrets." not in Path(".github/workflows/ci.yml").read_text(encoding="utf-8")


@pytest.mark.process
@pytest.mark.parametrize("case", CASES)
def test_actionlint_finds_a_broken_workflow(case: str, tmp_path: Path) -> None:
    program = build_actionlint.find(os.environ)
    if program is None:
        optional_tools.missing("actionlint", "it checks the workflow files")
    text = Path(".github/workflows/ci.yml").read_text(encoding="utf-8")
    good, broken = tmp_path / "good.yml", tmp_path / "broken.yml"
    good.write_text(text, encoding="utf-8")
    broken.write_text(text.replace(*CASES[case]), encoding="utf-8")

    assert _run(program, good).returncode == 0
    found = _run(program, broken)
    assert found.returncode == 1
    assert "broken.yml:" in found.stdout


def _run(program: Path, workflow: Path) -> subprocess.CompletedProcess[str]:
    shellcheck = Path(sys.prefix) / "bin" / "shellcheck"
    command = [str(each) for each in (program, "-no-color", "-shellcheck", shellcheck, workflow)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_actionlint_on_the_path_comes_before_the_cache(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path / "bin"), "XDG_CACHE_HOME": str(tmp_path)}
    assert build_actionlint.find(environ) is None

    digest = go_modules.digest_of(build_actionlint.MODULE)
    built = tmp_path / "imagefactory" / "go" / f"actionlint-{digest}" / "actionlint"
    given = tmp_path / "bin" / "actionlint"
    for path in (built, given):
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n", encoding="utf-8")
        path.chmod(0o755)
    assert build_actionlint.find(environ) == given

    given.unlink()
    assert build_actionlint.find(environ) == built


def test_without_go_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    assert build_actionlint.main(["--find"], bare) == 1
    assert capsys.readouterr() == ("", "")
    assert build_actionlint.main([], bare) == 1
    said = capsys.readouterr().err
    assert "Go is needed to build actionlint" in said
    assert "do not build it" in said
