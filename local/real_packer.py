"""Finds a real Packer with its azure plugin on this machine, if there is one. `python -m local.real_packer` reports it.

It looks in this order: the files that `PACKER` and `PACKER_AZURE_PLUGIN` name, the build of `make packer` in
`.packer/`, the PATH. The plugin is installed into a folder of ours, so the user's own configuration has no effect.
`PACKER=recorded` means no real Packer. Nothing is downloaded here.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parents[1]
BUILT: Final = CHECKOUT / ".packer"  # `make packer` fills it
PROGRAM, PLUGIN = "packer", "packer-plugin-azure"  # the names of its files
RECORDED: Final = "recorded"
_ADDRESS: Final = "github.com/hashicorp/azure"
_SECONDS: Final = 60.0  # for any call; 200 MB are read from a cold disk
# A home that exists, because Packer demands one, and that holds no configuration.
_BARE: Final = {"CHECKPOINT_DISABLE": "1", "HOME": "/"}
_VERSION: Final = re.compile(r"Packer v(\d\S*)")


class RealPackerError(Exception):
    """A Packer or plugin that a variable names, or that was built, cannot be used. The text says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RealPacker:
    """A Packer that works. `program` is the value for PACKER_PATH. It looks for plugins in `plugin_folder`,
    unless PACKER_PLUGIN_PATH names another folder."""

    program: Path
    packer_version: str
    plugin_version: str
    plugin_folder: Path

    @property
    def has_managed_identity(self) -> bool:
        """Whether the plugin gets a managed identity's token outside Azure. 2.x asks the machine's own network."""
        return _is_old(self.plugin_version)

    def __str__(self) -> str:
        return f"Packer {self.packer_version}, azure plugin {self.plugin_version}"


def find(environ: Mapping[str, str], *, built: Path = BUILT) -> RealPacker | None:
    """The Packer to use, or None if there is none or none is wanted.

    Raises RealPackerError if a variable names a Packer or plugin that does not work.
    """
    wanted = environ.get("PACKER", "")
    if wanted == RECORDED:
        return None
    packer = _find_packer(wanted, environ, built)
    if packer is None:
        return None
    program, version = packer
    plugin = _find_plugin(program, environ, built)
    if plugin is None:
        return None
    plugin_version = _plugin_version(plugin)
    folder = _install(program, plugin, built)
    return RealPacker(
        program=_write_launcher(program, folder, built, is_old=_is_old(plugin_version)),
        packer_version=version,
        plugin_version=plugin_version,
        plugin_folder=folder,
    )


def why_none(environ: Mapping[str, str]) -> str:
    """The reason why `find` found nothing, and the remedy, for a person."""
    if environ.get("PACKER") == RECORDED:
        return "PACKER=recorded asks for the recorded Packer"
    return "no Packer with the azure plugin is here: `make packer` builds both"


def _find_packer(wanted: str, environ: Mapping[str, str], built: Path) -> tuple[Path, str] | None:
    if wanted:
        named = shutil.which(wanted, path=environ.get("PATH"))
        version = None if named is None else _packer_version(Path(named))
        if named is None or version is None:
            raise RealPackerError(f"PACKER={wanted} does not answer `version` as Packer does")
        return Path(named).absolute(), version
    on_path = shutil.which(PROGRAM, path=environ.get("PATH"))
    for candidate in (built / PROGRAM, *([Path(on_path).absolute()] if on_path else [])):
        version = _packer_version(candidate) if candidate.is_file() else None
        if version is not None:  # other programs have this name, such as cracklib's
            return candidate, version
    return None


def _find_plugin(program: Path, environ: Mapping[str, str], built: Path) -> Path | None:
    named = environ.get("PACKER_AZURE_PLUGIN", "")
    if named:
        if not Path(named).is_file():
            raise RealPackerError(f"PACKER_AZURE_PLUGIN={named} is not a file")
        return Path(named).absolute()
    if (built / PLUGIN).is_file():
        return built / PLUGIN
    installed = _call([program, "plugins", "installed"], {**environ, "CHECKPOINT_DISABLE": "1"})
    found = [Path(line.strip()) for line in installed.splitlines() if f"/{PLUGIN}_v" in line]
    return max(found, key=lambda path: _numbers(path.name), default=None)


def _install(program: Path, plugin: Path, built: Path) -> Path:
    """The folder that holds only this plugin, in Packer's own layout."""
    with plugin.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    folder = built / "plugins" / digest
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".installing-", dir=folder.parent) as place:
        made = Path(place) / "plugins"
        environment = {
            "CHECKPOINT_DISABLE": "1",
            "HOME": place,
            "PACKER_CONFIG_DIR": place,
            "PACKER_PLUGIN_PATH": str(made),
            "PATH": os.environ.get("PATH", os.defpath),
        }
        _call([program, "plugins", "install", "--path", plugin, _ADDRESS], environment)
        try:
            made.rename(folder)
        except OSError:  # another process has written the same content already
            if not folder.is_dir():
                raise
    return folder


def _write_launcher(program: Path, plugins: Path, built: Path, *, is_old: bool) -> Path:
    """An executable file that is this Packer with these plugins, as the builder's container image sets them.

    For an old plugin, `older_plugin` changes the template first.
    """
    words = [str(program)]
    given = '[ -n "${PACKER_PLUGIN_PATH:-}" ]'
    lines = ["#!/bin/sh", f"{given} || export PACKER_PLUGIN_PATH={shlex.quote(str(plugins))}"]
    if is_old:
        words = [sys.executable, "-S", "-m", "local.older_plugin", *words]
        lines.append(f"export PYTHONPATH={shlex.quote(str(CHECKOUT))}")
    text = "\n".join([*lines, f'exec {shlex.join(words)} "$@"', ""])
    folder = built / "launch" / hashlib.sha256(text.encode()).hexdigest()[:16]
    path = folder / PROGRAM
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).chmod(0o755)
        Path(name).replace(path)
    return path


def _packer_version(program: Path) -> str | None:
    try:
        text = _call([program, "version"], _BARE)
    except RealPackerError:
        return None
    found = _VERSION.search(text)
    return None if found is None else found[1]


def _plugin_version(plugin: Path) -> str:
    text = _call([plugin, "describe"], _BARE)
    try:
        return str(json.loads(text)["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise RealPackerError(f"{plugin} does not answer `describe` as a plugin of Packer does") from error


def _call(command: Sequence[str | Path], environ: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            [str(word) for word in command],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        said = f"{error.stdout}{error.stderr}".strip()[-500:]
        raise RealPackerError(f"`{' '.join(map(str, command))}` failed: {said}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RealPackerError(f"`{' '.join(map(str, command))}` failed: {error}") from error
    return done.stdout


def _is_old(version: str) -> bool:
    return _numbers(version)[:1] == (1,)


def _numbers(text: str) -> tuple[int, ...]:
    """The first dotted version in a text, for comparison."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return () if found is None else tuple(int(part) for part in found[0].split("."))


def main() -> int:
    """Print the Packer that is found. The exit status is 1 if there is none."""
    try:
        found = find(os.environ)
    except RealPackerError as error:
        print(f"Packer cannot be used: {error}", file=sys.stderr)
        return 1
    if found is None:
        print(why_none(os.environ), file=sys.stderr)
        return 1
    print(f"{found} ({found.program}; plugins in {found.plugin_folder})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
