"""The Marketplace by Azure's Compute API: one list call per source, one GET per described version."""

from collections.abc import Sequence
from enum import Enum
from typing import TypeVar

from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.compute import models as shapes

from pipeline_core.adapters.azure import errors
from pipeline_core.domain.definitions import Architecture, Generation
from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.names import Region
from pipeline_core.domain.source_images import Deprecation, OfferState, SourceImage
from pipeline_core.domain.sources import MarketplaceSource, PurchasePlan
from pipeline_core.domain.versions import MarketplaceVersion

_Kind = TypeVar("_Kind", bound=Enum)


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

    def get_image(self, source: MarketplaceSource, version: MarketplaceVersion) -> SourceImage:
        """What the Marketplace says about one version. Raises NotFound for a version that is not offered (now)."""
        with errors.translated(f"look at the Marketplace image {source.urn(version)} in {source.location}"):
            found = self._compute.virtual_machine_images.get(
                str(source.location), source.publisher, source.offer, source.sku, str(version)
            )
        return _described(version, found.properties or shapes.VirtualMachineImageProperties())

    def list_names(self, location: Region, *parents: str) -> Sequence[str]:
        """Names of every publisher, of a publisher's offers, or of an offer's SKUs: `parents` are 0 to 2 names above.

        In no order. Empty, or NotFound, where the Marketplace does not know a parent.
        """
        images = self._compute.virtual_machine_images
        calls = (images.list_publishers, images.list_offers, images.list_skus)
        with errors.translated(f"list names of the Marketplace below {':'.join([str(location), *parents])}"):
            return [str(each.name) for each in calls[len(parents)](str(location), *parents)]


def _parse(text: str) -> MarketplaceVersion | None:
    """The version, or None for a name in another form: one odd publication must not hide all others."""
    try:
        return MarketplaceVersion.parse(text)
    except InvalidValue:
        return None


def _described(version: MarketplaceVersion, said: shapes.VirtualMachineImageProperties) -> SourceImage:
    """An absent generation is V1 and an absent architecture x64, as everywhere in Azure's Compute API."""
    plan = said.plan
    return SourceImage(
        version=version,
        generation=_member(Generation, said.hyper_v_generation or Generation.V1.value),
        architecture=_member(Architecture, said.architecture or Architecture.X64.value),
        plan=None if plan is None else _plan(plan),
        features=tuple((str(each.name), str(each.value)) for each in said.features or []),
        deprecation=_deprecation(said.image_deprecation_status),
        disk_gb=_disk_gb(said.os_disk_image),
    )


def _disk_gb(said: shapes.OSDiskImage | None) -> int | None:
    """Azure sends it, and no version of the SDK's models names it (Azure/azure-cli#16863 shows it)."""
    size = None if said is None else said.get("sizeInGb")
    return size if isinstance(size, int) and size > 0 else None


def _plan(said: shapes.PurchasePlan) -> PurchasePlan:
    return PurchasePlan(publisher=said.publisher, name=said.name, product=said.product)


def _deprecation(said: shapes.ImageDeprecationStatus | None) -> Deprecation:
    if said is None:
        return Deprecation()
    other = said.alternative_option
    alternative = ""
    if other is not None and other.value and _text(other.type).lower() != "none":
        alternative = f"{_text(other.type).lower()} {other.value}"
    return Deprecation(
        state=_member(OfferState, said.image_state or OfferState.ACTIVE.value) or OfferState.ACTIVE,
        at=said.scheduled_deprecation_time,
        alternative=alternative,
    )


def _member(kind: type[_Kind], said: object) -> _Kind | None:
    """The member with Azure's name, without case. None for a name that this factory does not know."""
    return next((each for each in kind if str(each.value).lower() == _text(said).lower()), None)


def _text(said: object) -> str:
    """The text of an SDK's enumeration, which may also be a plain text."""
    return str(getattr(said, "value", said))
