"""Runs programs inside a made root: a mount namespace, where Debian's programs and our stand-ins lie over its /usr.

What a program changes is changed in the folder. Nothing of this machine is written: the namespace and its mounts end
with the run. Needs root, and a kernel that lets root mount.

Process 1 is named systemd there: Ansible asks no other one for its services, and a task of the guide reads their list.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.content.standins import programs

_STANDINS: Final = Path(__file__).resolve().parent / "standins"
# Ansible would ask these for packages, and find Debian's.
_HIDDEN: Final = ("apt", "apt-get", "aptitude", "dpkg")
_PYTHON: Final = "/usr/bin/python3" if sys.base_prefix == "/usr" else "/run/python/bin/python3"
_SCRIPT: Final = """\
set -eu
for each in boot home tmp var; do mount --bind "$root/$each" "$root/$each"; done
mount -t overlay made -o "lowerdir=$layer:/usr,upperdir=$root/usr,workdir=$work" "$root/usr"
mount -t tmpfs made "$root/run"
mount -t tmpfs made "$root/dev"
for each in null zero full random urandom tty; do
  touch "$root/dev/$each"
  mount --bind "/dev/$each" "$root/dev/$each"
done
mkdir -p "$root/run/sshd" "$root/run/systemd/system" "$root/dev/shm" "$root/run/python" "$root/run/guest"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs made "$root/dev/shm"
mount --bind "$prefix" "$root/run/python"
printf '%s' "$shared" | while read -r name source; do
  mkdir "$root/run/guest/$name"
  mount --bind "$source" "$root/run/guest/$name"
  mount -o remount,ro,bind "$root/run/guest/$name"
done
mount --bind /proc "$root/proc"
echo systemd >"$root/run/guest/init"
mount --bind "$root/run/guest/init" "$root/proc/1/comm"
exec chroot "$root" /usr/bin/env -i "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestRun:
    """One run of a program in a made root: its exit status and what it printed."""

    code: int
    output: str


def obstacle() -> str:
    """Why nothing can run in a made root here; empty where it can."""
    if os.geteuid() != 0:
        return "only root can mount"
    trial = ["unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", "made", "/mnt"]
    done = subprocess.run(trial, capture_output=True, check=False, timeout=30)
    return "this machine lets nobody mount" if done.returncode else ""


def run(
    root: Path,
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    shared: Mapping[str, Path] | None = None,
    limit: int = 1800,
) -> GuestRun:
    """Run `command` in `root`. `shared` folders are below /run/guest, by name. `limit` in seconds."""
    given = {
        "PATH": "/run/python/bin:/usr/sbin:/usr/bin:/usr/local/bin",
        "LD_LIBRARY_PATH": "/run/python/lib",
        "PYTHONPATH": "/run/guest/standins/lib",
        "HOME": "/root",
        "USER": "root",
        "LC_ALL": "C.UTF-8",
        **(environment or {}),
    }
    folders = {**(shared or {}), "standins": _STANDINS}
    with _layers(root) as layers:
        outer = {
            **os.environ,
            "root": str(root),
            "layer": str(layers / "layer"),
            "work": str(layers / "work"),
            "shared": "".join(f"{name} {path}\n" for name, path in folders.items()),
            "prefix": sys.base_prefix,
        }
        words = [f"{name}={value}" for name, value in given.items()] + list(command)
        whole = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SCRIPT, "sh", *words]
        done = subprocess.run(whole, env=outer, capture_output=True, check=False, timeout=limit)
    return GuestRun(code=done.returncode, output=(done.stdout + done.stderr).decode(errors="replace"))


def play(
    root: Path,
    playbook: Path,
    *,
    site: Path,
    roles: Path | None = None,
    platform: Path | None = None,
    asked: Mapping[str, str] | None = None,
) -> GuestRun:
    """Run `playbook` in `root` with the Ansible that pip installed for this Python into the folder `site`.

    A playbook of the folder `platform` finds the files around it. `asked` are variables of the environment.
    """
    environment = {
        **(asked or {}),
        "PYTHONPATH": "/run/guest/site:/run/guest/standins/lib",
        "ANSIBLE_HOME": "/run/ansible",
        "ANSIBLE_LOCAL_TEMP": "/run/ansible/local",
        "ANSIBLE_REMOTE_TEMP": "/run/ansible/remote",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_LIBRARY": "/run/guest/standins/library",
        "ANSIBLE_CONNECTION_PLUGINS": "/run/guest/standins/connection",
        "ANSIBLE_ROLES_PATH": "/run/guest/roles",
        "ANSIBLE_COLLECTIONS_PATH": "/run/guest/site",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
    }
    command = [_PYTHON, "-c", "import sys; from ansible.cli.playbook import main; sys.exit(main())"]
    command += ["--connection", "inside", "--inventory", "localhost,"]
    command += ["--extra-vars", f"ansible_python_interpreter={_PYTHON}"]
    top = platform or playbook.parent
    command += [f"/run/guest/play/{playbook.relative_to(top)}"]
    shared = {"play": top, "site": site, **({"roles": roles} if roles else {})}
    return run(root, command, environment=environment, shared=shared)


@contextmanager
def _layers(root: Path) -> Iterator[Path]:
    """Folders beside the root, for the length of a run: our stand-ins as a layer of /usr, and overlayfs' own folder."""
    folder = root.parent / f"{root.name}.run"
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("bin", "sbin"):
        into = folder / "layer" / name
        into.mkdir(parents=True)
        for program in programs.PROGRAMS:
            shutil.copyfile(_STANDINS / "programs.py", into / program)
            (into / program).chmod(0o755)
        (into / "awk").symlink_to("/usr/bin/mawk")  # Debian's is a link through /etc
        (into / "sh").symlink_to("/usr/bin/bash")  # as RHEL has it; tasks of the guide use its options
        for hidden in _HIDDEN:
            os.mknod(into / hidden, 0o020000, 0)
    macros = folder / "layer" / "lib" / "rpm" / "macros.d"
    macros.mkdir(parents=True)
    (macros / "macros.made").write_text("%_dbpath /var/lib/rpm\n", encoding="utf-8")
    (folder / "work").mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
