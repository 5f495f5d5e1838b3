"""Tests that share a factory run in one process: asked of a real run with two of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.together import GROUPS, group_of

CHECKOUT = Path(__file__).resolve().parents[2]


def test_every_group_is_of_tests_that_are_there() -> None:
    assert [path for path in GROUPS if not (CHECKOUT / path).exists()] == []


def test_only_what_has_a_group_is_kept_together() -> None:
    assert group_of("tests/runbooks/test_runbooks.py::test_a[release]") == "runbooks"
    assert group_of("tests/unit/test_a.py::test_b") == "tests/unit/test_a.py::test_b"


@pytest.mark.process
def test_a_group_has_one_process_and_its_order(tmp_path: Path) -> None:
    folder = tmp_path / "tests" / "runbooks"
    folder.mkdir(parents=True)
    (tmp_path / "pytest.ini").write_text("[pytest]\n", "utf-8")
    (folder / "test_a.py").write_text(
        "import os, pytest\n"
        "@pytest.mark.parametrize('name', 'dbacfe')\n"
        "def test_a(name):\n"
        f"    with open({str(tmp_path / 'ran')!r}, 'a') as ran:\n"
        "        ran.write(os.environ['PYTEST_XDIST_WORKER'] + ' ' + name + '\\n')\n",
        "utf-8",
    )
    words = ["-q", "-n", "2", "--dist", "loadgroup", "-p", "tests.fixtures.together", "tests"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=tmp_path, env=environment, check=True, timeout=120
    )
    ran = [line.split() for line in (tmp_path / "ran").read_text("utf-8").splitlines()]
    assert len({worker for worker, _ in ran}) == 1
    assert [name for _, name in ran] == list("dbacfe")
