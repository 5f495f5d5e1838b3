"""The build job, which the builder reads by its digest, and the report of the builder. Facts only, no secret.

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
from pipeline_core.domain.errors import (
    ErrorClass,
    ErrorScope,
    InvalidValue,
    MalformedMessage,
    Owner,
    ScopeKind,
)
from pipeline_core.domain.names import BuildId
from pipeline_core.domain.sources import PurchasePlan
from pipeline_core.domain.verdicts import Check, HygieneFinding

JOB_LIMIT = 256 * 1024  # bytes
REPORT_LIMIT = 1024 * 1024  # bytes
_NOT_A_JOB = "the content is not a BuildJob"  # builders say so; older ones blame the team
_REFUSED_JOB = re.compile(f"job [0-9a-f]{{12}}: {_NOT_A_JOB}")

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


class MarketplaceImage(_Wire):
    """An exact Marketplace version."""

    kind: Literal["marketplace"] = "marketplace"
    publisher: str
    offer: str
    sku: str
    version: str


class Plan(_Wire):
    """The plan that the machine must name, because its image is sold under it."""

    publisher: str
    name: str
    product: str

    @classmethod
    def of(cls, plan: PurchasePlan) -> "Plan":
        """The domain's plan."""
        return cls(publisher=plan.publisher, name=plan.name, product=plan.product)


class GalleryImage(_Wire):
    """An exact version in a gallery; `resource_id` is the ARM id of the version."""

    kind: Literal["gallery"] = "gallery"
    subscription_id: str
    resource_group: str
    gallery: str
    image: str
    version: str


class Placement(_Wire):
    """Where Packer's machine runs. `vm_subnet_id` is empty where Packer may make its own network.

    `os_disk_gb` is None where the disk is as large as the image's. `security_type` is the machine's. `managed_image` is
    the name of the managed image that the version is made from, empty where the machine itself is the source.
    """

    subscription_id: str
    client_id: str
    location: str
    resource_group: str
    vm_subnet_id: str = ""
    vm_size: str
    generation: Literal["V1", "V2"]
    security_type: Literal["Standard", "TrustedLaunch"]
    os_disk_gb: Annotated[int, Field(ge=1)] | None = None
    managed_image: str = ""


class Step(_Wire):
    """One provisioner of the team; `path` is inside the bundle."""

    kind: Literal["shell", "ansible", "file"]
    path: str
    destination: str = ""
    env: dict[str, str] = Field(default_factory=dict)


class StagedTool(_Wire):
    """One tool that is staged in the image: verified by its digest, and never enrolled."""

    id: str
    version: str
    url: str
    sha256: _Sha256


class Tests(_Wire):
    """The tests of the verify stage. Paths are inside the bundle. `profile` is empty where nothing is scanned."""

    goss: str = ""
    smoke: tuple[str, ...] = ()
    profile: str = ""
    tailoring: str = ""


class JobPort(_Wire):
    """A port that machines of the image serve; see `domain.definitions.ServedPort`."""

    port: Annotated[int, Field(ge=1, le=65535)]
    protocol: Literal["tcp", "udp"] = "tcp"
    when: Literal["boot", "deployed"] = "boot"

    def __str__(self) -> str:
        """As firewalld names it: `8443/tcp`."""
        return f"{self.port}/{self.protocol}"


class JobVolume(_Wire):
    """How large the volume of a mount point is at least; see `domain.definitions.Volume`. 0 where it is not given."""

    mount: str
    gb: Annotated[int, Field(ge=0)] = 0
    share: Annotated[int, Field(ge=0, le=100)] = 0


class JobHardening(_Wire):
    """How a base is hardened. `profile` is empty where the platform steps name it."""

    profile: str = ""
    fips: bool = False


class WaivedFinding(_Wire):
    """A finding of hygiene that SecOps lets the image have: its rule, and its path in the image."""

    rule: Annotated[str, Field(min_length=1, max_length=200)]
    path: Annotated[str, Field(max_length=240)]


class BuildJob(_Wire):
    """One stage of one build. `bundle` and `platform` are the digests of the team's folder and the platform steps.

    `destination` is the quarantine version that the build stage makes and the verify stage boots. `plan` is the
    same in both stages. `waived` is for the check at the end of the build stage; the gate looks at the grants again.
    `serves` are the ports that the firewall lets in beside SSH: the build stage sets it, the verify stage tries them.
    `volumes` is for the build stage alone. `hardening` holds in both stages: a base's own, and `fips` for a child too
    where its base has it. The schema is 2 where the job has one of the two: a builder that would ignore it refuses.
    """

    schema_version: Literal[1, 2] = 1
    build: str
    image: str
    stage: Literal["build", "verify"]
    attempt: Annotated[int, Field(ge=1)]
    is_root: bool
    source: MarketplaceImage | GalleryImage
    destination: GalleryImage
    placement: Placement
    plan: Plan | None = None
    steps: tuple[Step, ...] = ()
    catalog: tuple[StagedTool, ...] = ()
    tests: Tests = Tests()
    serves: tuple[JobPort, ...] = ()
    waived: tuple[WaivedFinding, ...] = ()
    volumes: tuple[JobVolume, ...] = ()
    hardening: JobHardening = JobHardening()
    bundle: _Sha256
    platform: _Sha256
    timeout_seconds: Annotated[int, Field(ge=60)]
    lease_until: datetime
    tags: dict[str, str]

    def to_wire(self) -> bytes:
        """Canonical bytes; their SHA-256 names the job's blob."""
        return self.model_dump_json().encode()

    @classmethod
    def from_wire(cls, content: bytes, *, digest: str) -> "BuildJob":
        """Raise MalformedMessage where the content is not the job that `digest` names."""
        if hashlib.sha256(content).hexdigest() != digest:
            raise MalformedMessage(f"the job's content does not have the digest {digest[:12]}")
        try:
            job = cls.model_validate_json(content)
        except ValidationError as error:
            raise MalformedMessage(
                f"{_NOT_A_JOB}: {error.error_count()} fields are wrong: {error}"
            ) from error
        try:
            BuildId(job.build)
        except InvalidValue as error:
            raise MalformedMessage(f"{_NOT_A_JOB}: {error}") from error
        return job


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
