"""Two set-ups of one checkout wait for each other, and a set-up that fails says why."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.setup import lock
from tests.setup.test_need import program

pytestmark = pytest.mark.process

# Makes an environment as Python would, once the test lets it, and notes each one that it makes. It has every module.
_PYTHON = """
if [ "$1" = -m ] && [ "$2" = venv ]; then
  echo made >>"$NOTES"; read -r _ <"$GO"; mkdir -p "$4/bin"; echo whole >"$4/bin/python"
fi
exit 0
"""
_REFUSED = 'if [ "$1" = config ]; then echo https://registry.example.com/; exit 0; fi\n'
_REFUSED += 'echo "npm error code ECONNREFUSED" >&2; exit 1'


def _checkout(tmp_path: Path) -> Path:
    made = tmp_path / "checkout"
    (made / "tools").mkdir(parents=True)
    (made / "local").mkdir()
    for name in ("set_up.sh", "need.sh"):
        shutil.copy(lock.CHECKOUT / "tools" / name, made / "tools" / name)
    program(made / "tools", "install_lock.sh", "test -e .venv/bin/python")
    for name in ("requirements.txt", "requirements-dev.txt", "local/package.json", "local/package-lock.json"):
        (made / name).write_text("", encoding="utf-8")
    return made


def _start(checkout: Path, *words: str | Path, **more: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        ["/bin/bash", "tools/set_up.sh", *map(str, words)],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "HOME": str(checkout), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(shutil.which("flock") is None, reason="needs flock, which this machine does not have")
def test_two_set_ups_at_once_make_one_environment(tmp_path: Path) -> None:
    checkout, notes, go = _checkout(tmp_path), tmp_path / "notes", tmp_path / "go"
    os.mkfifo(go)
    python = program(tmp_path / "bin", "python3", _PYTHON)
    words = ("python", python, ".venv")
    first = _start(checkout, *words, NOTES=str(notes), GO=str(go))
    with go.open("w", encoding="utf-8") as gate:  # opens once the first set-up makes the environment
        second = _start(checkout, *words, NOTES=str(notes), GO=str(go))
        assert second.stderr is not None
        assert second.stderr.readline() == "another set-up runs in this checkout: waiting for it\n"
        gate.write("go\n")
    assert [each.communicate(timeout=60)[1] for each in (first, second)] == ["", ""]
    assert [first.returncode, second.returncode] == [0, 0]
    assert notes.read_text("utf-8") == "made\n"
    third = _start(checkout, *words, NOTES=str(notes), GO=str(go))
    assert third.communicate(timeout=60) == ("", "")


def test_a_registry_out_of_reach_is_named_with_the_reason(tmp_path: Path) -> None:
    checkout = _checkout(tmp_path)
    program(tmp_path / "bin", "node", "exit 0")
    program(tmp_path / "bin", "npm", _REFUSED)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    failed = _start(checkout, "node", PATH=path)
    _, errors = failed.communicate(timeout=60)
    assert failed.returncode == 1
    assert "ECONNREFUSED" in errors
    assert "Azurite could not be set up: npm failed" in errors
    assert "https://registry.example.com/" in errors
    assert not (checkout / "local" / "node_modules").exists()
