"""The environment that Azure gives to a container besides its own settings: addresses, trust, identity, Packer.

Each container has its own identity secret, so it gets tokens of its own identity only.
"""

import os
import secrets
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.arm.containers.fork_server import ForkServer
from local.arm.containers.starts import PlainStarter, Starter

CHECKOUT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPlatform:
    """The facts that are the same for all containers. The addresses are known after the ports are bound.

    `scratch` holds the containers' folders for temporary files. Its path is short, because Packer and its plugins
    open sockets there, and the path of a socket may have about a hundred characters.
    With a `workload_url` the builder signs in to Azure as a workload identity of `tenant`.
    `addresses` maps addresses that a container is given to those that it has in its network, as private DNS does.
    """

    folder: Path
    scratch: Path
    ca_file: Path
    identity_endpoint: str
    proxy: str
    packer: Path
    scenario: Path | None = None
    programs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    plugin_folder: Path | None = None
    workload_url: str = ""
    tenant: str = ""
    starter: Starter = field(default_factory=PlainStarter)
    addresses: Mapping[str, str] = field(default_factory=dict)

    def command(self, wanted: tuple[str, ...]) -> tuple[str, ...] | None:
        """The program that runs for a container's command. None if its image does not have this program."""
        name, *rest = wanted or ("imagefactory-builder",)  # an image's own entry point
        known = self.programs.get(name)
        return None if known is None else (*known, *rest)

    def environment(self, own: Mapping[str, str], identity_header: str, home: Path) -> dict[str, str]:
        """The container's whole environment: the host's PATH, the platform's variables, then its own."""
        given = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "TMPDIR": str(self.temporary(home)),
            "PYTHONPATH": str(CHECKOUT),
            "IDENTITY_ENDPOINT": self.identity_endpoint,
            "IDENTITY_HEADER": identity_header,
            "HTTPS_PROXY": self.proxy,
            "HTTP_PROXY": self.proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "SSL_CERT_FILE": str(self.ca_file),
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
            "PACKER_PATH": str(self.packer),
        }
        if self.scenario is not None:
            given["IF_RECORDED_SCENARIO"] = str(self.scenario)
        if self.plugin_folder is not None:
            given["PACKER_PLUGIN_PATH"] = str(self.plugin_folder)
        if self.workload_url:
            given |= {
                "IF_CREDENTIAL": "workload-identity",
                "IF_TENANT_ID": self.tenant,
                "IF_OIDC_REQUEST_URL": self.workload_url,
                "IF_OIDC_REQUEST_TOKEN": identity_header,
            }
        return {**given, **{name: self.addresses.get(value, value) for name, value in own.items()}}

    def temporary(self, home: Path) -> Path:
        """The folder for temporary files of the container with this home."""
        return self.scratch / home.name


def default_programs() -> dict[str, tuple[str, ...]]:
    """The programs of the builder's image."""
    return {"imagefactory-builder": (sys.executable, "-m", "builder")}


def fork_server(folder: Path) -> ForkServer:
    """The starter that forks builders. `folder` is the emulator's."""
    return ForkServer(folder, {"builder": "builder.main"})


def write_recorded_packer(folder: Path) -> Path:
    """An executable file that is the recorded Packer, for PACKER_PATH."""
    path = folder / "recorded-packer"
    # -S: it needs only the standard library. Without site packages it starts in half the time.
    call = f"{shlex.quote(sys.executable)} -S -m local.recorded.packer"
    path.write_text(
        f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(CHECKOUT))} exec {call} "$@"\n', encoding="utf-8"
    )
    path.chmod(0o700)
    return path


def write_real_packer(folder: Path, program: Path, guest_port: int) -> Path:
    """An executable file for PACKER_PATH: the real Packer, which connects to the emulated guests."""
    path = folder / "real-packer"
    words = [sys.executable, "-S", "-m", "local.guest.port", str(program), str(guest_port)]
    call = f"PYTHONPATH={shlex.quote(str(CHECKOUT))} exec {shlex.join(words)}"
    path.write_text(f'#!/bin/sh\n{call} "$@"\n', encoding="utf-8")
    path.chmod(0o700)
    return path


def new_identity_header() -> str:
    """A new random secret."""
    return secrets.token_hex(16)
