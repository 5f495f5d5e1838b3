"""Virtual environments without anything in them, and the pips that install into them: this Python's own, old, new."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

from tests import optional_tools
from tests.setup import lock

_KEPT = lock.CHECKOUT / ".cache" / "pips"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshPython:
    """An empty virtual environment, and the environment variables that put a pip beside it."""

    python: Path
    environment: dict[str, str]

    def run(self, *command: str | Path, folder: Path = lock.CHECKOUT) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in command],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=100,
        )

    def install(self, locks: tuple[Path, ...]) -> subprocess.CompletedProcess[str]:
        """What set-up runs."""
        return self.run("tools/install_lock.sh", self.python, *locks)

    def installed(self, *options: str | Path) -> dict[str, str]:
        """What pip finds, without itself and what lies beside it on PYTHONPATH."""
        listed = self.run(self.python, "-m", "pip", "list", "--format", "freeze", *options)
        assert listed.returncode == 0, listed.stderr
        pairs = (line.split("==") for line in listed.stdout.splitlines())
        return {name.lower().replace("_", "-"): version for name, version in pairs if name != "pip"}


def folder_of(pip: str, own: Path) -> Path:
    """Where a pip lies: `own` is the running Python's; the others are those of tools/pip-*.txt, or skip the test."""
    if pip == "own":
        return own
    if pip == "oldest" and sys.version_info >= (3, 12):
        pytest.skip("the oldest pip of Python 3.11 does not run on this one, whose own pip is tested")
    found = _KEPT / pip
    if not (found / "pip").is_dir():
        where = found.relative_to(lock.CHECKOUT)
        optional_tools.missing(
            "pips",
            f"{where} is missing; to install it: tools/install_lock.sh .venv/bin/python tools/pip-{pip}.txt "
            f"-- --target {where}",
        )
    return found


def fresh(folder: Path, *beside: Path, index: str = "") -> FreshPython:
    """A new environment in `folder`; `beside` goes on its PYTHONPATH. Without an index nothing can be fetched."""
    venv.create(folder / "venv", symlinks=True)
    return FreshPython(
        python=folder / "venv" / "bin" / "python",
        environment={
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "PYTHONPATH": os.pathsep.join(map(str, beside)),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_CACHE_DIR": "1",
            **({"PIP_INDEX_URL": index} if index else {"PIP_NO_INDEX": "1"}),
        },
    )


def copy(names: Iterable[str], folder: Path) -> Path:
    """The named installed distributions, in a folder of their own."""
    for name in names:
        for file in metadata.distribution(name).files or ():
            if ".." not in file.parts and file.suffix != ".pyc":
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(Path(str(file.locate())), folder / file)
    return folder
