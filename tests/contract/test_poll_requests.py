"""What a poll costs at Azure: one list call per distinct source, however many images are built from it."""

from collections.abc import Mapping
from datetime import timedelta

from pipeline_core.adapters.azure.marketplace import AzureMarketplaceOffers
from pipeline_core.domain.names import ImageName, Region
from pipeline_core.domain.sources import MarketplaceSource
from simulation import world
from tests.contract.conftest import Azure
from tests.unit.services import scenes


def _lists(azure: Azure) -> int:
    shown: Mapping[str, int] = azure.arm.ask("GET", "requests")["routes"]
    return sum(count for route, count in shown.items() if "/skus/" in route and route.endswith("/versions"))


def test_one_list_call_per_distinct_source_whatever_the_number_of_images(azure: Azure) -> None:
    made = world.make()
    scenes.rewired(
        made, marketplace=AzureMarketplaceOffers(azure.clients.compute(azure.configuration.subscription_id))
    )
    for sku in ("9-lvm-gen2", "9-lvm"):
        source = MarketplaceSource(publisher="RedHat", offer="RHEL", sku=sku, location=Region("westeurope"))
        made.base.records.sources.follow(source)
        for number in range(25):
            made.base.records.index.add_root(source, ImageName(f"root-{sku}-{number}"))
    before = _lists(azure)
    assert made.factory.poller.poll() == 2
    assert _lists(azure) - before == 2
    assert len(made.ports.queues.messages("rebuild-requests")) == 50


def test_polls_without_news_cost_one_list_call_each_and_nothing_else(azure: Azure) -> None:
    made = world.make()
    scenes.rewired(
        made, marketplace=AzureMarketplaceOffers(azure.clients.compute(azure.configuration.subscription_id))
    )
    source = MarketplaceSource(publisher="RedHat", offer="RHEL", sku="9-lvm", location=Region("westeurope"))
    made.base.records.index_origin(ImageName("root"), source)
    made.factory.poller.poll()  # the GET of a release that is new
    azure.arm.ask("POST", "reset-counts")
    for _ in range(5):
        made.ports.clock.advance(timedelta(minutes=5))
        made.factory.poller.poll()
    assert (azure.arm.ask("GET", "requests")["total"], _lists(azure)) == (5, 5)
