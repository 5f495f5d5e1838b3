"""One version of a Marketplace source as the Marketplace describes it, and whether a definition fits it. Pure."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, unique

from pipeline_core.domain.definitions import (
    Architecture,
    Generation,
    ImageDefinition,
    OsTraits,
    SecurityType,
)
from pipeline_core.domain.sources import MarketplaceSource, PurchasePlan
from pipeline_core.domain.versions import MarketplaceVersion

_NEAREST = 3  # names that a refusal offers
_KIND = re.compile(r"gen[12]|v[12]|arm64|x64", re.ASCII)
_TRUSTED = "trustedlaunch"  # in the value of the feature SecurityType, beside other kinds


@unique
class OfferState(Enum):
    """The publisher's word on a version, by Azure's own names (`imageDeprecationStatus.imageState`)."""

    ACTIVE = "Active"  # offered
    SCHEDULED = "ScheduledForDeprecation"  # offered until a day that the publisher has named
    DEPRECATED = "Deprecated"  # no machine can be made from it any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """Whether and when the publisher takes a version back. `alternative` names its successor; empty without one."""

    state: OfferState = OfferState.ACTIVE
    at: datetime | None = None
    alternative: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceImage:
    """What decides whether a definition can be built from this version.

    `generation` and `architecture` are None where Azure names one that this factory does not know. `features`
    holds (name, value), as Azure writes them. `plan` is None where the image is sold without one, `disk_gb` where
    the Marketplace does not say how large its disk is.
    """

    version: MarketplaceVersion
    generation: Generation | None = Generation.V2
    architecture: Architecture | None = Architecture.X64
    plan: PurchasePlan | None = None
    features: tuple[tuple[str, str], ...] = ()
    deprecation: Deprecation = Deprecation()
    disk_gb: int | None = None

    @property
    def says_trusted_launch(self) -> bool:
        """True where the Marketplace says that a machine of this image can be a Trusted Launch machine."""
        return any(
            name.lower() == "securitytype" and _TRUSTED in value.lower() for name, value in self.features
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMisfit:
    """Why a definition cannot be built from a source image: `path` is the key of the document."""

    path: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path} {self.message}: {self.remedy}"


def misfits(
    source: MarketplaceSource, image: SourceImage, definition: ImageDefinition, fitting: str = ""
) -> Iterator[SourceMisfit]:
    """Everything that would fail in the build.

    `fitting` is a SKU of the same offer that does fit, empty where none is known.
    """
    os, plan = definition.os, definition.plan
    for what, key, ours, theirs in (
        ("generation", "spec.os.generation", os.generation, image.generation),
        ("architecture", "spec.os.architecture", os.architecture, image.architecture),
    ):
        if theirs is not None and theirs is not ours:
            yield SourceMisfit(
                path="spec.marketplace.sku",
                message=f"is {source.sku!r}, whose {what} is {theirs.value}, but {key} is {ours.value}",
                remedy=f"use the SKU {fitting!r}, or {_other(key, theirs)}"
                if fitting
                else f"{_other(key, theirs)}, or use a SKU of {what} {ours.value} (`az vm image list-skus`)",
            )
    if plan is not None and plan != image.plan:
        sold = "without a plan" if image.plan is None else f"under {image.plan}"
        yield SourceMisfit(
            path="spec.marketplace.plan",
            message=f"is {plan}, but {source.urn(image.version)} is sold {sold}",
            remedy="remove the key, because the factory reads the plan from the Marketplace, or correct it",
        )

    yield from disk_misfits(definition.build.os_disk_gb, image.disk_gb, str(source.urn(image.version)))


def disk_misfits(wanted: int | None, disk_gb: int | None, source: str) -> Iterator[SourceMisfit]:
    """The refusal of a disk below that of its source: Azure never shrinks a disk (hitachienergy/epiphany#1049)."""
    if wanted is not None and disk_gb is not None and wanted < disk_gb:
        yield SourceMisfit(
            path="spec.build.osDiskSizeGb",
            message=f"is {wanted}, but the disk of {source} has {disk_gb} GB, and Azure makes no smaller one",
            remedy=f"give {disk_gb} or more, or leave it out",
        )


def doubts(source: MarketplaceSource, image: SourceImage, os: OsTraits) -> Iterator[str]:
    """What only the build can show, one line each."""
    if image.generation is None or image.architecture is None:
        yield f"the Marketplace gives {source.sku} a generation or an architecture that this factory does not know"
    if os.security_type is not SecurityType.STANDARD and not image.says_trusted_launch:
        yield (
            f"the Marketplace does not say that {source.sku} can run as Trusted Launch; the first build will show it, "
            "or use securityType Standard"
        )


def nearest_names(name: str, known: Iterable[str]) -> Sequence[str]:
    """The names that a person may have meant, the most likely first."""
    spelled = {each.lower(): each for each in known}
    alike = [each for lowered, each in sorted(spelled.items()) if _letters(lowered) == _letters(name)]
    close = difflib.get_close_matches(name.lower(), list(spelled), n=_NEAREST, cutoff=0.5)
    return list(dict.fromkeys([*alike, *(spelled[each] for each in close)]))[:_NEAREST]


def sister_skus(sku: str, known: Iterable[str]) -> Sequence[str]:
    """The SKUs of the same offer for the same release: `94-gen2` is a sister of `9_4`."""
    return [each for each in sorted(known) if each.lower() != sku.lower() and _stem(each) == _stem(sku)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """An image definition that was made for another plan than its source has.

    A gallery never changes the plan: PropertyChangeNotAllowed (hashicorp/terraform-provider-azurerm#8124).
    """

    kept: PurchasePlan | None
    sold: PurchasePlan | None

    @property
    def message(self) -> str:
        """What is wrong."""
        return (
            f"is sold {_in_words(self.sold)}, but the image definition in the gallery was made "
            f"{_in_words(self.kept)}, and Azure never changes that"
        )

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return "register the image under a new name, or use a source with the same plan"


def _in_words(plan: PurchasePlan | None) -> str:
    return "without a plan" if plan is None else f"with the plan {plan}"


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _stem(sku: str) -> str:
    return _letters(_KIND.sub("", sku.lower()))


def _other(key: str, theirs: Enum) -> str:
    if theirs is Generation.V1:
        return f"set {key}: V1 with securityType Standard"
    return f"set {key}: {theirs.value}"
