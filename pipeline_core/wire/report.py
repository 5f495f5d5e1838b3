"""The report of the builder about one attempt. Facts only, no secret.

Readers ignore fields that they do not know: the builder's image and the factory are updated one after the other. A
field whose meaning changes raises the schema.
"""

import functools
import hashlib
import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pipeline_core.domain.builds import Failure
from pipeline_core.domain.compliance import RuleCounts, RuleFinding, Scan, Severity
from pipeline_core.domain.definitions import WaiverKind
from pipeline_core.domain.errors import ErrorClass, ErrorScope, MalformedMessage, Owner, ScopeKind
from pipeline_core.domain.verdicts import Check, HygieneFinding
from pipeline_core.wire.job import NOT_A_JOB

REPORT_LIMIT = 1024 * 1024  # bytes
_REFUSED_JOB = re.compile(f"job [0-9a-f]{{12}}: {NOT_A_JOB}")

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Count = Literal[
    "passed",
    "failed",
    "error",
    "unknown",
    "notapplicable",
    "notchecked",
    "notselected",
    "informational",
    "fixed",
]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ReportedFinding(_Wire):
    """A finding of hygiene that has a name; see `domain.verdicts.HygieneFinding`."""

    kind: Literal["hygiene", "invariant"]
    rule: Annotated[str, Field(min_length=1, max_length=200)]
    path: Annotated[str, Field(max_length=240)] = ""
    what: Annotated[str, Field(max_length=200)] = ""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""

    def to_domain(self) -> HygieneFinding:
        """The domain's finding."""
        return HygieneFinding(
            kind=WaiverKind(self.kind), rule=self.rule, path=self.path, what=self.what, sha256=self.sha256
        )


class ReportedCheck(_Wire):
    """A check as the builder reports it; see `domain.verdicts.Check`."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z-]{0,31}$")]  # a gate asks for the names that it knows
    passed: bool
    detail: str = ""
    score: float | None = None
    simulated: bool = False
    findings: Annotated[tuple[ReportedFinding, ...], Field(max_length=200)] = ()
    unnamed: Annotated[int, Field(ge=0)] = 0

    def to_domain(self) -> Check:
        """The domain's check."""
        return Check(
            name=self.name,
            passed=self.passed,
            detail=self.detail,
            score=self.score,
            simulated=self.simulated,
            findings=tuple(finding.to_domain() for finding in self.findings),
            unnamed=self.unnamed,
        )


class ReportedRule(_Wire):
    """A rule of a scan that did not pass; see `domain.compliance.RuleFinding`."""

    rule: Annotated[str, Field(max_length=200)]
    result: Literal["fail", "error", "unknown"]
    severity: Severity
    title: Annotated[str, Field(max_length=200)] = ""

    def to_domain(self) -> RuleFinding:
        """The domain's finding."""
        return RuleFinding(
            rule=self.rule, result=self.result, severity=self.severity, title=self.title or None
        )


class ReportedScan(_Wire):
    """A compliance scan as the builder read it from the scanner's results; see `domain.compliance.Scan`.

    `counts` are named as the fields of `domain.compliance.RuleCounts`; a count that is not named is 0. `benchmark`
    and `passed` are empty in reports of an older builder.
    """

    profile: str
    score: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
    counts: dict[_Count, Annotated[int, Field(ge=0)]]
    findings: Annotated[tuple[ReportedRule, ...], Field(max_length=3000)] = ()
    simulated: bool = False
    benchmark: Annotated[str, Field(max_length=200)] = ""
    passed: Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(max_length=3000)] = ()

    def to_domain(self) -> Scan:
        """The domain's scan."""
        return Scan(
            profile=self.profile,
            score=self.score,
            counts=RuleCounts(**self.counts),
            findings=tuple(finding.to_domain() for finding in self.findings),
            simulated=self.simulated,
            benchmark=self.benchmark,
            passed=frozenset(self.passed),
        )


class ReportedEvidence(_Wire):
    """A file that the builder kept under the attempt's folder; `size` in bytes."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    sha256: _Sha256
    size: Annotated[int, Field(ge=0)]
    media_type: str


def _known_class(text: object) -> object:
    """A class that only a newer builder knows is the factory's to explain, never the team's."""
    is_known = not isinstance(text, str) or text in {each.value for each in ErrorClass}
    return text if is_known else ErrorClass.INTERNAL


class ReportedScope(_Wire):
    """Where a failure holds; see `domain.errors.ErrorScope`."""

    kind: ScopeKind
    name: Annotated[str, Field(max_length=300)]

    @classmethod
    def of(cls, scope: ErrorScope) -> "ReportedScope":
        """The domain's scope."""
        return cls(kind=scope.kind, name=scope.name[:300])

    def to_domain(self) -> ErrorScope:
        """The domain's scope."""
        return ErrorScope(kind=self.kind, name=self.name)


class BuildReport(_Wire):
    """The result of one attempt of one stage: `result.json` under the attempt's folder.

    `artifact` is the ARM id of the version that Packer made (build stage). `evidence` lists the files that were kept.
    `error_class` is set where `succeeded` is false. `packer` is Packer's version, or `recorded`. `owner`, `permanent`
    and `scope` are set where the builder knows more than the class says. `after_steps` says that every step had
    ended when the run failed: Azure may still finish the version.
    """

    schema_version: Literal[1] = 1
    build: str
    stage: Literal["build", "verify"]
    attempt: Annotated[int, Field(ge=1)]
    succeeded: bool
    packer: str
    started_at: datetime
    ended_at: datetime
    artifact: str = ""
    checks: tuple[ReportedCheck, ...] = ()
    scan: ReportedScan | None = None
    evidence: Annotated[tuple[ReportedEvidence, ...], Field(max_length=50)] = ()
    error_class: Annotated[ErrorClass | None, BeforeValidator(_known_class)] = None
    message: Annotated[str, Field(max_length=4000)] = ""
    owner: Owner | None = None
    permanent: bool | None = None
    scope: ReportedScope | None = None
    after_steps: bool = False

    def failure(self) -> Failure:
        """Why the attempt failed; only where it did. No class, or a job it cannot read, is a fault of the builder."""
        is_of_builder = self.error_class is None or _REFUSED_JOB.match(self.message) is not None
        owner = Owner.PLATFORM if is_of_builder else self.owner
        return Failure(
            error_class=self.error_class or ErrorClass.TEMPLATE,
            message=self.message or "the builder gave no reason",
            owner=owner,
            permanent=self.permanent,
            scope=None if self.scope is None else self.scope.to_domain(),
        )

    def to_wire(self) -> bytes:
        """Bytes of the result blob."""
        return self.model_dump_json().encode()

    @classmethod
    def from_wire(cls, content: bytes) -> "BuildReport":
        """Raise MalformedMessage where the content is not a report."""
        try:
            report = cls.model_validate_json(content)
        except ValidationError as error:
            raise MalformedMessage(
                f"the content is not a BuildReport: {error.error_count()} fields are wrong"
            ) from error
        report.__dict__["digest"] = hashlib.sha256(content).hexdigest()  # of these bytes, before anybody asks
        return report

    @functools.cached_property
    def digest(self) -> str:
        """The SHA-256 of the bytes that were read, with the fields of a newer builder; else of `to_wire`."""
        return hashlib.sha256(self.to_wire()).hexdigest()


def digests_of(report: BuildReport, content: bytes) -> tuple[str, str]:
    """Of the bytes as stored, and as older releases noted it: of the report with the fields that they knew."""
    return hashlib.sha256(content).hexdigest(), hashlib.sha256(report.to_wire()).hexdigest()
