"""The build job that the builder takes by digest, and the report it leaves. Facts only; no secret."""

import hashlib
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline_core.domain.errors import ErrorClass, InvalidValue, MalformedMessage
from pipeline_core.domain.gates import Check
from pipeline_core.domain.names import BuildId

JOB_LIMIT = 256 * 1024  # bytes
REPORT_LIMIT = 1024 * 1024  # bytes

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MarketplaceImage(_Wire):
    """An exact Marketplace version."""

    kind: Literal["marketplace"] = "marketplace"
    publisher: str
    offer: str
    sku: str
    version: str


class GalleryImage(_Wire):
    """An exact version in a gallery; `resource_id` is the ARM id of the version."""

    kind: Literal["gallery"] = "gallery"
    subscription_id: str
    resource_group: str
    gallery: str
    image: str
    version: str


class Placement(_Wire):
    """Where Packer's machine runs. `vm_subnet_id` is empty where Packer may make its own network."""

    subscription_id: str
    client_id: str
    location: str
    resource_group: str
    vm_subnet_id: str = ""
    vm_size: str
    generation: Literal["V1", "V2"]
    security_type: Literal["Standard", "TrustedLaunch"]


class Step(_Wire):
    """One provisioner of the team; `path` is inside the bundle."""

    kind: Literal["shell", "ansible", "file"]
    path: str
    destination: str = ""
    env: dict[str, str] = Field(default_factory=dict)


class CatalogEntry(_Wire):
    """One tool that is staged in the image, verified by digest, never enrolled."""

    id: str
    version: str
    url: str
    sha256: _Sha256


class Tests(_Wire):
    """What the verify stage runs; paths are inside the bundle."""

    goss: str = ""
    smoke: tuple[str, ...] = ()
    profile: str = ""


class BuildJob(_Wire):
    """One stage of one build. `destination` is the quarantine version that the build stage makes and the
    verify stage boots; `bundle` and `platform` digest the team's folder and the platform steps."""

    schema_version: Literal[1] = 1
    build: str
    image: str
    stage: Literal["build", "verify"]
    attempt: Annotated[int, Field(ge=1)]
    is_root: bool
    source: MarketplaceImage | GalleryImage
    destination: GalleryImage
    placement: Placement
    steps: tuple[Step, ...] = ()
    catalog: tuple[CatalogEntry, ...] = ()
    tests: Tests = Tests()
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
            raise MalformedMessage(f"no BuildJob: {error.error_count()} fields are wrong: {error}") from error
        try:
            BuildId(job.build)
        except InvalidValue as error:
            raise MalformedMessage(f"no BuildJob: {error}") from error
        return job


class ReportedCheck(_Wire):
    """A check as the builder reports it; see `domain.gates.Check`."""

    name: Literal["boot", "goss", "smoke", "compliance", "hygiene"]
    passed: bool
    detail: str = ""
    score: float | None = None
    simulated: bool = False

    def to_domain(self) -> Check:
        """The domain's check."""
        return Check(
            name=self.name,
            passed=self.passed,
            detail=self.detail,
            score=self.score,
            simulated=self.simulated,
        )


class BuildReport(_Wire):
    """What one attempt of one stage ended with: `result.json` under the attempt's folder.

    `artifact` is the ARM id of the version that Packer made (build stage); `error_class` is one of
    `ErrorClass` where `succeeded` is false; `packer` is Packer's version, or `recorded`.
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
    error_class: ErrorClass | None = None
    message: Annotated[str, Field(max_length=4000)] = ""

    def to_wire(self) -> bytes:
        """Bytes of the result blob."""
        return self.model_dump_json().encode()

    @classmethod
    def from_wire(cls, content: bytes) -> "BuildReport":
        """Raise MalformedMessage where the content is no report."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            raise MalformedMessage(f"no BuildReport: {error.error_count()} fields are wrong") from error


def attempt_folder(build: BuildId, stage: str, attempt: int) -> str:
    """The prefix of everything that one attempt leaves in the container `builds`."""
    return f"{build}/{stage}-{attempt}"
