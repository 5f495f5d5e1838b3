"""Reads the lock files: which distribution, with which extras, in which version, on which machine. Installs nothing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parents[2]
LOCKS = (CHECKOUT / "requirements.txt", CHECKOUT / "requirements-dev.txt")
INPUTS = (CHECKOUT / "requirements.in", CHECKOUT / "requirements-dev.in")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a lock, with its digests."""

    name: str  # canonical
    extras: frozenset[str]
    version: str
    marker: Marker | None
    digests: tuple[str, ...]

    def applies(self, environment: dict[str, str]) -> bool:
        """Whether this machine installs it; `environment` replaces values of the running Python."""
        return self.marker is None or self.marker.evaluate(environment)

    def line(self, *, digest: str = "", with_extras: bool = True) -> str:
        """The entry as a lock writes it, with `digest` in place of its own."""
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras and with_extras else ""
        marker = f" ; {self.marker}" if self.marker else ""
        digests = (digest,) if digest else self.digests
        return " \\\n    ".join(
            [f"{self.name}{extras}=={self.version}{marker}", *(f"--hash=sha256:{each}" for each in digests)]
        )


def read(path: Path) -> tuple[Entry, ...]:
    """Every entry of a lock file; a line that is not an exact version is an error."""
    logical = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return tuple(_entry(line) for line in logical if line.strip() and not line.lstrip().startswith("#"))


def roots(path: Path) -> Iterator[Requirement]:
    """What a `.in` file asks for."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith(("#", "-")):
            yield Requirement(line)


def _entry(line: str) -> Entry:
    digests = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
    requirement = Requirement(line.split("--hash=")[0].strip())
    (exact,) = requirement.specifier
    assert exact.operator == "==", f"{line}: no exact version"
    return Entry(
        name=canonicalize_name(requirement.name),
        extras=frozenset(requirement.extras),
        version=exact.version,
        marker=requirement.marker,
        digests=digests,
    )
