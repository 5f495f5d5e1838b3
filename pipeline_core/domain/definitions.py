"""What a team registers: an image definition. Structure only: `wire.image_yaml` has the rules of the document."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum, unique

from pipeline_core.domain.names import Digest, ImageName, Region, TeamName
from pipeline_core.domain.sources import Origin, PurchasePlan

LARGEST_OS_DISK = 4095  # GiB (learn.microsoft.com, Introduction to Azure managed disks)


@unique
class Generation(Enum):
    """The virtual machine generation that an image boots as."""

    V1 = "V1"  # BIOS
    V2 = "V2"  # UEFI


@unique
class Architecture(Enum):
    """The processor architecture of an image."""

    X64 = "x64"  # Intel and AMD
    ARM64 = "Arm64"  # Ampere and Cobalt


@unique
class SecurityType(Enum):
    """The machines that an image is for: with Trusted Launch, without, or both."""

    STANDARD = "Standard"  # machines without secure boot and vTPM; the only one of generation V1
    TRUSTED_LAUNCH = "TrustedLaunch"  # machines with secure boot and vTPM
    TRUSTED_LAUNCH_SUPPORTED = "TrustedLaunchSupported"  # both kinds of machines


@unique
class RebuildOn(Enum):
    """A change that rebuilds an image by itself."""

    PARENT = "parent"  # the parent's channel moved, or the Marketplace has a new version
    DEFINITION = "definition"  # the document or its bundle changed
    VERIFY = "verify"  # what is demanded of a version changed, so that a new one must be judged


ALWAYS_ON = frozenset({RebuildOn.PARENT, RebuildOn.DEFINITION})  # where a document does not say on what


@dataclass(frozen=True, slots=True, kw_only=True)
class OsTraits:
    """Traits of the operating system. A gallery's image definition fixes them; see `captures.misfit`."""

    generation: Generation = Generation.V2
    architecture: Architecture = Architecture.X64
    security_type: SecurityType = SecurityType.TRUSTED_LAUNCH
    # The Marketplace's, or the parent's. A document never decides it, so it is None in a definition.
    plan: PurchasePlan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellStep:
    """A script of the bundle, run in the guest as root; `env` is sorted (name, value) pairs."""

    script: str
    env: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsibleStep:
    """A playbook of the bundle, run in the guest with a local connection."""

    playbook: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStep:
    """A file of the bundle, copied to an absolute path of the guest."""

    path: str
    destination: str


Provisioner = ShellStep | AnsibleStep | FileStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """How large the volume of a mount point is at least: `gb` in GiB, or `share` in percent of the disk's free space.

    Exactly one of them is given. The shares are taken when all sizes are.
    """

    mount: str
    gb: int | None = None
    share: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardening:
    """How a base is hardened. `profile` is the scanner's, None for the one that SecOps' platform steps name.

    Descendants inherit what was done, so no child has one of its own.
    """

    profile: str | None = None
    fips: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRecipe:
    """How the image is made."""

    vm_size: str
    timeout: timedelta
    os_disk_gb: int | None = None  # at least so large; None: as large as the source's
    volumes: tuple[Volume, ...] = ()
    catalog: tuple[str, ...] = ()
    provisioners: tuple[Provisioner, ...] = ()


@unique
class Transport(Enum):
    """What is spoken at a served port."""

    TCP = "tcp"  # connections
    UDP = "udp"  # datagrams


@unique
class ServedWhen(Enum):
    """From when on something listens at a served port."""

    BOOT = "boot"  # a fresh machine of the image answers
    DEPLOYED = "deployed"  # nothing listens before a deployment; only the way through the firewall is open


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPort:
    """A port that machines of the image serve. The firewall of the image lets in these and SSH, and nothing else."""

    port: int
    protocol: Transport = Transport.TCP
    when: ServedWhen = ServedWhen.BOOT

    def __str__(self) -> str:
        """As firewalld and messages name it: `8443/tcp`."""
        return f"{self.port}/{self.protocol.value}"


@unique
class WaiverKind(Enum):
    """What a waiver is about."""

    SCAN = "scan"  # a rule of the compliance scan
    HYGIENE = "hygiene"  # a finding in the image, by rule and path
    INVARIANT = "invariant"  # a test that the platform makes of every image, by its name


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """What a team asks SecOps to forgive. It counts when it is granted (`domain.waivers`), and by itself never.

    `path` is for hygiene findings alone. `owner` is in documents of older releases and decides nothing. `expires` is
    the day until which the team asks for it, None where it leaves that to SecOps.
    """

    rule: str
    reason: str
    owner: str = ""
    expires: date | None = None
    kind: WaiverKind = WaiverKind.SCAN
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceTarget:
    """The profile that the image is scanned against and the score it must reach (0 to 100).

    `tailoring` is a file of the bundle that adjusts the profile; a profile that SecOps requires is not adjusted.
    """

    profile: str
    min_score: int
    waivers: tuple[Waiver, ...] = ()
    tailoring: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What runs on a fresh machine that boots from the version; paths are inside the bundle.

    `waivers` are those of hygiene findings and invariants.
    """

    goss: str | None = None
    smoke: tuple[str, ...] = ()
    compliance: ComplianceTarget | None = None
    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRegion:
    """A region that the live version is replicated to."""

    name: Region
    replicas: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Where a live version goes and how long it is meant to be used."""

    regions: tuple[TargetRegion, ...]
    end_of_life: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildRules:
    """When an image is rebuilt by itself; `max_age` is the length of its refresh period."""

    on: frozenset[RebuildOn] = ALWAYS_ON
    window: str | None = None
    max_age: timedelta | None = None
    suspend: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Which old live versions are kept."""

    keep: int = 5
    max_age: timedelta | None = None
    keep_in_use: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address, and the events that are sent to it."""

    url: str
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDefinition:
    """One `image.yaml`, checked; `bundle` is the digest of the folder it was packed from."""

    name: ImageName
    team: TeamName
    owners: tuple[str, ...]
    origin: Origin
    os: OsTraits
    build: BuildRecipe
    verify: Verification
    publish: Publication
    rebuild: RebuildRules
    retention: Retention
    bundle: Digest
    hardening: Hardening = Hardening()
    major: int = 1
    plan: PurchasePlan | None = None  # the plan that the document expects; the Marketplace's own is used
    serves: tuple[ServedPort, ...] = ()  # sorted by port and protocol; not inherited from the parent
    description: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    notify: tuple[Webhook, ...] = field(default=())
