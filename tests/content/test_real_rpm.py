"""A real RPM, built and signed here with a key of its own: the database says what the scanner reads from it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from scanner.provenance import vendors

from tests.unit.images.hygiene import made
from tests.unit.images.hygiene.machine import Machine, bare

pytestmark = [pytest.mark.content, pytest.mark.process, pytest.mark.timeout(300)]

_SPEC = """\
Name: acme
Version: 1
Release: 1
Summary: a package with a test key
License: none
BuildArch: noarch
%description
It has a test key.
%install
mkdir -p %{{buildroot}}/opt/acme
cp {key} %{{buildroot}}/opt/acme/key.pem
%files
/opt/acme/key.pem
"""


def run(folder: Path, *command: str) -> str:
    """What a program printed; its keys and settings are in the folder."""
    environment = {**os.environ, "GNUPGHOME": str(folder / "gpg"), "HOME": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _package(folder: Path) -> Path:
    (folder / "key.pem").write_text(made.key(), "utf-8")
    (folder / "acme.spec").write_text(_SPEC.format(key=folder / "key.pem"), "utf-8")
    (folder / "gpg").mkdir(mode=0o700)
    defined = [
        f"_topdir {folder / 'top'}",
        "_source_filedigest_algorithm 8",
        "_binary_filedigest_algorithm 8",
    ]
    options = [word for each in defined for word in ("--define", each)]
    run(folder, "rpmbuild", "-bb", "--quiet", *options, str(folder / "acme.spec"))
    (package,) = (folder / "top").rglob("*.rpm")
    return package


def sign(folder: Path, package: Path) -> None:
    """Sign a package with a new key."""
    run(folder, "gpg", "--batch", "--passphrase", "", "--quick-gen-key", "acme", "rsa2048")
    gpg = f"__gpg {shutil.which('gpg')}"
    run(folder, "rpmsign", "--define", "_gpg_name acme", "--define", gpg, "--addsign", str(package))
    run(folder, "gpgconf", "--kill", "gpg-agent")


def _installed(folder: Path, package: Path, root: Path) -> Machine:
    machine = bare(root)
    (root / "var" / "lib" / "rpm").mkdir(parents=True)
    where = ["--root", str(root), "--dbpath", "/var/lib/rpm"]
    run(folder, "rpm", *where, "--nodeps", "--nosignature", "--install", str(package))
    return machine


def key_id(folder: Path) -> str:
    """The id of the key that signed, as rpm writes it."""
    said = run(folder, "gpg", "--batch", "--with-colons", "--list-keys", "acme")
    return next(line.split(":")[4].lower() for line in said.splitlines() if line.startswith("pub:"))


def test_only_a_package_of_a_known_key_vouches_for_its_files_and_only_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = ("rpm", "rpmbuild", "rpmsign", "gpg", "gpgconf")
    absent = [tool for tool in tools if shutil.which(tool) is None]
    if absent or os.getuid():
        pytest.skip(f"needs root, to install into a folder, and {', '.join(absent or tools)}")
    package = _package(tmp_path)
    assert len(_installed(tmp_path, package, tmp_path / "unsigned").look()) == 1
    sign(tmp_path, package)
    machine = _installed(tmp_path, package, tmp_path / "signed")
    assert len(machine.look()) == 1  # a key that no vendor has
    monkeypatch.setattr(vendors, "KEYS", frozenset((key_id(tmp_path),)))
    assert machine.look() == []
    assert [each["package"] for each in machine.report()["judged"]] == ["rpm acme-1-1"]
    machine.write("opt/acme/key.pem", made.key() + "\n")
    assert len(machine.look()) == 1
