"""The schema of `image.yaml` as Pydantic models: keys, types, bounds. Knows no rule over two keys."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from pipeline_core.domain.definitions import (
    LARGEST_OS_DISK,
    Architecture,
    Generation,
    RebuildOn,
    SecurityType,
    ServedWhen,
    Transport,
)
from pipeline_core.domain.journal import Event
from pipeline_core.domain.versions import INT32_MAX
from pipeline_core.wire.document import values
from pipeline_core.wire.document.part import Part

_BY_VALUE = Field(strict=False)  # a strict enum would want the member, and a document holds its text
_DURATION = Field(json_schema_extra={"pattern": "^[1-9][0-9]{0,5}[smhd]$"})  # for editors
_Major = Annotated[int, Field(ge=1, le=INT32_MAX)]
_Timeout = Annotated[str, _DURATION, AfterValidator(values.duration("5m", "8h"))]
_Period = Annotated[str, _DURATION, AfterValidator(values.duration("1d", "365d"))]
_Lifetime = Annotated[str, _DURATION, AfterValidator(values.duration("1d", "1095d"))]


class Metadata(Part):
    """The name of the image, its team and its owners."""

    name: values.ImageText
    team: values.TeamText
    owners: Annotated[list[values.EmailText], Field(min_length=1, max_length=20)]
    description: values.PlainText = ""
    labels: Annotated[
        dict[values.LabelText, Annotated[values.PlainText, Field(max_length=256)]], Field(max_length=50)
    ] = Field(default_factory=dict)


class Version(Part):
    """The part of a version's number that the definition decides."""

    major: _Major = 1


class Parent(Part):
    """The image that this one is built from, and its channel."""

    image: values.ImageText
    channel: values.ChannelText = "live"


class ExpectedPlan(Part):
    """The plan under which the source is expected to be sold."""

    publisher: values.SourceText
    name: values.SourceText
    product: values.SourceText


class Marketplace(Part):
    """The Marketplace image that this one is built from; the factory follows its newest version.

    `plan` may be left out: the factory reads it from the Marketplace. A plan that is given must be the same.
    """

    publisher: values.SourceText
    offer: values.SourceText
    sku: values.SourceText
    plan: ExpectedPlan | None = None


class Os(Part):
    """Traits that the gallery fixes permanently when the image is first built."""

    generation: Annotated[Generation, _BY_VALUE] = Generation.V2
    architecture: Annotated[Architecture, _BY_VALUE] = Architecture.X64
    security_type: Annotated[SecurityType, _BY_VALUE] = SecurityType.TRUSTED_LAUNCH


class Provisioner(Part):
    """One of `shell`, `ansible` and `file`; `env` goes with `shell`, `destination` with `file`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["shell"]},
                {"required": ["ansible"]},
                {"required": ["file", "destination"]},
            ],
            "dependentRequired": {"env": ["shell"], "destination": ["file"]},
        }
    )

    shell: values.PathText | None = None
    ansible: values.PathText | None = None
    file: values.PathText | None = None
    env: Annotated[dict[values.VariableText, values.VariableValue], Field(max_length=100)] = Field(
        default_factory=dict
    )
    destination: values.GuestPathText | None = None


class Volume(Part):
    """How large the volume of a mount point is at least: `sizeGb`, or `share` in percent of the disk's free space."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["sizeGb"]}, {"required": ["share"]}]}
    )

    mount: Literal["/", "/home", "/opt", "/tmp", "/usr", "/var"]  # noqa: S108 - names a volume
    size_gb: Annotated[int, Field(ge=1, le=LARGEST_OS_DISK)] | None = None
    share: Annotated[int, Field(ge=1, le=100)] | None = None


class Hardening(Part):
    """How a base is hardened. A child inherits it and has none of its own."""

    profile: values.ProfileText | None = None
    fips: bool = False


