"""What the real rpm says of changed files, read by the line of 70-firewall.sh that asks it."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import optional_tools
from tests.unit.images.places import IMAGES

pytestmark = [pytest.mark.content, pytest.mark.process, pytest.mark.timeout(300)]

BASH = shutil.which("bash") or "/bin/bash"
SCRIPT = (IMAGES / "platform" / "after" / "70-firewall.sh").read_text("utf-8")
SERVICE, CONF = "usr/lib/firewalld/services/ssh.xml", "etc/firewalld/firewalld.conf"
_SPEC = f"""\
Name: firewalld
Version: 1
Release: 1
Summary: files where firewalld has them
License: none
BuildArch: noarch
%package filesystem
Summary: folders
%description
Files.
%description filesystem
Folders.
%install
mkdir -p %{{buildroot}}/usr/lib/firewalld/services %{{buildroot}}/etc/firewalld
echo '<service/>' >%{{buildroot}}/{SERVICE}
echo '<zone/>' >%{{buildroot}}/usr/lib/firewalld/public.xml
echo 'FirewallBackend=nftables' >%{{buildroot}}/{CONF}
%files
%config(noreplace) /{CONF}
/{SERVICE}
/usr/lib/firewalld/public.xml
%files filesystem
%dir /usr/lib/firewalld
%dir /usr/lib/firewalld/services
"""


def _lines() -> str:
    """The lines of the script that ask rpm at its end, and what they need before."""
    names = ["lib", "packages"]
    before = [found for name in names for found in re.findall(rf"^{name}=.*$", SCRIPT, re.MULTILINE)]
    asked = re.findall(r'^rpm --query "\$\{packages.*$|^changed=.*$', SCRIPT, re.MULTILINE)
    assert (len(before), len(asked)) == (2, 2)
    # `rpm` is the real one, about the packages of a folder.
    return "\n".join(
        [
            "set -euo pipefail",
            'rpm() { command rpm --root "$ROOT" --dbpath /var/lib/rpm "$@"; }',
            *before,
            *asked,
            'printf "changed: %s\\n" "$changed"',
        ]
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both packages, made and installed by the real programs."""
    if not optional_tools.is_here("rpmbuild"):
        optional_tools.missing("rpmbuild", "install Debian's rpm")
    if os.getuid():
        pytest.skip("rpm installs into a folder for root alone")
    work = tmp_path_factory.mktemp("verify")
    (work / "firewalld.spec").write_text(_SPEC, "utf-8")
    options = [
        word
        for each in (f"_topdir {work / 'top'}", "_binary_filedigest_algorithm 8")
        for word in ("--define", each)
    ]
    _run("rpmbuild", "-bb", "--quiet", *options, str(work / "firewalld.spec"))
    root = work / "root"
    (root / "var" / "lib" / "rpm").mkdir(parents=True)
    packages = [str(path) for path in sorted((work / "top").rglob("*.rpm"))]
    assert len(packages) == 2
    _run("rpm", "--root", str(root), "--dbpath", "/var/lib/rpm", "--nodeps", "--install", *packages)
    return root


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def _asked(root: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "ROOT": str(root)}
    return subprocess.run(
        [BASH, "-c", _lines()], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def _changed(root: Path) -> str:
    done = _asked(root)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("changed: ")[2].strip()


def _link(root: Path) -> None:
    (root / SERVICE).unlink()
    (root / SERVICE).symlink_to("/etc/x")


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda root: None, ""),
    "only the time of a file": (lambda root: os.utime(root / SERVICE, (1, 1)), ""),
    "a setting of the machine": (lambda root: (root / CONF).write_text("x\n", "utf-8"), ""),
    "content": (lambda root: (root / SERVICE).write_text("<service>other</service>\n", "utf-8"), "5"),
    "mode": (lambda root: (root / SERVICE).chmod(0o666), "M"),
    "owner": (lambda root: os.chown(root / SERVICE, 7, 7), "U"),
    "gone": (lambda root: (root / SERVICE).unlink(), "missing"),
    "a link": (_link, "L"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_file_of_firewalld_that_a_step_changed_is_named_and_nothing_else(
    installed: Path, tmp_path: Path, case: str
) -> None:
    root = tmp_path / "root"
    _run("cp", "--archive", str(installed), str(root))
    change, said = CASES[case]
    change(root)
    found = _changed(root)
    if not said:
        assert found == ""
        return
    flags, *_, path = found.split()
    assert said in flags
    assert path == f"/{SERVICE}"
    assert len(found.splitlines()) == 1


def test_a_package_that_the_database_does_not_know_ends_the_build(installed: Path, tmp_path: Path) -> None:
    """rpm's answer about changed files would be empty."""
    root = tmp_path / "root"
    _run("cp", "--archive", str(installed), str(root))
    _run(
        "rpm", "--root", str(root), "--dbpath", "/var/lib/rpm", "--erase", "--justdb", "--nodeps", "firewalld"
    )
    done = _asked(root)
    assert done.returncode == 1
    assert "lacks one of firewalld's" in done.stderr
