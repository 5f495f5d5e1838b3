"""How a build machine becomes a version: which image definition, which machines, by which way. Pure.

`docs/adr/0019-trusted-launch-images.md` has the table behind these rules, with the source of each cell. The image
definition that exists decides for its image. The setting decides only for a definition that does not exist yet.
"""

import re
from dataclasses import dataclass, replace
from enum import Enum, unique

from pipeline_core.domain.definitions import Generation, OsTraits, SecurityType
from pipeline_core.domain.source_images import PlanChange

SETTING = "FACTORY_TRUSTED_LAUNCH_CAPTURE"
PROCEDURE = "docs/operations.md, 'Trusted Launch'"


@unique
class Capture(Enum):
    """The source that Packer gives to a new version."""

    MANAGED_IMAGE = "managed-image"  # a managed image of a Standard machine
    MACHINE = "machine"  # the machine itself


# What a new or an older image definition may say for each security type that an image asks for.
_FITS = {
    SecurityType.STANDARD: frozenset({SecurityType.STANDARD}),
    SecurityType.TRUSTED_LAUNCH_SUPPORTED: frozenset({SecurityType.TRUSTED_LAUNCH_SUPPORTED}),
    SecurityType.TRUSTED_LAUNCH: frozenset(
        {SecurityType.TRUSTED_LAUNCH, SecurityType.TRUSTED_LAUNCH_SUPPORTED}
    ),
}
# Azure's own words about a security type that does not fit its source: hashicorp/packer-plugin-azure#304 and
# hashicorp/packer#13189, hashicorp/terraform-provider-azurerm#23148.
_REFUSED_MANAGED_IMAGE = re.compile(
    r"managed images? (?:is|are) not supported for virtual machine with TrustedLaunch", re.I
)
_REFUSED_SOURCE = re.compile(
    r"security type '\w+' is not supported for the source|contains TrustedLaunch or ConfidentialVM\s+security\s+data",
    re.I,
)
_REFUSED_MACHINE = re.compile(
    r"only supports creation of VMs .{0,40}with 'TrustedLaunch' security type", re.I
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraitConflict:
    """Why an image definition cannot hold an image, and what to do about it."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedTrait:
    """A key of `spec.os` that the first build fixes, with the only way to another value afterwards."""

    name: str
    value: str
    change: str


_NEVER = "never: register the image under a new name"
_WAYS = {
    SecurityType.STANDARD: f"ask SecOps to change the image definitions first ({PROCEDURE})",
    SecurityType.TRUSTED_LAUNCH: f"set TrustedLaunchSupported, if the image definition has it ({PROCEDURE}); "
    "Standard needs a new image name",
    SecurityType.TRUSTED_LAUNCH_SUPPORTED: f"set TrustedLaunch; Standard needs a new image name ({PROCEDURE})",
}


def fixed_traits(os: OsTraits) -> tuple[FixedTrait, ...]:
    """What the first build fixes. Every other key of a definition may change at any time."""
    is_first = os.generation is Generation.V1  # it knows Standard alone
    return (
        FixedTrait(name="generation", value=os.generation.value, change=_NEVER),
        FixedTrait(name="architecture", value=os.architecture.value, change=_NEVER),
        FixedTrait(
            name="securityType",
            value=os.security_type.value,
            change=_NEVER if is_first else _WAYS[os.security_type],
        ),
    )


def new_definition(wanted: OsTraits, setting: Capture) -> OsTraits:
    """The traits of an image definition that is made for the first time."""
    if wanted.security_type is SecurityType.TRUSTED_LAUNCH and setting is Capture.MANAGED_IMAGE:
        return replace(wanted, security_type=SecurityType.TRUSTED_LAUNCH_SUPPORTED)
    return wanted


def capture_into(definition: SecurityType) -> Capture:
    """How a version of an image definition of this security type is made."""
    if definition is SecurityType.TRUSTED_LAUNCH_SUPPORTED:
        return Capture.MANAGED_IMAGE
    return Capture.MACHINE


def build_machine(definition: SecurityType) -> SecurityType:
    """The security type of the machine that Packer builds on."""
    is_captured = definition is SecurityType.TRUSTED_LAUNCH
    return SecurityType.TRUSTED_LAUNCH if is_captured else SecurityType.STANDARD


def verify_machine(wanted: SecurityType) -> SecurityType:
    """The security type of the machine that proves a version: the strictest that its consumers use."""
    return SecurityType.STANDARD if wanted is SecurityType.STANDARD else SecurityType.TRUSTED_LAUNCH


def misfit(wanted: OsTraits, found: OsTraits) -> TraitConflict | None:
    """Why the image definition `found` cannot hold this image. None where it can."""
    for what, ours, theirs in (
        ("generation", wanted.generation.value, found.generation.value),
        ("architecture", wanted.architecture.value, found.architecture.value),
    ):
        if ours != theirs:
            return TraitConflict(
                reason=f"its {what} is {theirs}, the image wants {ours}, and Azure never changes the {what}",
                remedy="register the image under a new name",
            )
    if found.security_type in _FITS[wanted.security_type]:
        return None
    ours, theirs = wanted.security_type.value, found.security_type.value
    if found.security_type is SecurityType.STANDARD:
        remedy = f"ask SecOps to let {new_definition(wanted, Capture.MANAGED_IMAGE).security_type.value} begin with "
        remedy += f"the next version ({PROCEDURE}), or register the image under a new name"
    else:
        remedy = f"keep {theirs}, or register the image under a new name ({PROCEDURE})"
    return TraitConflict(
        reason=f"its security type is {theirs}, the image wants {ours}, and its versions were made for {theirs}",
        remedy=remedy,
    )


def other_plan(wanted: OsTraits, found: OsTraits) -> TraitConflict | None:
    """Why the image definition `found` cannot hold what is built from a source with the plan of `wanted`."""
    if wanted.plan == found.plan:
        return None
    change = PlanChange(kept=found.plan, sold=wanted.plan)
    return TraitConflict(reason=f"its source {change.message}", remedy=change.remedy)


def unlike(quarantined: OsTraits, live: OsTraits) -> TraitConflict | None:
    """Why no version can be copied from one image definition to the other. None where it can."""
    if quarantined.security_type is live.security_type:
        return None
    return TraitConflict(
        reason=f"its security type is {live.security_type.value}, the quarantined one's is "
        f"{quarantined.security_type.value}, and Azure documents no copy between the two",
        remedy=f"give both the same security type ({PROCEDURE})",
    )


def remedy_of_copy(definition: SecurityType, text: str) -> str:
    """What to do about a copy to a live gallery that Azure refused or failed. Empty where nothing is known."""
    if definition is SecurityType.TRUSTED_LAUNCH:
        return (
            "whether Azure copies versions of a TrustedLaunch image definition is in no document: set "
            f"{SETTING}=managed-image for new images, see {PROCEDURE}"
        )
    return remedy_of(text)


def remedy_of(text: str) -> str:
    """What to do about Azure's refusal of a security type. Empty where the text is another refusal."""
    if _REFUSED_MANAGED_IMAGE.search(text):
        return (
            "Azure made the build machine Trusted Launch by itself, and such a machine gives no managed image: "
            "unregister Microsoft.Compute/TrustedLaunchByDefaultPreview in the build subscription, or set "
            f"{SETTING}=machine for new images, see {PROCEDURE}"
        )
    if _REFUSED_SOURCE.search(text):
        return (
            "Azure does not take this source for the security type of the image definition: set "
            f"{SETTING}=managed-image for new images, see {PROCEDURE}"
        )
    if _REFUSED_MACHINE.search(text):
        return (
            "the image that this one is built from boots as Trusted Launch only: use securityType TrustedLaunch here "
            f"too with {SETTING}=machine, or move the parent, see {PROCEDURE}"
        )
    return ""
