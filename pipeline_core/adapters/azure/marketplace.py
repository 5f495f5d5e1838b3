"""The Marketplace by Azure's Compute API: one list call per source."""

from collections.abc import Sequence

from azure.mgmt.compute import ComputeManagementClient

from pipeline_core.adapters.azure import errors
from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion


class AzureMarketplaceOffers:
    """Reads the offers to the subscription."""

    def __init__(self, compute: ComputeManagementClient) -> None:
        self._compute = compute

    def list_versions(self, source: MarketplaceSource) -> Sequence[MarketplaceVersion]:
        """Every version of the source in its region, in no order. Raises NotFound for an unknown source.

        It lists all of them, and the caller compares them as numbers: the service orders them as text.
        """
        with errors.translated(f"list Marketplace versions of {source.key}"):
            found = self._compute.virtual_machine_images.list(
                str(source.location), source.publisher, source.offer, source.sku
            )
        parsed = [_parse(str(image.name)) for image in found]
        return [version for version in parsed if version is not None]


def _parse(text: str) -> MarketplaceVersion | None:
    """The version, or None for a name in another form: one odd publication must not hide all others."""
    try:
        return MarketplaceVersion.parse(text)
    except InvalidValue:
        return None
