"""The packages that the guest's tools report: `packages.json` and `advisories.json`. Refuses odd values.

A machine that a team controls writes both files. So everything in them is bounded and checked.
"""

import itertools
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field, TypeAdapter, ValidationError

from pipeline_core.domain import blob_rights
from pipeline_core.domain.errors import InvalidValue, MalformedMessage
from pipeline_core.domain.packages import Advisory, Package, parse_nevra

PACKAGES_FILE = blob_rights.PACKAGES
ADVISORIES_FILE = blob_rights.ADVISORIES
WRITTEN = (PACKAGES_FILE, ADVISORIES_FILE)  # by the guest, of every machine that is verified
SBOM_FILE = blob_rights.SBOM  # by the builder, from the list of packages
PACKAGES_LIMIT = 10_000  # packages of one image
ADVISORIES_LIMIT = 10_000  # advisories, and packages of one of them

_Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]  # visible ASCII
_Text = Annotated[str, Field(max_length=20_000)]

Model = TypeVar("Model")


class _Reported(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class ReportedPackage(_Reported):
    """One line of RPM's list; see `domain.packages.Package`."""

    name: _Word
    version: _Word
    release: _Word
    arch: Annotated[str, Field(max_length=40, pattern=r"^[!-~]*$")] = ""
    epoch: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    vendor: _Text = ""
    license: _Text = ""
    source: Annotated[str, Field(max_length=400, pattern=r"^[!-~]*$")] = ""
    module: Annotated[str, Field(max_length=400, pattern=r"^[!-~]*$")] = ""
    repository: Annotated[str, Field(max_length=400, pattern=r"^[!-~]*$")] = ""
    simulated: bool = False

    def to_domain(self) -> Package:
        """The domain's package."""
        return Package(**self.model_dump(exclude={"simulated"}))


class ReportedAdvisory(_Reported):
    """One advisory; each of its packages is a name with epoch, version, release and architecture."""

    id: _Word
    kind: Literal["security", "bugfix", "enhancement", "newpackage", "unknown"]
    severity: Literal["critical", "important", "moderate", "low", ""] = ""
    packages: Annotated[tuple[_Word, ...], FailFast(), Field(max_length=ADVISORIES_LIMIT)]

    def to_domain(self) -> tuple[Advisory, ...]:
        """The domain's advisories, one for each package; raises InvalidValue."""
        return tuple(
            Advisory(id=self.id, kind=self.kind, severity=self.severity or None, package=parse_nevra(package))
            for package in self.packages
        )


class ReportedAdvisories(_Reported):
    """`known` is false where dnf had no answer. Then the lists mean nothing."""

    known: bool
    installed: Annotated[tuple[ReportedAdvisory, ...], FailFast(), Field(max_length=ADVISORIES_LIMIT)] = ()
    available: Annotated[tuple[ReportedAdvisory, ...], FailFast(), Field(max_length=ADVISORIES_LIMIT)] = ()
    simulated: bool = False


# FailFast reports one error: a hostile list may hold a million of them.
_PACKAGES = TypeAdapter(
    Annotated[tuple[ReportedPackage, ...], FailFast(), Field(min_length=1, max_length=PACKAGES_LIMIT)]
)
_ADVISORIES = TypeAdapter(ReportedAdvisories)


def parse_packages(content: bytes) -> tuple[tuple[Package, ...], bool]:
    """The packages, and whether any of them is simulated; raises MalformedMessage."""
    found = _read(_PACKAGES, content, PACKAGES_FILE)
    return tuple(each.to_domain() for each in found), any(each.simulated for each in found)


def parse_advisories(content: bytes) -> tuple[Advisory, ...] | None:
    """The advisories, or None where dnf had no answer; raises MalformedMessage."""
    lists = _read(_ADVISORIES, content, ADVISORIES_FILE)
    if not lists.known:
        return None
    try:
        found = (each.to_domain() for each in (*lists.installed, *lists.available))
        return tuple(itertools.chain.from_iterable(found))
    except InvalidValue as error:
        raise MalformedMessage(f"{ADVISORIES_FILE} cannot be read: {error}") from error


def _read(adapter: TypeAdapter[Model], content: bytes, name: str) -> Model:
    try:
        return adapter.validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:100] or "the whole"
        raise MalformedMessage(f"{name} cannot be read: {place}: {first['msg'][:200]}") from error
