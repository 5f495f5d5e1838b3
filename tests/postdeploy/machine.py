"""A folder that stands for a deployed machine. The programs are those of the image; only systemctl is a stand-in.

The stand-in keeps a state for each unit and writes down each call with the version that was current then. A unit
refuses to start with the versions that its test names. One that is slow shows the states that its test names first.
It looks at the condition of a unit with each start, as systemd does, and says when; before that, the result is `no`.
"""

import functools
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.arm.launch import RunningArm
from tests.unit.images.places import IMAGES

FILES = IMAGES / "roles" / "postdeploy" / "files"
VAULT = "https://kv-example.vault.azure.net"
APP = "app.service"

_SYSTEMCTL = """#!/bin/bash
shopt -s nullglob
here={here}
verb=$1 unit=${{!#}}
version=none
for link in {root}/etc/pki/imagefactory/*/current; do
  version=$(readlink "$link") version=${{version#versions/}} version=${{version%-*}}
done
[[ $verb == is-active || $verb == show ]] || echo "$verb $unit $version" >>"$here/calls"
case $verb in
  show)
    if [[ $* == *--property=After* ]]; then
      cat "$here/$unit.after" || echo basic.target
    elif read -r job state sub <"$here/$unit.left"; then
      sed -i 1d "$here/$unit.left"
      printf '%s\\n' "Job=${{job#-}}" "ActiveState=$state" "SubState=$sub"
    else
      printf '%s\\n' Job= "ActiveState=$(cat "$here/$unit" || echo inactive)" SubState=any
      printf '%s\\n' "ReloadResult=$(cat "$here/$unit.reloaded" || echo success)"
      printf '%s\\n' "ConditionResult=$(cat "$here/$unit.condition" || echo no)"
      printf '%s\\n' "ConditionTimestampMonotonic=$(cat "$here/$unit.looked" || echo 0)"
    fi 2>/dev/null ;;
  is-active) [[ ! -s $here/$unit.left && $(cat "$here/$unit" 2>/dev/null) == active ]] ;;
  enable) [[ ! -e $here/$unit.broken ]] && echo active >"$here/$unit" ;;
  restart | reload-or-restart)
    # A caller that waits for a slow unit would wait for longer than it can.
    [[ ! -e $here/$unit.slow || $* == *--no-block* ]] || exit 1
    [[ ! -e $here/$unit.slow ]] || cp "$here/$unit.slow" "$here/$unit.left"
    # A reload of a unit that runs is no start.
    if [[ $verb == restart || $(cat "$here/$unit" 2>/dev/null) != active ]] && [[ ! -e $here/$unit.forgotten ]]; then
      {python} -c 'import time; print(time.monotonic_ns() // 1000)' >"$here/$unit.looked"
      [[ -e $here/$unit.unmet ]] && echo no >"$here/$unit.condition" || echo yes >"$here/$unit.condition"
    fi
    if [[ -e $here/$unit.unmet ]]; then
      echo inactive >"$here/$unit"
    elif grep -qsxe "$version" -e any "$here/$unit.refuses"; then
      echo failed >"$here/$unit"
      [[ ! -e $here/$unit.at-once ]]
    else
      echo active >"$here/$unit"
    fi ;;
  *) exit 64 ;;
esac
"""


@functools.cache
def guest_python() -> str:
    """Python 3.9 as in RHEL 9, where this machine has one that runs."""
    for each in (os.environ.get("IMAGE_FACTORY_GUEST_PYTHON"), shutil.which("python3.9")):
        if each:
            done = subprocess.run([each, "-c", "import ssl"], capture_output=True, check=False)
            if done.returncode == 0:
                return each
    return sys.executable


def loaded(module: str = "settings") -> Any:
    """A module of the guest, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.syspath_prepend(str(FILES / "libexec"))
        return importlib.import_module(f"postdeploy.{module}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a run ended, and the events that it said, as `event` with its facts."""

    code: int
    output: str
    errors: str

    @property
    def events(self) -> list[dict[str, str]]:
        return [_facts(line) for line in self.output.splitlines()]

    def named(self, event: str) -> list[dict[str, str]]:
        return [each for each in self.events if each["event"] == event]


