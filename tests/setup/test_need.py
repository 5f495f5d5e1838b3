"""What a machine lacks for set-up is said in one line, with the remedy; the Pythons of a matrix are found or named."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.setup import lock

_TOOLS = lock.CHECKOUT / "tools"


def program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / name
    made.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    made.chmod(0o755)
    return made


def run(script: str, *words: str | Path, path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", str(_TOOLS / script), *map(str, words)],
        env={"PATH": str(path), "HOME": "/nonexistent", **more},
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("word", "text", "complaint"),
    [
        ("node", "", "Node.js 20 or newer is needed for Azurite, but none is on the PATH"),
        ("node", "[ $1 = --version ] && echo v18.0.0 || exit 1", "but node is v18.0.0"),
        ("node", "exit 0", "npm is needed for Azurite, but none is on the PATH"),
    ],
)
def test_a_missing_or_old_node_is_one_line(word: str, text: str, complaint: str, tmp_path: Path) -> None:
    if text:
        program(tmp_path, "node", text)
    done = run("need.sh", word, path=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert complaint in line


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "is needed, but none is on the PATH"),
        ("exit 1", "is not a Python 3.11, 3.12 or 3.13"),
        ('case "$2" in *ensurepip*) exit 1 ;; esac', "cannot make virtual environments"),
    ],
)
def test_a_python_that_will_not_do_is_one_line(text: str | None, complaint: str, tmp_path: Path) -> None:
    python = program(tmp_path / "with space", "python", text) if text else ""
    done = run("need.sh", "python", python, path=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert complaint in line
    assert "make PYTHON=..." in line


def test_this_python_will_do(tmp_path: Path) -> None:
    done = run("need.sh", "python", sys.executable, path=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_matrix_without_any_python_fails_and_names_each(tmp_path: Path) -> None:
    for name in ("dirname", "ls"):
        (tmp_path / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    done = run("matrix.sh", "tests/unit", path=tmp_path)
    assert done.returncode == 1
    assert [f"Python 3.1{minor}: not found on this machine" in done.stdout for minor in (1, 2, 3)] == [
        True
    ] * 3
    assert "no Python 3.11, 3.12 or 3.13 was found" in done.stdout


def test_a_matrix_finds_the_pythons_of_pyenv_and_fails_with_one_that_fails(tmp_path: Path) -> None:
    root = tmp_path / "pyenv with space"
    program(root / "versions" / "3.12.9" / "bin", "python3.12", "echo 3.12.9")
    tools = tmp_path / "bin"
    for name in ("dirname", "ls"):
        tools.mkdir(exist_ok=True)
        (tools / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    program(tools, "make", 'echo made with "$*"; exit 1')
    done = run("matrix.sh", "tests/unit", path=tools, PYENV_ROOT=str(root))
    assert done.returncode == 1
    assert f"Python 3.12: 3.12.9, {root}/versions/3.12.9/bin/python3.12" in done.stdout
    assert "VENV=.matrix/3.12" in done.stdout
    assert "Python 3.12: FAILED" in done.stdout
    assert "Python 3.13: not found on this machine" in done.stdout


@pytest.mark.parametrize("home", ["", "/nonexistent"])
def test_without_a_home_the_caches_are_in_the_checkout(home: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")
    }
    environment = {
        name: value for name, value in environment.items() if not name.lower().startswith("npm_config")
    }
    if home:
        environment["HOME"] = home
    done = subprocess.run(
        ["make", "--no-print-directory", "-f", "Makefile", "-f", "-", "shown"],
        input='shown:\n\t@echo "$$XDG_CACHE_HOME $$npm_config_cache"\n',
        cwd=lock.CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == f"{lock.CHECKOUT}/.cache {lock.CHECKOUT}/.cache/npm"
