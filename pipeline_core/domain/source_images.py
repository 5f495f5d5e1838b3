"""One version of a Marketplace source as the Marketplace describes it. Facts only; the decisions are elsewhere."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, unique

from pipeline_core.domain.definitions import Architecture, Generation
from pipeline_core.domain.sources import PurchasePlan
from pipeline_core.domain.versions import MarketplaceVersion


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
    holds (name, value), as Azure writes them. `plan` is None where the image is sold without one.
    """

    version: MarketplaceVersion
    generation: Generation | None = Generation.V2
    architecture: Architecture | None = Architecture.X64
    plan: PurchasePlan | None = None
    features: tuple[tuple[str, str], ...] = ()
    deprecation: Deprecation = Deprecation()
