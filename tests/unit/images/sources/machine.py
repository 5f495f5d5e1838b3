"""A folder that stands for a machine of Azure's RHEL 9, with the platform's steps and stand-ins for dnf and rpm."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.unit.images.places import IMAGES

BASH = shutil.which("bash") or "/bin/bash"
STAND_IN = Path(__file__).with_name("stand_in.py")
AZURES = "rhui4-1.microsoft.com"
CLIENT = "rhui-azure-rhel9"
CLOUD = (
    f"[rhui-microsoft-azure-rhel9]\nname=Microsoft\nbaseurl=https://{AZURES}/pulp/repos/unprotected/microsoft-azure-rhel9\n"
    "enabled=1\ngpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-microsoft-azure-release\n\n"
    f"[rhel-9-baseos-rhui]\nname=BaseOS\nbaseurl=https://{AZURES}/pulp/repos/content/dist/rhel9/baseos\n"
    "enabled=1\ngpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-redhat-release\n"
    "sslclientcert=/etc/pki/rhui/product/content.crt\n"
)
CONF = "[main]\ngpgcheck=1\ninstallonly_limit=3\n# a comment\nbest=True\n"
RED_HATS_KEY = "/etc/pki/rpm-gpg/RPM-GPG-KEY-redhat-release"


def repository(host: str, name: str = "mirror-baseos", key: str = RED_HATS_KEY) -> dict[str, str]:
    """A repository of the settings."""
    return {"id": name, "baseurl": f"https://{host}/rhel9/$basearch/baseos", "gpgKey": key}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesMachine:
    """`root` is the machine, `platform` the unpacked bundle."""

    root: Path
    platform: Path

    def write(self, name: str, text: str) -> Path:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def read(self, name: str) -> str:
        return (self.root / name.lstrip("/")).read_text("utf-8")

    def settings(self, **parts: Any) -> None:
        """What SecOps has set."""
        (self.platform / "platform" / "sources" / "settings.json").write_text(json.dumps(parts), "utf-8")

    def key(self, name: str, text: str = "a key\n") -> None:
        """A file beside the settings."""
        path = self.platform / "platform" / "sources" / "keys" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")

    def world(self, *reachable: str, certificate: str = "good", packages: Iterable[str] = (CLIENT,)) -> None:
        """Which hosts answer, and what is installed."""
        state = {"reachable": reachable, "certificate": certificate, "packages": sorted(packages)}
        self.write("state.json", json.dumps(state))

    def owns(self, package: str, path: Path) -> None:
        """The file goes when the package is removed."""
        state = json.loads(self.read("state.json"))
        state.setdefault("files", {})[package] = [str(path)]
        self.write("state.json", json.dumps(state))

    def packages(self) -> list[str]:
        found: list[str] = json.loads(self.read("state.json"))["packages"]
        return found

    def run(
        self, step: str, *words: str, image: str = "rhel9-base", variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a script of the platform with the stand-ins."""
        environment = {
            "PATH": f"{self.root / 'stand-ins'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "STAND_IN_ROOT": str(self.root),
            "IMAGEFACTORY_SYSTEM": str(self.root),
            "IMAGEFACTORY_PLATFORM": str(self.platform),
            "IMAGEFACTORY_ROOT": str(self.root / "run"),
            "IMAGEFACTORY_IMAGE": image,
            "LC_ALL": "C.UTF-8",
            **(variables or {}),
        }
        command = [BASH, str(self.platform / "platform" / step), *words]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    def dnf(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the stand-in, as a step of a team does."""
        return self.run("../../machine/stand-ins/dnf", *words)

    def does(self, step: str, *words: str, image: str = "rhel9-base") -> str:
        """Run a script that must succeed; what it said."""
        done = self.run(step, *words, image=image)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def calls(self) -> list[str]:
        path = self.root / "calls"
        return path.read_text("utf-8").splitlines() if path.exists() else []


def made(folder: Path) -> SourcesMachine:
    """A machine of Azure's pay-as-you-go image: RHEL 9.6, update servers of Azure, a client certificate."""
    machine = SourcesMachine(root=folder / "machine", platform=folder / "platform")
    shutil.copytree(IMAGES / "platform", machine.platform / "platform")
    machine.write("etc/dnf/dnf.conf", CONF)
    machine.write("etc/yum.repos.d/rh-cloud.repo", CLOUD)
    machine.write(RED_HATS_KEY, "Red Hat's key\n")
    machine.write("etc/pki/rpm-gpg/RPM-GPG-KEY-microsoft-azure-release", "Microsoft's key\n")
    machine.write("etc/os-release", 'NAME="Red Hat Enterprise Linux"\nVERSION_ID="9.6"\n')
    for program in ("dnf", "rpm"):
        path = machine.write(
            f"stand-ins/{program}", f'#!/bin/bash\nexec "{sys.executable}" "{STAND_IN}" {program} "$@"\n'
        )
        path.chmod(0o755)
    for program, said in {"uname": "5.14.0-570", "grubby": "/boot/vmlinuz-5.14.0-570"}.items():
        machine.write(f"stand-ins/{program}", f"#!/bin/bash\necho {said}\n").chmod(
            0o755
        )  # no other kernel came
    (machine.root / "run").mkdir()
    machine.world(AZURES)
    return machine
