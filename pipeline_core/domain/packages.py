"""RPM packages as values, and RPM's own order of their versions. Does not know where a list came from."""

import re
from dataclasses import dataclass

from pipeline_core.domain.errors import InvalidValue

_SEGMENT = re.compile(r"~|\^|[0-9]+|[A-Za-z]+", re.ASCII)  # all other characters only separate
# The order of segments at the same place of two versions, the lowest first. `~` is below the end (1.0~rc1 < 1.0),
# `^` is just above it (1.0 < 1.0^git1 < 1.0.1).
_TILDE, _END, _CARET, _LETTERS, _NUMBER = range(5)

VersionKey = tuple[tuple[int, int, str], ...]
EvrKey = tuple[int, VersionKey, VersionKey]


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One installed package; a text is empty where RPM has none. `source` is the source package's file name.

    `module` is the label `NAME:STREAM:VERSION:CONTEXT` of a package that was built as part of a module: other rules of
    "newer" hold between two streams. `repository` is the id of the repository that dnf installed it from. Lists of
    older releases have neither.
    """

    name: str
    version: str
    release: str
    arch: str = ""
    epoch: int = 0
    vendor: str = ""
    license: str = ""
    source: str = ""
    module: str = ""
    repository: str = ""

    @property
    def evr(self) -> str:
        """`EPOCH:VERSION-RELEASE`, without an epoch of 0, as RPM's tools print it."""
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{epoch}{self.version}-{self.release}"

    @property
    def order(self) -> EvrKey:
        """A key by which packages of one name sort from the oldest to the newest."""
        return self.epoch, version_key(self.version), version_key(self.release)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    """The vendor's notice `id` names `package` as one that brings the change.

    `kind` is `security`, `bugfix`, `enhancement`, `newpackage` or `unknown`; `severity` is `critical`, `important`,
    `moderate`, `low`, or None where the vendor gives none.
    """

    id: str
    kind: str
    severity: str | None
    package: Package


def version_key(text: str) -> VersionKey:
    """A key that sorts versions, and releases, exactly as RPM compares them."""
    segments = [_rank(segment) for segment in _SEGMENT.findall(text)]
    return (*segments, (_END, 0, ""))


def _rank(segment: str) -> tuple[int, int, str]:
    if segment == "~":
        return _TILDE, 0, ""
    if segment == "^":
        return _CARET, 0, ""
    if not segment[0].isdigit():
        return _LETTERS, 0, segment
    # By length, then as text: a number may have any length, and is never converted.
    digits = segment.lstrip("0")
    return _NUMBER, len(digits), digits


def parse_nevra(text: str) -> Package:
    """A package from `NAME-[EPOCH:]VERSION-RELEASE.ARCH`; raises InvalidValue."""
    rest, _, arch = text.rpartition(".")
    rest, _, release = rest.rpartition("-")
    name, _, version = rest.rpartition("-")
    epoch, has_epoch, plain = version.partition(":")
    if not has_epoch:
        epoch, plain = "0", version
    is_number = epoch.isascii() and epoch.isdigit() and len(epoch) < 10
    if not (name and plain and release and arch and is_number):
        raise InvalidValue("a package", text, "NAME-[EPOCH:]VERSION-RELEASE.ARCH")
    return Package(name=name, version=plain, release=release, arch=arch, epoch=int(epoch))
