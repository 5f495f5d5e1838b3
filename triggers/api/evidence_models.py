"""Answers about evidence, and about what differs between two versions. An absent value is null."""

from pipeline_core.domain.compliance import Severity
from pipeline_core.domain.differences import ChangeKind
from triggers.api.forms.shown import BuildShown, ImageShown, VersionShown
from triggers.api.models import Answer, Gate


class EvidenceFile(Answer):
    """A file that was kept of a build. `is_last` is false for an attempt that was followed by another.

    `sha256` is null for a log, which is not digested; `size` is in bytes.
    """

    name: str
    stage: str
    attempt: int
    is_last: bool
    sha256: str | None
    size: int
    media_type: str


class Evidence(Answer):
    """Everything that is kept of a build; `problems` lists what could not be read, and why."""

    build: BuildShown
    image: ImageShown
    version: VersionShown | None
    gates: tuple[Gate, ...]
    files: tuple[EvidenceFile, ...]
    problems: tuple[str, ...]


class PackageChange(Answer):
    """A package that differs; `before` and `after` are its versions there, oldest first."""

    name: str
    arch: str | None
    kind: ChangeKind
    before: tuple[str, ...]
    after: tuple[str, ...]


class Advisory(Answer):
    """An advisory of the vendor, and the packages of the image that it names."""

    id: str
    kind: str
    severity: str | None
    packages: tuple[str, ...]


class Score(Answer):
    """The score of a version, 0 to 100, and its profile."""

    profile: str
    score: float


class Rule(Answer):
    """A rule that did not pass: `result` is `fail`, `error` or `unknown`."""

    rule: str
    result: str
    severity: Severity
    title: str | None


class ComplianceChange(Answer):
    """A score is null where there was no scan. Rules are null where the two scans cannot be compared.

    A rule that no longer fails has passed, or is no longer tested.
    """

    before: Score | None
    after: Score | None
    newly_failing: tuple[Rule, ...] | None
    no_longer_failing: tuple[Rule, ...] | None


class Comparison(Answer):
    """What differs between two versions of an image. Advisories are null where a machine could not ask its vendor.

    `simulated` is true where a recorded or emulated machine reported its packages, not a real one.
    """

    image: ImageShown
    before: VersionShown
    after: VersionShown
    before_build: BuildShown
    after_build: BuildShown
    packages: tuple[PackageChange, ...]
    fixed: tuple[Advisory, ...] | None
    still_open: tuple[Advisory, ...] | None
    compliance: ComplianceChange
    simulated: bool
