"""Where things are on this machine: files, programs, the two services of Azure.

The defaults are those of an image. Options on the command line change them, for tests; only root can change the
command line of a unit. The configuration that cloud-init writes cannot: it names no address, no folder outside
/etc/pki/imagefactory and no program.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

IMDS = "http://169.254.169.254"
_PATH = "/usr/sbin:/usr/bin"
_SECONDS = 300


@dataclass(frozen=True)
class Host:
    """`root` is the folder that stands for `/`. `vault` is where the vault answers, if not under its own name.

    `first_pause` is the length of the first pause before a call is repeated, in seconds.
    """

    root: Path = Path("/")
    imds: str = IMDS
    vault: str = ""
    programs: str = _PATH
    first_pause: float = 1.0

    @property
    def configuration(self) -> Path:
        """What cloud-init writes."""
        return self.root / "etc/imagefactory/postdeploy.json"

    @property
    def certificates(self) -> Path:
        """The only folder below which certificates are installed."""
        return self.root / "etc/pki/imagefactory"

    @property
    def state(self) -> Path:
        """What the runs remember, and their reports."""
        return self.root / "var/lib/imagefactory/postdeploy"

    @property
    def agents(self) -> Path:
        """The baked definitions of agents."""
        return self.root / "usr/share/imagefactory/agents"

    @property
    def staged(self) -> Path:
        """What the role `agent_stage` has staged."""
        return self.root / "opt/stage/Tools"

    @property
    def is_fips(self) -> bool:
        """Whether the kernel is in FIPS mode."""
        try:
            return self.below("/proc/sys/crypto/fips_enabled").read_bytes().strip() == b"1"
        except OSError:
            return False

    def below(self, path: str) -> Path:
        """An absolute path of the machine, below `root`."""
        return self.root / path.lstrip("/")

    def run(
        self, words: Sequence[str], *, content: bytes = b"", seconds: float = _SECONDS
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a program without a shell and take its output. `content` is its input, through a pipe.

        A program that does not exist ends with 127, one that takes too long with 124. Never raises for these.
        """
        environment = {"PATH": self.programs, "LC_ALL": "C"}
        try:
            return subprocess.run(
                list(words), input=content, capture_output=True, check=False, timeout=seconds, env=environment
            )
        except FileNotFoundError:
            return subprocess.CompletedProcess(list(words), 127, b"", f"there is no {words[0]}".encode())
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(list(words), 124, b"", f"no end after {seconds:g} s".encode())


def parser(about: str) -> argparse.ArgumentParser:
    """The options that both programs share."""
    made = argparse.ArgumentParser(description=about)
    made.add_argument("--root", type=Path, default=Path("/"), help="for tests: the folder that stands for /")
    made.add_argument("--imds", default=IMDS, help="for tests: the address of the instance metadata service")
    made.add_argument("--vault", default="", help="for tests: the address at which the vault answers")
    made.add_argument("--programs", default=_PATH, help="for tests: where programs are looked for")
    made.add_argument("--first-pause", type=float, default=1.0, help="for tests: the first pause, in seconds")
    return made


def of(options: argparse.Namespace) -> Host:
    """The host that the options describe."""
    return Host(
        root=options.root,
        imds=options.imds,
        vault=options.vault,
        programs=options.programs,
        first_pause=options.first_pause,
    )
