"""A vendor of agents: a key of its own, and packages that the real rpmbuild and rpmsign have made."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

TOOLS = ("rpmsign", "gpg")  # rpm, rpmkeys and rpmbuild are in the package of rpmsign
# As the real one: it takes the id as an argument, and leaves a file. It repeats its arguments, as a careless one might.
FALCONCTL = """#!/bin/bash
here=${BASH_SOURCE%/*}
echo "$*" | tee -a "$here/asked"
[[ ! -e $here/refuses ]] || exit 3
touch "$here/falconstore"
"""
_SPEC = """Name: {name}
Version: 7.1
Release: 1
Summary: an agent
License: none
BuildArch: noarch
AutoReqProv: no
{more}%description
An agent.
%install
mkdir -p %{{buildroot}}/opt/{folder}
cp {program} %{{buildroot}}/opt/{folder}/{file}
chmod 755 %{{buildroot}}/opt/{folder}/{file}
%files
/opt/{folder}/{file}
"""


class Vendor:
    """One vendor in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self._name = folder, f"{name} <{name}@example.com>"
        self._home = folder / "gpg"
        self._home.mkdir(mode=0o700, parents=True)
        self._run(
            "gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", self._name, "rsa2048", "sign"
        )
        self.key = folder / f"{name}.asc"
        self.key.write_bytes(self._run("gpg", "--batch", "--armor", "--export", self._name))

    @property
    def key_digest(self) -> str:
        return hashlib.sha256(self.key.read_bytes()).hexdigest()

    def package(self, name: str, folder: str, file: str, program: str, more: str = "") -> Path:
        """A package without a signature that holds one program below /opt. `more` are further lines of its spec."""
        work = self.folder / f"{name}-{len(list(self.folder.iterdir()))}"
        work.mkdir()
        (work / "program").write_text(program, "utf-8")
        (work / "spec").write_text(
            _SPEC.format(name=name, folder=folder, file=file, program=work / "program", more=more), "utf-8"
        )
        defines = {"_topdir": str(work / "top"), "_rpmdir": str(work), "_build_id_links": "none"}
        words = [word for key, value in defines.items() for word in ("--define", f"{key} {value}")]
        self._run("rpmbuild", "-bb", "--quiet", *words, str(work / "spec"))
        (made,) = work.glob("noarch/*.rpm")
        return made

    def signed(self, package: Path) -> Path:
        """A signed copy."""
        made = self.folder / f"signed-{len(list(self.folder.iterdir()))}" / package.name
        made.parent.mkdir()
        shutil.copy(package, made)
        gpg = shutil.which("gpg")
        self._run(
            "rpmsign",
            "--addsign",
            "--define",
            f"_gpg_name {self._name}",
            "--define",
            f"__gpg {gpg}",
            str(made),
        )
        return made

    def _run(self, *words: str) -> bytes:
        environment = {**os.environ, "GNUPGHOME": str(self._home)}
        done = subprocess.run(
            words, env=environment, capture_output=True, check=False, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def close(self) -> None:
        """End the agent that gpg has started for this home."""
        subprocess.run(
            ["gpgconf", "--homedir", str(self._home), "--kill", "all"], check=False, capture_output=True
        )
