"""A folder that stands for the machine of a build: scripts of the platform run in it with tools that only pretend."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.unit.images.places import IMAGES

BASH = shutil.which("bash") or "/bin/bash"


class StandIn:
    """`calls` has what the tools were called with, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._calls = folder, folder / "calls"
        self._calls.write_text("", "utf-8")
        self.staged = folder / "staged"  # what is /run/imagefactory on a machine
        self.staged.mkdir()
        self.environment: dict[str, str] = {}

    def tool(self, name: str, body: str = ":") -> None:
        """A program that notes its call, then runs `body`."""
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>"{self._calls}"\n{body}\n', encoding="utf-8")
        path.chmod(0o755)

    def says(self, name: str, text: str) -> None:
        """A program that prints a text."""
        self.tool(name, f"cat <<'END'\n{text}\nEND")

    def run(self, script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script of `images/platform` to its end."""
        return self._run([str(IMAGES / "platform" / script), *words], environment)

    def run_text(self, text: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script that a test has changed."""
        path = self.folder / "script.sh"
        path.write_text(text, encoding="utf-8")
        return self._run([str(path)], environment)

    def _run(self, words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        given = {
            "PATH": f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "IMAGEFACTORY_IMAGE": "rhel9-base",
            "IMAGEFACTORY_PLATFORM": str(IMAGES),
            "IMAGEFACTORY_ROOT": str(self.staged),
            "TMPDIR": str(self.folder),
            **self.environment,
            **environment,
        }
        return subprocess.run(
            [BASH, *words], env=given, capture_output=True, text=True, check=False, timeout=60
        )

    @property
    def calls(self) -> list[str]:
        """Every call so far."""
        return self._calls.read_text("utf-8").splitlines()

    def called(self, name: str) -> list[str]:
        """The calls of one program, without its name."""
        return [call.removeprefix(f"{name} ") for call in self.calls if call.startswith(f"{name} ")]
