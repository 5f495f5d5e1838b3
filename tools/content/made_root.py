"""Makes a folder that stands for the root of Red Hat's Azure image of RHEL 9, with an RPM database that oscap reads.

It holds what rules read in files, and nothing that runs: no kernel, no service, no program of RHEL. What such a root
cannot answer is in `reasons.json`, each rule with its reason.
"""

import os
import subprocess
from pathlib import Path
from typing import Final

from tools.content import accounts, packages, system

DATABASE: Final = "/var/lib/rpm"
_SPEC_HEAD: Final = """\
Name: made-root
Version: {release}
Release: 1.el9
Summary: made
License: none
BuildArch: noarch
%description
made
"""
_SPEC_PART: Final = """\
%package -n {name}
{version}Summary: made
%description -n {name}
made
%files -n {name}
"""


def make(folder: Path) -> None:
    """Fill `folder`, which must be empty. Needs rpm and rpmbuild, and root for owners. Takes 2 s."""
    for path, mode in system.FOLDERS:
        _at(folder, path).mkdir(parents=True, exist_ok=True)
        _at(folder, path).chmod(mode)
    for path, target in system.LINKS:
        place = _at(folder, path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
    for file in (*system.FILES, *accounts.FILES):
        place = _at(folder, file.path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.text, encoding="utf-8")
        place.chmod(file.mode)
    _select_profile(folder)
    _make_home(folder)
    _run("ssh-keygen", "-A", "-f", str(folder))  # a booted machine has keys, and `sshd -T` asks for them
    for key in (folder / "etc" / "ssh").glob("ssh_host_*_key"):
        key.chmod(0o600)
    boot(folder)
    _install_packages(folder)


def boot(folder: Path) -> None:
    """Write the mounts that a boot would make of the fstab. Call it again after a change.

    oscap reads the first file. Ansible reads the second, which is a link on RHEL: here it would lead to the mounts of
    this machine, and a task of the guide copies what it finds into the fstab.
    """
    fstab = _at(folder, "/etc/fstab").read_text(encoding="utf-8")
    for path in ("/proc/mounts", "/etc/mtab"):
        _at(folder, path).write_text(system.mounted(fstab), encoding="utf-8")


def _at(folder: Path, path: str) -> Path:
    return folder / path.removeprefix("/")


def _select_profile(folder: Path) -> None:
    """The image has no authselect profile: its PAM files are files, as the package pam ships them."""
    for name in ("system-auth", "password-auth", "postlogin", "fingerprint-auth", "smartcard-auth"):
        text = _at(folder, f"{accounts.PROFILE}/{name}").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if "{include if" not in line]
        plain = "\n".join(lines).replace('{if not "without-nullok":nullok}', "nullok")
        _at(folder, f"/etc/pam.d/{name}").write_text(f"#%PAM-1.0\n{plain}\n", encoding="utf-8")


def _make_home(folder: Path) -> None:
    home = _at(folder, f"/home/{accounts.ADMIN}")
    home.mkdir()
    for name in (".bashrc", ".bash_profile", ".bash_logout"):
        (home / name).write_text("# from /etc/skel\n", encoding="utf-8")
        os.chown(home / name, 1000, 1000)
    home.chmod(0o700)
    os.chown(home, 1000, 1000)
    for path, gid in ((f"/var/spool/mail/{accounts.ADMIN}", 12),):
        _at(folder, path).parent.mkdir(parents=True, exist_ok=True)
        _at(folder, path).write_text("", encoding="utf-8")
        os.chown(_at(folder, path), 1000, gid)
        _at(folder, path).chmod(0o660)


def _install_packages(folder: Path) -> None:
    """Empty packages with the names of the real ones. The database is sqlite, as RHEL 9 has it."""
    work = folder.parent / f"{folder.name}.rpms"
    work.mkdir()
    parts = [_SPEC_PART.format(name=name, version="") for name in packages.NAMES]
    spec = work / "made.spec"
    spec.write_text(_SPEC_HEAD.format(release=packages.RELEASE) + "".join(parts), encoding="utf-8")
    built = [_build(spec, work)]
    for number, (name, version, release) in enumerate(packages.KEYS):
        part = _SPEC_PART.format(name=name, version=f"Version: {version}\nRelease: {release}\n")
        each = work / f"key-{number}.spec"
        each.write_text(_SPEC_HEAD.format(release=packages.RELEASE) + part, encoding="utf-8")
        built.append(_build(each, work))
    for rpms in built:
        _run(
            "rpm",
            "--root",
            str(folder),
            "--dbpath",
            DATABASE,
            "--justdb",
            "--nodeps",
            "--nosignature",
            "-i",
            *rpms,
        )


def _build(spec: Path, work: Path) -> list[str]:
    into = work / spec.stem
    defines = {"_topdir": work, "_rpmdir": into, "_binary_payload": "w0.gzdio", "_build_id_links": "none"}
    words = [word for name, value in defines.items() for word in ("--define", f"{name} {value}")]
    _run("rpmbuild", "-bb", "--quiet", *words, str(spec))
    return sorted(str(path) for path in into.rglob("*.rpm"))


def _run(*command: str) -> None:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
