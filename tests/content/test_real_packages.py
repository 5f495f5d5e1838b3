"""Real packages, installed as a team installs them, are not a finding of the hygiene check; a secret among them is.

`make content-check` runs it. It needs .cache/content-check, which `tools/content-check.txt` locks.
Packages of npm come from its registry, by version and digest. A toolchain of Go and a JDK are taken from this machine.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import optional_tools
from tests.unit.images.hygiene import made
from tests.unit.images.hygiene.machine import Machine, bare

pytestmark = [pytest.mark.content, pytest.mark.process, pytest.mark.timeout(600)]

CHECKOUT = Path(__file__).parents[2]
INSTALLED = CHECKOUT / ".cache" / "content-check"
# Name, version, and SHA-256 of what the registry serves.
NPM = (
    ("npm", "11.21.2", "8ad8563b81e71b90ef405b140bccf3ba9b5e7884ab210bd49ee4e2f4bc6f61f5"),
    ("ssh2", "1.17.0", "8bf2fff9c148973ed24a95087c0b4cea9b8f07a61621c8ab3ded453e3cbcd7d7"),
)
_HINT = "tools/install_lock.sh .venv/bin/python tools/content-check.txt -- --upgrade --target .cache/content-check"


def _linked(source: Path, target: Path) -> None:
    """The same files under other names: a copy would take a gigabyte."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(source, target, copy_function=os.link, symlinks=True)
    except (OSError, shutil.Error):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, symlinks=True)


def _expect_nothing(machine: Machine) -> None:
    assert machine.look() == []
    assert machine.look("verify", booted=2**33) == []


def test_packages_from_the_index_are_not_a_finding(tmp_path: Path) -> None:
    if not (INSTALLED / "msal").is_dir():
        optional_tools.missing("content-check", f".cache/content-check is missing; to install it: {_HINT}")
    machine = bare(tmp_path)
    site = tmp_path / "opt" / "app" / "lib" / "python3.11" / "site-packages"
    _linked(INSTALLED, site)
    assert len(list(site.glob("*.dist-info"))) > 100
    _expect_nothing(machine)
    # A secret in a file that a RECORD lists, and one beside the packages.
    module = site / "msal" / "__init__.py"
    text = module.read_text("utf-8")
    module.unlink()
    module.write_text(f"{text}\nTOKEN = '{made.token()}'\n", "utf-8")
    (site / "tornado" / "test" / "own.key").write_text(made.key(), "utf-8")
    assert len(machine.look()) == 2


@pytest.mark.parametrize(("name", "version", "digest"), NPM, ids=[name for name, _, _ in NPM])
def test_packages_of_npm_are_not_a_finding(tmp_path: Path, name: str, version: str, digest: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        optional_tools.missing("content-check", "npm is not on the PATH")
    target = tmp_path / "packed"
    target.mkdir()
    command = [npm, "pack", "--silent", "--pack-destination", str(target), f"{name}@{version}"]
    done = subprocess.run(command, cwd=target, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        optional_tools.missing(
            "content-check", f"npm's registry does not answer: {done.stderr.strip()[-300:]}"
        )
    (archive,) = target.glob("*.tgz")
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == digest
    machine = bare(tmp_path / "root")
    modules = tmp_path / "root" / "usr" / "local" / "lib" / "node_modules"
    with tarfile.open(archive) as packed:
        packed.extractall(modules / name, filter="data")
    assert any(
        json.loads(path.read_text("utf-8"))["version"] == version for path in modules.glob("*/*/package.json")
    )
    _expect_nothing(machine)


def _go() -> Path | None:
    program = shutil.which("go")
    done = (
        subprocess.run([program, "env", "GOROOT"], capture_output=True, text=True, check=False)
        if program
        else None
    )
    return Path(done.stdout.strip()) if done and done.returncode == 0 else None


def _jdk() -> Path | None:
    program = shutil.which("java")
    return Path(program).resolve().parents[1] if program else None


@pytest.mark.parametrize(("find", "place"), [(_go, "usr/local/go"), (_jdk, "opt/jdk")], ids=["Go", "JDK"])
def test_a_toolchain_of_this_machine_is_not_a_finding(
    tmp_path: Path, find: Callable[[], Path | None], place: str
) -> None:
    source = find()
    if source is None or not source.is_dir():
        pytest.skip(f"there is no {place.rpartition('/')[2]} on this machine")
    machine = bare(tmp_path)
    shutil.copytree(source, tmp_path / place, ignore_dangling_symlinks=True)
    _expect_nothing(machine)
