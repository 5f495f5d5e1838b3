"""Installs the staged package of an agent, if the vendor has signed it with the key that SecOps have pinned.

Only this key counts: the signature is checked against a keyring that holds nothing else, before the key enters the
keyring of the machine. Nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from postdeploy.agents import AgentDefinition
from postdeploy.failures import Exit, Failed
from postdeploy.host import Host

_SIGNED = ("--define", "_pkgverify_level all")


def installed_version(host: Host, package: str) -> str:
    """The version of a package, or an empty text."""
    done = host.run(["rpm", "--query", "--queryformat", "%{VERSION}-%{RELEASE}\n", "--", package])
    return done.stdout.decode().splitlines()[0] if done.returncode == 0 and done.stdout else ""


def install(host: Host, definition: AgentDefinition) -> None:
    """Install the package and import its vendor's key. Raises Failed with the remedy."""
    package = _staged(host, definition.agent, ".rpm")
    if not definition.key_sha256:
        raise _wrong(
            "key-not-pinned",
            f"the definition of {definition.agent} pins no key: give it the sha256 of the vendor's public key",
        )
    key = _staged(host, definition.key_tool, "")
    if _digest(key) != definition.key_sha256:
        raise _wrong(
            "key-digest", f"{key.name} is not the key that the definition of {definition.agent} pins"
        )
    with tempfile.TemporaryDirectory() as keyring:
        only = ["--dbpath", keyring]
        _rpm(
            host,
            ["rpmkeys", *only, "--import", str(key)],
            "key-import",
            f"{key.name} is not a public key for rpm",
        )
        done = host.run(["rpmkeys", *only, *_SIGNED, "--checksig", str(package)])
        # Older releases end with 0 for a package without a signature: the word is looked for too.
        if done.returncode != 0 or b"signatures OK" not in done.stdout:
            raise _wrong(
                "signature",
                f"{package.name} is not signed with the key that is pinned for {definition.agent}",
            )
    _rpm(host, ["rpmkeys", "--import", str(key)], "key-import", f"{key.name} could not be imported")
    _rpm(
        host,
        ["rpm", "--upgrade", *_SIGNED, str(package)],
        "install",
        f"rpm could not install {package.name}",
    )
    if not installed_version(host, definition.package):
        raise _wrong("install", f"{package.name} does not hold the package {definition.package}")


def _staged(host: Host, tool: str, ending: str) -> Path:
    """The one file of a staged tool, with the digest that the catalog has."""
    found = sorted(
        path for path in (host.staged / tool).glob("*/*") if path.is_file() and path.name.endswith(ending)
    )
    if len(found) != 1:
        raise _wrong(
            "not-staged",
            f"{len(found)} files of {tool} are staged and must be one: name {tool} in spec.build.catalog of the base",
        )
    wanted = f"{_digest(found[0])}  {found[0].relative_to(host.staged)}"
    try:
        listed = (host.staged / "SHA256SUMS").read_text("utf-8").splitlines()
    except OSError:
        listed = []
    if found[0].is_symlink() or wanted not in listed:
        raise _wrong("staged-digest", f"{found[0].name} is not what the build has staged")
    return found[0]


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def _rpm(host: Host, words: list[str], reason: str, text: str) -> None:
    done = host.run(words, seconds=900)
    if done.returncode != 0:
        # rpm knows no secret. Its last lines name a missing dependency.
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[-300:]
        raise _wrong(reason, f"{text}: {said}" if said else text)


def _wrong(reason: str, text: str) -> Failed:
    return Failed(Exit.PACKAGE, reason, text)
