"""The vendor's files of FIPS mode, in a real package that is signed here: its database vouches for each of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import fips_proof
import pytest
from scanner.provenance import vendors
from scanner.provenance.rpms import Rpms

from tests.content import test_real_rpm as real
from tests.unit.images import fips_machine

pytestmark = [pytest.mark.content, pytest.mark.process, pytest.mark.timeout(300)]

_TOOLS = ("rpm", "rpmbuild", "rpmsign", "gpg", "gpgconf")
_CHANGED = "usr/bin/fips-mode-setup"


def _spec(source: Path, names: list[str]) -> str:
    """A package of these files, that stay as they are: no debug files, no stripping, no other shebang."""
    return "\n".join(
        [
            *(
                "Name: vendor",
                "Version: 1",
                "Release: 1",
                "Summary: files",
                "License: none",
                "BuildArch: noarch",
            ),
            "%global __os_install_post %{nil}",
            *("%description", "Files.", "%install"),
            *(f"install -D -m 0755 {source}/{name} %{{buildroot}}/{name}" for name in names),
            "%files",
            *(f"/{name}" for name in names),
            "",
        ]
    )


def test_each_file_of_a_signed_package_is_proved_and_a_changed_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if absent or os.getuid():
        pytest.skip(f"needs root, to install into a folder, and {', '.join(absent or _TOOLS)}")
    root, source = tmp_path / "root", tmp_path / "source"
    fips_machine.make(root)
    names = [path.lstrip("/") for path in fips_machine.packages(root)]
    # The kernel's package lists /lib/modules, and /lib is a link.
    shutil.copytree(root, source, symlinks=True)
    for folder in (root, source):
        (folder / "lib").symlink_to("usr/lib")
    (tmp_path / "vendor.spec").write_text(_spec(source, names), "utf-8")
    (tmp_path / "gpg").mkdir(mode=0o700)
    words = [f"_topdir {tmp_path / 'top'}", "_binary_filedigest_algorithm 8", "_build_id_links none"]
    options = [word for each in words for word in ("--define", each)]
    real.run(tmp_path, "rpmbuild", "-bb", "--quiet", *options, str(tmp_path / "vendor.spec"))
    (package,) = (tmp_path / "top").rglob("*.rpm")
    real.sign(tmp_path, package)
    (root / "var" / "lib" / "rpm").mkdir(parents=True)
    install = ["--root", str(root), "--dbpath", "/var/lib/rpm", "--nodeps", "--nosignature", "--force"]
    real.run(tmp_path, "rpm", *install, "--install", str(package))

    def found() -> list[str]:
        notes: list[str] = []
        lines = list(fips_proof.files(root, Rpms(root=str(root), note=notes.append).vouch))
        assert notes == []
        return lines

    assert len(found()) > len(fips_machine.LIBRARIES)  # a key that no vendor has
    monkeypatch.setattr(vendors, "KEYS", frozenset((real.key_id(tmp_path),)))
    assert found() == []
    (root / _CHANGED).write_text("#!/bin/sh\necho FIPS mode is enabled.\n", "utf-8")
    assert found() == [f"/{_CHANGED} is not as a vendor's package brought it"]
    done = subprocess.run(
        [sys.executable, "-s", "-S", "-B", str(Path(fips_proof.__file__)), str(root), "files"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(vendors.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1  # the program asks rpm itself, and knows real vendors alone
    assert f"fips: /{_CHANGED} is not" in done.stderr
