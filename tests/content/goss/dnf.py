"""dnf for a child's steps, run inside the made root: `install NAME...` and `module enable NAME:STREAM`.

A package is an entry of the RPM database, and programs of a few lines that tell the version that the real ones would.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

MODULES = Path("/etc/dnf/modules.d")
JAVA = Path("/usr/lib/jvm/java-21-openjdk")
CACERTS = Path("/etc/pki/ca-trust/extracted/java/cacerts")
_SPEC = "Name: {0}\nVersion: 1\nRelease: 1.el9\nSummary: made\nLicense: none\nBuildArch: noarch\n\
%description\nmade\n%files\n"


def install(name: str) -> None:
    """Register an empty package, and write what it brings. An unknown one is an error, as with dnf."""
    brings: dict[str, Callable[[], None]] = {
        "java-21-openjdk-headless": java,
        "python3.12": python,
        "python3.12-pip": nothing,
        "nodejs": node,
        "npm": npm,
    }
    bring = brings[name]
    with tempfile.TemporaryDirectory() as work:
        Path(work, "x.spec").write_text(_SPEC.format(name), "utf-8")
        build = ["/usr/bin/rpmbuild", "-bb", "--quiet", "--define", f"_topdir {work}", f"{work}/x.spec"]
        subprocess.run(build, check=True, capture_output=True)
        (made,) = Path(work).rglob("*.noarch.rpm")
        subprocess.run(["/usr/bin/rpm", "-i", "--justdb", "--nodeps", "--nosignature", made], check=True)
    bring()


def program(path: str, line: str) -> None:
    """A program of one line."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).unlink(missing_ok=True)
    Path(path).write_text(f"#!/bin/sh\n{line}\n", "utf-8")
    Path(path).chmod(0o755)


def link(path: str, target: Path) -> None:
    """A link of the alternatives."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).unlink(missing_ok=True)
    Path(path).symlink_to(target)


def java() -> None:
    """The JVM tells its version on the error stream. Its authorities are the system's."""
    program(f"{JAVA}/bin/java", "echo 'openjdk version \"21.0.8\" 2025-07-15 LTS' >&2")
    CACERTS.parent.mkdir(parents=True, exist_ok=True)
    CACERTS.write_text("made", "utf-8")
    link(f"{JAVA}/lib/security/cacerts", CACERTS)
    link("/usr/lib/jvm/jre", JAVA)
    link("/usr/bin/java", JAVA / "bin" / "java")


def python() -> None:
    """Tells the version; everything else is done by this Python."""
    other = f'exec {sys.executable} "$@"'
    program("/usr/bin/python3.12", f'if [ "$1" = --version ]; then echo "Python 3.12.11"; else {other}; fi')


def node() -> None:
    """The major version is that of the enabled stream, as dnf would choose."""
    stream = (MODULES / "nodejs.module").read_text("utf-8").partition("stream=")[2].split()[0]
    program("/usr/bin/node", f"echo v{stream}.19.0")


def npm() -> None:
    """It only tells its version."""
    program("/usr/bin/npm", "echo 10.9.2")


def nothing() -> None:
    """The package brings no program that is asked."""


def main(words: list[str]) -> int:
    """The two commands that the steps use."""
    plain = [word for word in words if not word.startswith("-")]
    if plain[:2] == ["module", "enable"]:
        name, _, stream = plain[2].partition(":")
        MODULES.mkdir(parents=True, exist_ok=True)
        text = f"[{name}]\nname={name}\nstream={stream}\nprofiles=\nstate=enabled\n"
        (MODULES / f"{name}.module").write_text(text, "utf-8")
        return 0
    if plain[:1] == ["install"]:
        for name in plain[1:]:
            install(name)
        return 0
    sys.stderr.write(f"dnf of the made root knows no {' '.join(plain)}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
