"""The build job, which the builder reads by its digest. Facts only, no secret.

Readers ignore fields that they do not know: the builder's image and the factory are updated one after the other. A
field whose meaning changes raises the schema.
"""

import hashlib
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline_core.domain.errors import InvalidValue, MalformedMessage
from pipeline_core.domain.names import BuildId
from pipeline_core.domain.sources import PurchasePlan

JOB_LIMIT = 256 * 1024  # bytes
NOT_A_JOB = "the content is not a BuildJob"  # builders say so in their reports; older ones blame the team

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


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
    """The file of one tool of the catalog. Its content is the blob `catalog/SHA256`, and `file` is its name.

    `url` is where it came from. Only a builder or platform steps of the release before ask it: they are replaced after
    the code. A job of that release has no `file`: its builder has no right on the blob, and its steps fetch the file.
    """

    id: str
    version: str
    file: Annotated[str, Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9._~+-]{0,254})?$")] = ""
    sha256: _Sha256
    url: str = ""


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
    `catalog` are the tools that are staged in the image: verified, and never enrolled. `tools` are those that the
    platform's own steps of this stage use. `volumes` is for the build stage alone. `hardening` holds in both stages: a
    base's own, and `fips` for a child too where its base has it. The schema is 2 where the job has volumes or
    hardening: a builder that would ignore them refuses.
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
    tools: tuple[StagedTool, ...] = ()
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

    @property
    def stored(self) -> tuple[str, ...]:
        """The SHA-256 of each file that the guest gets from the factory's own storage, each once."""
        return tuple(sorted({tool.sha256 for tool in (*self.catalog, *self.tools) if tool.file}))

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
            raise MalformedMessage(f"{NOT_A_JOB}: {error.error_count()} fields are wrong: {error}") from error
        try:
            BuildId(job.build)
        except InvalidValue as error:
            raise MalformedMessage(f"{NOT_A_JOB}: {error}") from error
        return job