class Build(Part):
    """How the image is made."""

    vm_size: values.SizeText = "Standard_D2s_v5"
    timeout: _Timeout = "60m"
    os_disk_size_gb: Annotated[int, Field(ge=1, le=LARGEST_OS_DISK)] | None = None
    volumes: Annotated[list[Volume], Field(max_length=6)] = Field(default_factory=list)
    catalog: Annotated[list[values.ToolText], Field(max_length=50)] = Field(default_factory=list)
    provisioners: Annotated[list[Provisioner], Field(max_length=100)] = Field(default_factory=list)


class ServedPort(Part):
    """A port that machines of the image serve, and from when on."""

    port: Annotated[int, Field(ge=1, le=65535)]
    protocol: Annotated[Transport, _BY_VALUE] = Transport.TCP
    when: Annotated[ServedWhen, _BY_VALUE] = ServedWhen.BOOT


class Waiver(Part):
    """A rule of the scan that the team asks SecOps to forgive. `owner` is of older documents and decides nothing."""

    rule: values.RuleText
    reason: values.ShortText
    owner: values.EmailText | None = None
    expires: values.DayText | None = None


class OtherWaiver(Part):
    """A finding in the image (`hygiene` with `path`), or a test of the platform (`invariant`), to be forgiven."""

    hygiene: values.RuleText | None = None
    path: values.WaivedPathText | None = None
    invariant: values.ShortText | None = None
    reason: values.ShortText


class Compliance(Part):
    """What the image is scanned against."""

    profile: values.ProfileText
    min_score: Annotated[int, Field(ge=0, le=100)]
    tailoring: values.PathText | None = None
    waivers: Annotated[list[Waiver], Field(max_length=100)] = Field(default_factory=list)


class Verify(Part):
    """The tests that a fresh machine, booted from the new version, must pass."""

    goss: values.PathText | None = None
    smoke: Annotated[list[values.PathText], Field(max_length=50)] = Field(default_factory=list)
    compliance: Compliance | None = None
    waivers: Annotated[list[OtherWaiver], Field(max_length=100)] = Field(default_factory=list)


class TargetRegion(Part):
    """A region that the version is replicated to."""

    name: values.RegionText
    replicas: Annotated[int, Field(ge=1, le=100)] = 1


class Publish(Part):
    """The regions that a version is replicated to. Without regions it is the factory's own region."""

    regions: Annotated[list[TargetRegion], Field(max_length=50)] = Field(default_factory=list)
    end_of_life: _Lifetime | None = None


class Rebuild(Part):
    """When the image is rebuilt automatically."""

    on: list[Annotated[RebuildOn, _BY_VALUE]] = Field(
        default_factory=lambda: [RebuildOn.PARENT, RebuildOn.DEFINITION]
    )
    window: values.WindowText | None = None
    max_age: _Period | None = None
    suspend: bool = False


class Retention(Part):
    """Which old versions are kept."""

    keep: Annotated[int, Field(ge=1, le=100)] = 5
    max_age: _Lifetime | None = None
    keep_in_use: bool = True


class Webhook(Part):
    """An address, and the events that are sent to it."""

    webhook: values.UrlText
    events: Annotated[list[Annotated[Event, _BY_VALUE]], Field(min_length=1, max_length=len(Event))]


class Spec(Part):
    """What the image is: exactly one of `parent` and `marketplace`, and how it is built, tested and kept."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["parent"]}, {"required": ["marketplace"]}]}
    )

    version: Version = Version()
    parent: Parent | None = None
    marketplace: Marketplace | None = None
    os: Os = Os()
    hardening: Hardening | None = None
    build: Build
    serves: Annotated[list[ServedPort], Field(max_length=50)] = Field(default_factory=list)
    verify: Verify = Verify()
    publish: Publish = Publish()
    rebuild: Rebuild = Rebuild()
    retention: Retention = Retention()
    notify: Annotated[list[Webhook], Field(max_length=20)] = Field(default_factory=list)


class Document(Part):
    """One `image.yaml`."""

    model_config = ConfigDict(title="image.yaml of Image Factory")

    api_version: Literal["imagefactory/v1"]
    kind: Literal["ImageDefinition"]
    metadata: Metadata
    spec: Spec
