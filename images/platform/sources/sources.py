"""Sets where a machine gets its packages from, as settings.json says. The guard has checked settings.json.

    sources.sh build                of a machine that builds: its repositories and its proxy
    sources.sh deployed             as the image leaves the factory: what its machines reach, and nothing of the build
    sources.sh options FOLDER       dnf's options, one on a line, that use the sources of the build and change nothing
                                    of the machine; what they name is written into FOLDER
    sources.sh release IMAGE        the release that a base stays on, and `eus`; nothing without one
    sources.sh only-build           hosts that only a build reaches, one on a line

IMAGEFACTORY_SYSTEM is a folder that stands for the machine, in tests. Runs in the guest: RHEL 9's own Python 3.9,
standard library only. Ends with 1 and one line if it cannot.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dnf_files

HERE = Path(__file__).resolve().parent
CONF = "/etc/dnf/dnf.conf"
REPOSITORIES = "/etc/yum.repos.d"
OURS = "imagefactory.repo"
# This folder is replaced as a whole, so it is not /etc/pki/imagefactory: that one is the role `postdeploy`'s.
KEYS = "/etc/pki/imagefactory-sources"
# Survives a restart of the machine, unlike /run. `deployed` removes it.
BUILD = "/var/lib/imagefactory-build-sources"
_HOST = re.compile(r"https?://([^/:]+)")


class CannotSet(Exception):
    """The machine is not as it must be; the message says what to do."""


class Machine:
    """The machine, or a folder that stands for one."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")

    def path(self, name: str) -> Path:
        """Where a file of the machine is for this program."""
        return Path(self.root + name)

    def write(self, name: str, text: str) -> None:
        """Replace a file in one step. It is readable for all, and root's."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.imagefactory")
        new.write_text(text, encoding="utf-8")
        new.chmod(0o644)
        new.replace(path)

    def conf(self) -> str:
        """The text of dnf.conf; empty without one."""
        path = self.path(CONF)
        return path.read_text(encoding="utf-8") if path.is_file() else ""


def build(settings: Mapping[str, Any], machine: Machine) -> None:
    """Use the sources of a build. Safe to repeat."""
    wanted = settings.get("build") or {}
    changes: dict[str, str | None] = {}
    if wanted.get("repositories"):
        _refuse_other_folder(machine)
        shutil.rmtree(machine.path(BUILD), ignore_errors=True)
        machine.write(f"{BUILD}/build.repo", _repositories(wanted["repositories"], machine, BUILD))
        changes["reposdir"] = BUILD
    if _has_proxy(settings):
        changes["proxy"] = wanted.get("proxy")
    if changes:
        machine.write(CONF, dnf_files.with_settings(machine.conf(), "main", changes))
    for key, value in changes.items():
        print(f"sources: dnf's {key} is {value or 'none'} for this build")


def deployed(settings: Mapping[str, Any], machine: Machine) -> None:
    """Leave what a deployed machine uses. Safe to repeat, and complete although `build` did not run."""
    wanted = settings.get("deployed") or {}
    changes: dict[str, str | None] = {}
    if dnf_files.setting(machine.conf(), "main", "reposdir") == BUILD:
        changes["reposdir"] = None
    if _has_proxy(settings):
        changes["proxy"] = wanted.get("proxy")
    if changes:
        machine.write(CONF, dnf_files.with_settings(machine.conf(), "main", changes))
    shutil.rmtree(machine.path(BUILD), ignore_errors=True)
    if not wanted.get("repositories"):
        print("sources: the repositories stay as the image has them")
        return
    for path in sorted(machine.path(REPOSITORIES).glob("*.repo")):
        if path.name != OURS:
            _switch_off(machine, path)
    shutil.rmtree(machine.path(KEYS), ignore_errors=True)
    machine.write(f"{REPOSITORIES}/{OURS}", _repositories(wanted["repositories"], machine, KEYS))
    print(f"sources: a deployed machine uses {', '.join(each['id'] for each in wanted['repositories'])}")


def options(settings: Mapping[str, Any], machine: Machine, folder: str) -> list[str]:
    """dnf's options that use the sources of a build. None where the machine's own are used."""
    wanted = settings.get("build") or {}
    changes: dict[str, str | None] = {}
    if wanted.get("repositories"):
        Machine("").write(
            f"{folder}/build.repo", _repositories(wanted["repositories"], machine, folder, at="")
        )
        changes["reposdir"] = folder
    if _has_proxy(settings):
        changes["proxy"] = wanted.get("proxy")
    if not changes:
        return []
    Machine("").write(f"{folder}/dnf.conf", dnf_files.with_settings(machine.conf(), "main", changes))
    return ["--config", f"{folder}/dnf.conf"]


def release(settings: Mapping[str, Any], image: str) -> str:
    """`9.6`, `9.6 eus`, or nothing."""
    found = (settings.get("releases") or {}).get(image)
    if found is None:
        return ""
    return f"{found['releasever']} eus" if found.get("eus") else str(found["releasever"])


def only_build(settings: Mapping[str, Any]) -> list[str]:
    """The hosts that a build uses and no deployed machine does."""
    return sorted(_hosts(settings.get("build") or {}) - _hosts(settings.get("deployed") or {}))


def _hosts(part: Mapping[str, Any]) -> set[str]:
    addresses = [each["baseurl"] for each in part.get("repositories") or ()]
    addresses += [part[key] for key in ("proxy", "pipIndex") if part.get(key)]
    return {found[1] for found in map(_HOST.match, addresses) if found}


def _has_proxy(settings: Mapping[str, Any]) -> bool:
    """True where dnf's proxy is ours to set: a parent's image may have that of deployed machines."""
    return any((settings.get(part) or {}).get("proxy") for part in ("build", "deployed"))


def _refuse_other_folder(machine: Machine) -> None:
    found = dnf_files.setting(machine.conf(), "main", "reposdir")
    if found not in (None, BUILD):
        raise CannotSet(
            f"{CONF} has reposdir={found}, which build.repositories would replace; remove it from the image"
        )


def _repositories(
    given: Sequence[Mapping[str, Any]], machine: Machine, folder: str, at: str | None = None
) -> str:
    """The file of these repositories. Keys that lie beside the settings are copied into `folder`."""
    parts = []
    for each in given:
        values = dict(each)
        for key in ("gpgKey", "caCertificate"):
            if key in values:
                values[key] = _key(
                    str(values[key]), each["id"], machine, folder, machine.root if at is None else at
                )
        parts.append(dnf_files.repository(values))
    return "\n".join(parts)


def _key(name: str, repository: str, machine: Machine, folder: str, at: str) -> str:
    """The path of a key on the machine."""
    if not name.startswith("keys/"):
        if not machine.path(name).is_file():
            raise CannotSet(
                f"repository {repository}: the image has no {name}; put the file beside settings.json, in keys/"
            )
        return name
    target = f"{folder}/{name}"
    Machine(at).write(target, (HERE / name).read_text(encoding="utf-8"))
    return target


def _switch_off(machine: Machine, path: Path) -> None:
    text = changed = path.read_text(encoding="utf-8")
    for section in dnf_files.sections(text):
        if dnf_files.setting(changed, section, "enabled") != "0":
            changed = dnf_files.with_settings(changed, section, {"enabled": "0"})
            print(f"sources: {section} of {path.name} is switched off: it is not in deployed.repositories")
    if changed != text:
        machine.write(f"{REPOSITORIES}/{path.name}", changed)


def main(words: Sequence[str]) -> int:
    """Do as the first word says; return the exit code."""
    machine = Machine(os.environ.get("IMAGEFACTORY_SYSTEM", ""))
    try:
        settings = json.loads((HERE / "settings.json").read_text(encoding="utf-8"))
        if words[:1] == ["build"]:
            build(settings, machine)
        elif words[:1] == ["deployed"]:
            deployed(settings, machine)
        elif words[:1] == ["options"] and len(words) == 2:
            print("\n".join(options(settings, machine, words[1])))
        elif words[:1] == ["release"] and len(words) == 2:
            print(release(settings, words[1]))
        elif words == ["only-build"]:
            print("\n".join(only_build(settings)))
        else:
            raise CannotSet(f"{' '.join(words)}: there is no such command")
    except (CannotSet, OSError, ValueError) as error:
        print(f"sources: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
