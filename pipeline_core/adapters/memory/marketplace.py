"""A Marketplace in memory."""

from collections.abc import Sequence

from pipeline_core.domain.errors import FactoryError, NotFound
from pipeline_core.domain.names import Region
from pipeline_core.domain.source_images import OfferState, SourceImage
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion, newest


class MemoryMarketplaceOffers:
    """`asked` holds the key of each list call, in order: a poll may cost one call per source.

    `described` holds the URN of each version that was asked for. `unlisted` holds versions, with the key of their
    source, that a list leaves out although a GET finds them. `taken_back` holds those that were ever withdrawn or
    deprecated. `silent` holds keys of sources that give nothing: an empty list, or this error.
    """

    def __init__(self) -> None:
        self._offered: dict[str, set[MarketplaceVersion]] = {}
        self._sources: dict[str, MarketplaceSource] = {}
        self._images: dict[tuple[str, MarketplaceVersion], SourceImage] = {}
        self.unlisted: set[tuple[str, MarketplaceVersion]] = set()
        self.taken_back: set[tuple[str, MarketplaceVersion]] = set()
        self.silent: dict[str, FactoryError | None] = {}
        self.asked: list[str] = []
        self.described: list[str] = []

    def list_versions(self, source: MarketplaceSource) -> Sequence[MarketplaceVersion]:
        """Every version of the source in its region, in no order. Raises NotFound for an unknown source."""
        self.asked.append(source.key)
        if source.key not in self._offered:
            raise NotFound(f"the Marketplace has no {source.key}; check publisher, offer, SKU and region")
        if source.key in self.silent:
            error = self.silent[source.key]
            if error is not None:
                raise error
            return []
        listed = {each for each in self._offered[source.key] if (source.key, each) not in self.unlisted}
        return sorted(listed, key=str)  # as text, like Azure, and not as numbers

    def get_image(self, source: MarketplaceSource, version: MarketplaceVersion) -> SourceImage:
        """What the Marketplace says about one version. Raises NotFound for a version that is not offered (now)."""
        self.described.append(source.urn(version))
        if version not in self._offered.get(source.key, set()):
            place = f"{source.urn(version)} in {source.location}"
            raise NotFound(f"look at the Marketplace image {place}: Artifact: VMImage was not found.")
        image = self._images.get((source.key, version), SourceImage(version=version))
        if image.deprecation.state is OfferState.DEPRECATED:
            raise NotFound(f"ImageVersionDeprecated: {source.urn(version)} is deprecated")  # as Azure answers
        return image

    def list_names(self, location: Region, *parents: str) -> Sequence[str]:
        """Names of every publisher, of a publisher's offers, or of an offer's SKUs. Empty for an unknown parent."""
        wanted = tuple(parent.lower() for parent in parents)
        here = (each for each in self._sources.values() if each.location == location)
        parts = ((each.publisher, each.offer, each.sku) for each in here)
        depth = len(wanted)
        return sorted(
            {each[depth] for each in parts if tuple(part.lower() for part in each[:depth]) == wanted}
        )

    def publish(self, source: MarketplaceSource, *versions: MarketplaceVersion) -> None:
        """Offer versions. Without versions, the source is known and has nothing."""
        self._sources.setdefault(source.key, source)
        self._offered.setdefault(source.key, set()).update(versions)

    def describe(self, source: MarketplaceSource, image: SourceImage) -> None:
        """Offer a version with facts of its own. A version without them is V2, x64, active and without a plan."""
        self.publish(source, image.version)
        self._images[source.key, image.version] = image
        if image.deprecation.state is OfferState.DEPRECATED:
            self.taken_back.add((source.key, image.version))

    def is_offered(self, source: MarketplaceSource, version: MarketplaceVersion) -> bool:
        """True where a machine can be made from the version now."""
        image = self._images.get((source.key, version))
        is_deprecated = image is not None and image.deprecation.state is OfferState.DEPRECATED
        return version in self._offered.get(source.key, set()) and not is_deprecated

    def newest_offered(self, source: MarketplaceSource) -> MarketplaceVersion | None:
        """The newest version that a machine can be made from now, whatever a list says."""
        return newest(each for each in self._offered.get(source.key, ()) if self.is_offered(source, each))

    def withdraw(self, source: MarketplaceSource, version: MarketplaceVersion) -> None:
        """Stop offering a version."""
        self._offered[source.key].discard(version)
        self.taken_back.add((source.key, version))