class Machine:
    """The machine, its vault and its services."""

    def __init__(self, folder: Path, arm: RunningArm) -> None:
        self.root = folder / "root"
        self.arm = arm
        self._bin, self._units = folder / "bin", folder / "units"
        for path in (self._bin, self._units, self.root / "etc" / "imagefactory"):
            path.mkdir(parents=True)
        self.calls_file = self._units / "calls"
        self.tool("systemctl", _SYSTEMCTL.format(here=self._units, root=self.root, python=sys.executable))

    @property
    def path(self) -> str:
        return f"{self._bin}:/usr/sbin:/usr/bin:/sbin:/bin"

    def tool(self, name: str, text: str) -> None:
        """A program that is found first."""
        path = self._bin / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def configure(self, document: Mapping[str, Any] | str, *, mode: int = 0o600) -> None:
        """What cloud-init writes."""
        path = self.root / "etc" / "imagefactory" / "postdeploy.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        path.chmod(mode)

    def certificate(self, name: str, **more: Any) -> dict[str, Any]:
        """A configuration of one certificate, whose service stays up for a second."""
        user = own_name()
        wish = {"name": name, "folder": "app", "owner": user, "group": own_group(), **more}
        wish.setdefault("services", [{"unit": APP, "settleSeconds": 1}])
        return {"vault": VAULT, "waitSeconds": 2, "certificates": [wish]}

    def put(self, name: str, value: str, content_type: str = "application/x-pem-file") -> str:
        """A new version of a secret; its id."""
        self.arm.ask("POST", "secrets", {"name": name, "value": value, "content_type": content_type})
        return name

    def fault(
        self, path: str, status: int, *, code: str = "Fault", message: str = "", times: int = 1
    ) -> None:
        """The next answers to a path are this error."""
        fault: dict[str, Any] = {
            "path_regex": path,
            "status": status,
            "code": code,
            "message": message,
            "times": times,
        }
        fault["unknown_code"] = True  # the metadata service has words of its own
        self.arm.ask("POST", "faults", fault)

    def run(
        self,
        program: str = "certlc",
        *words: str,
        before: Sequence[str] = (),
        imds: str = "",
        vault: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> Ran:
        """Run a program of the image to its end."""
        return self._run(self.command(program, *words, before=before, imds=imds, vault=vault), environment)

    def run_under(self, words: Sequence[str]) -> Ran:
        """Run `certlc` as the last part of another command line."""
        program, *rest = words
        return self._run([str(shutil.which(program)), *rest, *self.command("certlc")], None)

    def _run(self, words: Sequence[str], environment: Mapping[str, str] | None) -> Ran:
        done = subprocess.run(
            words, env=self.environment(environment), capture_output=True, text=True, check=False, timeout=60
        )
        return Ran(code=done.returncode, output=done.stdout, errors=done.stderr)

    def command(
        self, program: str, *words: str, before: Sequence[str] = (), imds: str = "", vault: str = ""
    ) -> list[str]:
        """The command line: that of the unit, with the places of this test."""
        places = [
            f"--root={self.root}",
            f"--imds={imds or self.arm.identity_endpoint.rpartition('/msi/')[0]}",
            f"--vault={vault or self.arm.vault}",
            f"--programs={self.path}",
            "--first-pause=0.05",
        ]
        return [guest_python(), "-sEB", *before, str(FILES / "libexec" / program), *places, *words]

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Nothing of the test's own environment but the authority of the emulator."""
        # A proxy that does not exist: the programs must not ask one.
        proxy = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
        return {"PATH": "/nowhere", "SSL_CERT_FILE": str(self.arm.ca_file), **proxy, **(more or {})}

    # What is on the machine afterwards.
    @property
    def folder(self) -> Path:
        return self.root / "etc" / "pki" / "imagefactory" / "app"

    @property
    def current(self) -> Path:
        return self.folder / "current"

    @property
    def version(self) -> str:
        """The current version."""
        return os.readlink(self.current).removeprefix("versions/").rpartition("-")[0]

    @property
    def calls(self) -> list[str]:
        """The calls of systemctl that change something: the verb and the unit."""
        text = self.calls_file.read_text("utf-8") if self.calls_file.exists() else ""
        return [" ".join(line.split()[:2]) for line in text.splitlines()]

    @property
    def last_call_version(self) -> str:
        """Which version was current at the last call."""
        return self.calls_file.read_text("utf-8").split()[-1]

    def forget_calls(self) -> None:
        self.calls_file.unlink(missing_ok=True)

    def unit_state(self, unit: str = APP) -> str:
        path = self._units / unit
        return path.read_text("utf-8").strip() if path.exists() else "inactive"

    def start_unit(self, unit: str) -> None:
        """As if something else had started it."""
        (self._units / unit).write_text("active\n", "utf-8")

    def refuse(self, *versions: str, unit: str = APP, at_once: bool = False) -> None:
        """The unit does not come up with these versions. With `at_once` systemctl itself says so."""
        (self._units / f"{unit}.refuses").write_text("".join(f"{each}\n" for each in versions), "utf-8")
        marker = self._units / f"{unit}.at-once"
        if at_once:
            marker.touch()

    def accept(self, unit: str = APP) -> None:
        (self._units / f"{unit}.refuses").unlink()

    def slow(self, *states: str, unit: str = APP) -> None:
        """What systemd says of the unit after each restart before it is up: `JOB STATE SUBSTATE`, JOB or `-`."""
        (self._units / f"{unit}.slow").write_text("".join(f"{each}\n" for each in states), "utf-8")

    def leave_out(self, unit: str = APP, *, forgotten: bool = False) -> None:
        """A condition of the unit does not hold from now on. systemd may forget that it has looked."""
        (self._units / f"{unit}.unmet").touch()
        if forgotten:
            (self._units / f"{unit}.forgotten").touch()

    def break_reload(self, result: str, unit: str = APP) -> None:
        """The unit stays active, but its command for reloading fails."""
        (self._units / f"{unit}.reloaded").write_text(f"{result}\n", "utf-8")

    def order_after(self, *units: str, unit: str = APP) -> None:
        """Which units the unit waits for."""
        (self._units / f"{unit}.after").write_text(" ".join(units) + "\n", "utf-8")

    def break_enabling(self, unit: str) -> None:
        (self._units / f"{unit}.broken").touch()

    def repair_enabling(self, unit: str) -> None:
        (self._units / f"{unit}.broken").unlink()

    def status(self, program: str = "certlc") -> dict[str, Any]:
        """The report of the last run."""
        path = self.root / "var" / "lib" / "imagefactory" / "postdeploy" / f"{program}-status.json"
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found

    def texts(self) -> str:
        """Everything that lies in the state of the runs."""
        state = self.root / "var" / "lib"
        return "".join(path.read_text("utf-8") for path in state.rglob("*") if path.is_file())


def own_name() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def own_group() -> str:
    import grp

    return grp.getgrgid(os.getegid()).gr_name


def _facts(line: str) -> dict[str, str]:
    found, rest = {}, line
    while rest:
        key, _, rest = rest.partition("=")
        if rest.startswith('"'):
            value, end = json.JSONDecoder().raw_decode(rest)
            rest = rest[end:].lstrip()
        else:
            value, _, rest = rest.partition(" ")
        found[key] = value
    return found
