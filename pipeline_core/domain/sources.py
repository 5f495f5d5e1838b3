"""Where an image comes from: a Marketplace source or a parent image; and the exact version it was built from."""

import re
from dataclasses import dataclass
from typing import ClassVar

from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.names import ChannelName, ImageName, Region
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class MarketplaceSource:
    """publisher:offer:sku in one region; the unit that is polled."""

    publisher: str
    offer: str
    sku: str
    location: Region

    def __post_init__(self) -> None:
        for part in (self.publisher, self.offer, self.sku):
            if not _PART.fullmatch(part):
                raise InvalidValue(
                    "a part of a source", part, "letters, digits, dots, dashes and underscores"
                )

    @property
    def key(self) -> str:
        """Stable key in lower case: Azure compares these names without case."""
        return f"{self.publisher}:{self.offer}:{self.sku}:{self.location}".lower()

    def urn(self, version: MarketplaceVersion) -> str:
        """`publisher:offer:sku:version`, as Azure writes it."""
        return f"{self.publisher}:{self.offer}:{self.sku}:{version}"


@dataclass(frozen=True, slots=True, order=True)
class SourceKey:
    """`publisher:offer:sku:location`, the key of a source. Azure compares these names without case."""

    value: str
    pattern: ClassVar[re.Pattern[str]] = re.compile(
        rf"{_PART.pattern}(?::{_PART.pattern}){{2}}:{Region.pattern.pattern.replace('a-z', 'A-Za-z')}",
        re.ASCII,
    )

    def __post_init__(self) -> None:
        if not self.pattern.fullmatch(self.value):
            raise InvalidValue("a key of a source", self.value, "publisher:offer:sku:location")

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchasePlan:
    """The plan under which a publisher sells an image. A machine that is made from the image must name it.

    `product` is the Marketplace's word for the offer. Spelled and compared as the Marketplace spells it: Azure
    refuses another case (VMMarketplaceInvalidInput says so itself).
    """

    publisher: str
    name: str
    product: str

    def __str__(self) -> str:
        return f"{self.publisher}:{self.product}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentReference:
    """The image and its channel that a child follows."""

    image: ImageName
    channel: ChannelName


Origin = MarketplaceSource | ParentReference


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceVersion:
    """One exact version of a Marketplace source."""

    source: MarketplaceSource
    version: MarketplaceVersion

    def __str__(self) -> str:
        return self.source.urn(self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentVersion:
    """One exact published version of a parent image."""

    image: ImageName
    version: GalleryVersion

    def __str__(self) -> str:
        return f"{self.image}@{self.version}"


OriginVersion = SourceVersion | ParentVersion
