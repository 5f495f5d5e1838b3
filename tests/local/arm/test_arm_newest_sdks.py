"""The newest SDKs of Azure, in an environment of their own, against the emulator: each call succeeds or is a 501."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local.arm import launch
from tests import optional_tools
from tests.local.arm.conftest import SAMPLE

FOLDER = launch.CHECKOUT / ".cache" / "newest-sdks"
PROGRAM = Path(__file__).with_name("newest_sdks.py")


@pytest.fixture(scope="module")
def sdks() -> Path:
    """The folder of the SDKs that tools/newest-sdks.txt names."""
    if not (FOLDER / "azure" / "mgmt" / "compute").is_dir():
        where = FOLDER.relative_to(launch.CHECKOUT)
        optional_tools.missing(
            "newest-sdks",
            f"{where} is missing; to install it: tools/install_lock.sh .venv/bin/python tools/newest-sdks.txt "
            f"-- --upgrade --target {where}",
        )
    return FOLDER


def test_the_newest_sdks_find_what_they_ask_for(
    sdks: Path, tmp_path: Path, golden: Callable[[str, str], None]
) -> None:
    """`-S` hides the packages of this Python, so that only those of the folder are found."""
    with launch.start(
        tmp_path,
        resource_groups=["rg-build"],
        galleries=["rg-gallery/live"],
        replication_seconds=0.1,
        options=["--retry-after=0", "--grace-seconds=1", f"--program=sample={sys.executable} {SAMPLE}"],
    ):
        done = subprocess.run(
            [sys.executable, "-S", str(PROGRAM), str(tmp_path / "arm.json")],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(sdks), "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    calls = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    outcomes = dict(line.rsplit(": ", 1) for line in calls)
    assert len(outcomes) == len(calls) >= 60
    wrong = {
        name: outcome
        for name, outcome in outcomes.items()
        if not (outcome.startswith("2") and " " not in outcome) and outcome != "501 NotEmulated"
    }
    assert wrong == {}, done.stdout
    golden("azure/newest_sdk_calls.txt", done.stdout)
