"""A folder that stands for a machine as a build leaves it, and the scanner run on it in this process."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import findings

from tests.unit.images.places import IMAGES

BASH = shutil.which("bash") or "/bin/bash"
HYGIENE = IMAGES / "platform" / "hygiene"
SCRIPT = HYGIENE / "findings.sh"
_HOMES = "/" + "home"
_OWNER = f"owner:x:{os.getuid()}:{os.getgid()}::/var/lib/owner:/sbin/nologin\n" if os.getuid() else ""
PASSWD = (
    "root:x:0:0:root:/root:/bin/bash\nbin:x:1:1:bin:/bin:/sbin/nologin\nftp:x:14:50::/var/ftp:/sbin/nologin\n"
    "app:x:990:990::/var/lib/app:/bin/bash\nweb:x:991:991::/var/lib/app:/bin/bash\n"
    f"packer:x:1001:1001::{_HOMES}/packer:/bin/bash\ndev:x:1002:1002::{_HOMES}/dev:/bin/bash\n{_OWNER}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Files below a root. The user of its build is `packer`."""

    root: Path

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def look(self, phase: str = "build", *words: str, booted: float | None = None) -> list[str]:
        """The lines of the findings."""
        return self.answer(phase, *words, booted=booted).output.splitlines()

    def report(self, phase: str = "build", *words: str, booted: float | None = None) -> dict[str, Any]:
        """The JSON."""
        said = self.answer(phase, "--format", "json", *words, booted=booted)
        found: dict[str, Any] = json.loads(said.output)
        return found

    def answer(self, phase: str = "build", *words: str, booted: float | None = None) -> findings.Answer:
        """The whole answer, which is one of success."""
        given = ["--phase", phase, "--root", str(self.root), *words]
        given += [] if booted is None else ["--booted", str(int(booted))]
        said = findings.answer(given, {})
        assert said.code == 0, said.notes
        return said


def bare(root: Path) -> Machine:
    """A machine with accounts, and nothing to find."""
    machine = Machine(root=root)
    machine.write("etc/passwd", PASSWD)
    machine.write(
        "etc/shadow", "root:!!:19000:0:99999:7:::\nbin:*:19000:0:99999:7:::\npacker:!:19000::::::\n"
    )
    machine.write("etc/group", "root:x:0:\nwheel:x:10:dev\npacker:x:1001:\n")
    machine.write("etc/sudoers", "Defaults env_reset\nroot ALL=(ALL) ALL\n%wheel ALL=(ALL) ALL\n")
    return machine
