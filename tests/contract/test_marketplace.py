"""The contract of Marketplace: every version, as numbers, of sources named without case."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline_core.adapters.azure.marketplace import AzureMarketplaceOffers
from pipeline_core.adapters.memory.marketplace import MemoryMarketplaceOffers
from pipeline_core.domain.errors import ErrorClass, FactoryError, NotFound, TransientError
from pipeline_core.domain.names import Region
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion, newest
from pipeline_core.ports import MarketplaceOffers
from tests.contract.conftest import Azure

RHEL = MarketplaceSource(publisher="RedHat", offer="RHEL", sku="9-lvm-gen2", location=Region("westeurope"))
NUMBERS = tuple(MarketplaceVersion.parse(text) for text in ("9.9.2099010101", "9.10.2099010100"))


@pytest.fixture(params=["memory", "azure"])
def marketplace(request: pytest.FixtureRequest) -> MarketplaceOffers:
    if request.param == "memory":
        twin = MemoryMarketplaceOffers()
        twin.publish(RHEL, *NUMBERS)
        return twin
    azure: Azure = request.getfixturevalue("azure")
    for version in NUMBERS:
        names: dict[str, Any] = {"publisher": RHEL.publisher, "offer": RHEL.offer, "sku": RHEL.sku}
        azure.arm.ask("POST", "marketplace", {**names, "version": str(version)})
    return AzureMarketplaceOffers(azure.clients.compute(azure.arm.subscription_id))


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
