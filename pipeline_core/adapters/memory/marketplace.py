"""A Marketplace in memory."""

from collections.abc import Sequence

from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion


class MemoryMarketplaceOffers:
    """`asked` holds the key of each list call, in order: a poll may cost one call per source."""

    def __init__(self) -> None:
        self._offered: dict[str, set[MarketplaceVersion]] = {}
        self.asked: list[str] = []

    def list_versions(self, source: MarketplaceSource) -> Sequence[MarketplaceVersion]:
        """Every version of the source in its region, in no order. Raises NotFound for an unknown source."""
        self.asked.append(source.key)
        if source.key not in self._offered:
            raise NotFound(f"the Marketplace has no {source.key}; check publisher, offer, SKU and region")
        return sorted(self._offered[source.key], key=str)  # as text, like Azure, and not as numbers

    def publish(self, source: MarketplaceSource, *versions: MarketplaceVersion) -> None:
        """Offer versions. Without versions, the source is known and has nothing."""
        self._offered.setdefault(source.key, set()).update(versions)

    def withdraw(self, source: MarketplaceSource, version: MarketplaceVersion) -> None:
        """Stop offering a version."""
        self._offered[source.key].discard(version)
