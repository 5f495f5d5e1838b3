"""A run of all tests says which real Packer it used, also if workers ran the tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
_TESTS = """
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_it(number, request):
    request.node.user_properties.append(("packer", "Packer 1, azure plugin 2"))
    request.node.user_properties.append(("arm_requests", 20 + number))
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_summary_counts_what_every_worker_asked_of_arm(tmp_path: Path, workers: str) -> None:
    below = tmp_path / "tests" / "packer"
    below.mkdir(parents=True)
    (below / "test_it.py").write_text(_TESTS, encoding="utf-8")
    (tmp_path / "tests" / "conftest.py").write_text((CHECKOUT / "tests" / "conftest.py").read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", workers, "tests"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}  # for the fixtures that conftest.py names
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Packer 1, azure plugin 2; 43 ARM requests in 2 tests" in done.stdout
