"""The contract of Marketplace: every version, as numbers, of sources named without case."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline_core.adapters.azure.marketplace import AzureMarketplaceOffers
from pipeline_core.adapters.memory.marketplace import MemoryMarketplaceOffers
from pipeline_core.domain import releases
from pipeline_core.domain.definitions import Architecture, Generation
from pipeline_core.domain.errors import ErrorClass, FactoryError, NotFound, TransientError
from pipeline_core.domain.names import Region
from pipeline_core.domain.source_images import Deprecation, OfferState, SourceImage
from pipeline_core.domain.sources import MarketplaceSource, PurchasePlan
from pipeline_core.domain.versions import MarketplaceVersion, newest
from pipeline_core.ports import MarketplaceOffers
from tests.contract.conftest import Azure

RHEL = MarketplaceSource(publisher="RedHat", offer="RHEL", sku="9-lvm-gen2", location=Region("westeurope"))
NUMBERS = tuple(MarketplaceVersion.parse(text) for text in ("9.9.2099010101", "9.10.2099010100"))

BYOS = MarketplaceSource(
    publisher="RedHat", offer="rhel-byos", sku="rhel-lvm9", location=Region("westeurope")
)
OLD = SourceImage(
    version=MarketplaceVersion.parse("9.4.2024061212"),
    generation=Generation.V1,
    disk_gb=64,
    plan=PurchasePlan(publisher="redhat", name="rhel-lvm9", product="rhel-byos"),
    deprecation=Deprecation(
        state=OfferState.SCHEDULED, at=datetime(2027, 3, 1, tzinfo=UTC), alternative="plan rhel-lvm9-gen2"
    ),
)


@pytest.fixture(params=["memory", "azure"])
def marketplace(request: pytest.FixtureRequest) -> MarketplaceOffers:
    if request.param == "memory":
        twin = MemoryMarketplaceOffers()
        twin.publish(RHEL, *NUMBERS)
        twin.describe(BYOS, OLD)
        return twin
    azure: Azure = request.getfixturevalue("azure")
    for version in NUMBERS:
        names: dict[str, Any] = {"publisher": RHEL.publisher, "offer": RHEL.offer, "sku": RHEL.sku}
        azure.arm.ask("POST", "marketplace", {**names, "version": str(version)})
    names = {"publisher": BYOS.publisher, "offer": BYOS.offer, "sku": BYOS.sku}
    leaving = {
        "imageState": "ScheduledForDeprecation",
        "scheduledDeprecationTime": "2027-03-01T00:00:00+00:00",
        "alternativeOption": {"type": "Plan", "value": "rhel-lvm9-gen2"},
    }
    facts = {"version": str(OLD.version), "version_facts": {"imageDeprecationStatus": leaving}}
    azure.arm.ask("POST", "marketplace", names | facts)
    return AzureMarketplaceOffers(azure.clients.compute(azure.arm.subscription_id))


@pytest.fixture
def deprecated(marketplace: MarketplaceOffers, request: pytest.FixtureRequest) -> MarketplaceOffers:
    """The first of `NUMBERS` is deprecated."""
    if isinstance(marketplace, MemoryMarketplaceOffers):
        gone = Deprecation(state=OfferState.DEPRECATED)
        marketplace.describe(RHEL, SourceImage(version=NUMBERS[0], deprecation=gone))
        return marketplace
    names = {"publisher": RHEL.publisher, "offer": RHEL.offer, "sku": RHEL.sku, "version": str(NUMBERS[0])}
    azure: Azure = request.getfixturevalue("azure")
    azure.arm.ask("POST", "marketplace/deprecate", names)
    return marketplace


def test_versions_are_numbers(marketplace: MarketplaceOffers) -> None:
    found = marketplace.list_versions(RHEL)
    assert set(NUMBERS) <= set(found)
    assert newest(found) == NUMBERS[1]


def test_names_have_no_case(marketplace: MarketplaceOffers) -> None:
    shouted = replace(RHEL, publisher="REDHAT", sku="9-LVM-gen2")
    assert set(marketplace.list_versions(shouted)) == set(marketplace.list_versions(RHEL))


@pytest.mark.parametrize("field", ["publisher", "offer", "sku"])
def test_an_unknown_source_is_not_found(marketplace: MarketplaceOffers, field: str) -> None:
    changed: dict[str, Any] = {field: "nonesuch"}
    with pytest.raises(NotFound):
        marketplace.list_versions(replace(RHEL, **changed))


def test_a_region_that_has_no_such_source_is_an_error_and_never_an_empty_list(
    marketplace: MarketplaceOffers,
) -> None:
    with pytest.raises(FactoryError):
        marketplace.list_versions(replace(RHEL, location=Region("atlantis")))


def test_a_version_has_a_generation_an_architecture_and_its_publishers_word(
    marketplace: MarketplaceOffers,
) -> None:
    image = marketplace.get_image(RHEL, NUMBERS[1])
    assert (image.version, image.generation, image.architecture) == (
        NUMBERS[1],
        Generation.V2,
        Architecture.X64,
    )
    assert image.plan is None  # pay-as-you-go
    assert image.deprecation == Deprecation()


def test_a_version_that_is_sold_with_a_plan_names_it_and_says_when_it_leaves(
    marketplace: MarketplaceOffers,
) -> None:
    image = marketplace.get_image(BYOS, OLD.version)
    assert replace(image, features=()) == OLD


def test_a_version_that_is_not_offered_is_not_found(marketplace: MarketplaceOffers) -> None:
    with pytest.raises(NotFound, match=r"9\.1\.1") as refused:
        marketplace.get_image(RHEL, MarketplaceVersion.parse("9.1.1"))
    # A build that meets this refusal lets the base step down, and is nobody's fault.
    assert releases.speaks_of_release(refused.value.error_class, str(refused.value))
    with pytest.raises(NotFound):
        marketplace.get_image(replace(RHEL, sku="nonesuch"), NUMBERS[0])


def test_a_deprecated_version_is_not_found_and_says_why(deprecated: MarketplaceOffers) -> None:
    with pytest.raises(NotFound, match="ImageVersionDeprecated"):
        deprecated.get_image(RHEL, NUMBERS[0])
    assert deprecated.get_image(RHEL, NUMBERS[1]).deprecation == Deprecation()


def test_a_list_may_still_hold_a_deprecated_version(deprecated: MarketplaceOffers) -> None:
    assert NUMBERS[0] in deprecated.list_versions(RHEL)


def test_publishers_offers_and_skus_have_names(marketplace: MarketplaceOffers) -> None:
    assert RHEL.publisher in marketplace.list_names(RHEL.location)
    assert {"RHEL", "rhel-byos"} <= set(marketplace.list_names(RHEL.location, "redhat"))
    assert RHEL.sku in marketplace.list_names(RHEL.location, "redhat", "rhel")


def test_an_unknown_publisher_or_offer_has_nothing(marketplace: MarketplaceOffers) -> None:
    assert _listed(lambda: marketplace.list_names(RHEL.location, "nonesuch")) == []
    assert _listed(lambda: marketplace.list_names(RHEL.location, "redhat", "nonesuch")) == []


def _listed(ask: Callable[[], Sequence[str]]) -> list[str]:
    """The names, or none where the answer is that there is no such thing: Azure may say either."""
    try:
        return [*ask()]
    except NotFound:
        return []


def test_only_a_version_of_generation_v2_can_be_a_trusted_launch_machine(azure: Azure) -> None:
    adapter = AzureMarketplaceOffers(azure.clients.compute(azure.arm.subscription_id))
    trusted = ("SecurityType", "TrustedLaunchSupported")
    version = MarketplaceVersion.parse("9.4.2024061212")
    assert trusted in adapter.get_image(RHEL, version).features
    assert trusted not in adapter.get_image(replace(RHEL, sku="9_4"), version).features


def test_arm_is_another_architecture(azure: Azure) -> None:
    adapter = AzureMarketplaceOffers(azure.clients.compute(azure.arm.subscription_id))
    source = replace(RHEL, offer="rhel-arm64", sku="9_4-arm64")
    image = adapter.get_image(source, MarketplaceVersion.parse("9.4.2024061212"))
    assert image.architecture is Architecture.ARM64


def test_a_kind_that_nobody_knows_is_none_and_not_a_guess(azure: Azure) -> None:
    names = {"publisher": "Odd", "offer": "newer", "sku": "newer", "version": "1.2.3"}
    facts = {"hyperVGeneration": "V3", "architecture": "RiscV"}
    azure.arm.ask("POST", "marketplace", {**names, "version_facts": facts})
    source = MarketplaceSource(publisher="Odd", offer="newer", sku="newer", location=Region("westeurope"))
    adapter = AzureMarketplaceOffers(azure.clients.compute(azure.arm.subscription_id))
    image = adapter.get_image(source, MarketplaceVersion.parse("1.2.3"))
    assert (image.generation, image.architecture) == (None, None)


def test_one_question_is_one_request(azure: Azure) -> None:
    azure.arm.ask("POST", "reset-counts")
    AzureMarketplaceOffers(azure.clients.compute(azure.arm.subscription_id)).list_versions(RHEL)
    assert azure.arm.ask("GET", "requests")["total"] == 1


def test_a_version_in_another_form_hides_no_other(azure: Azure) -> None:
    names = {"publisher": "Odd", "offer": "odd", "sku": "odd"}
    for version in ("latest-preview", "1.2.3", "2023.1"):
        azure.arm.ask("POST", "marketplace", {**names, "version": version})
    source = MarketplaceSource(**names, location=Region("westeurope"))
    adapter = AzureMarketplaceOffers(azure.clients.compute(azure.arm.subscription_id))
    assert adapter.list_versions(source) == [MarketplaceVersion.parse("1.2.3")]


@pytest.mark.usefixtures("no_faults")
@pytest.mark.parametrize(
    ("status", "code", "wanted"),
    [
        (429, "TooManyRequests", ErrorClass.THROTTLED),
        (503, "ServerTimeout", ErrorClass.NETWORK),
        (500, "InternalServerError", ErrorClass.NETWORK),
        (401, "ExpiredAuthenticationToken", ErrorClass.TOKEN),
    ],
)
def test_azure_is_asked_once_and_its_refusal_is_reported(
    azure: Azure, status: int, code: str, wanted: ErrorClass
) -> None:
    azure.arm.ask("POST", "reset-counts")
    fault = {"path_regex": "vmimage", "status": status, "code": code, "retry_after": 7, "times": 9}
    azure.arm.ask("POST", "faults", fault)
    with pytest.raises(TransientError, match="redhat:rhel:9-lvm-gen2:westeurope") as refused:
        AzureMarketplaceOffers(azure.clients.compute(azure.arm.subscription_id)).list_versions(RHEL)
    assert refused.value.error_class is wanted
    assert refused.value.retry_after is not None
    assert refused.value.retry_after.total_seconds() == 7
    assert azure.arm.ask("GET", "requests")["total"] == 1
