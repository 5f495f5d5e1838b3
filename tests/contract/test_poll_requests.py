"""What a poll costs at Azure: one list call per distinct source, however many images are built from it."""

from collections.abc import Mapping

from pipeline_core.adapters.azure.marketplace import AzureMarketplace
from pipeline_core.adapters.memory.ports import twins
from pipeline_core.domain.names import ImageName, Region
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.services.effects.outbox import Outbox
from pipeline_core.services.images.poll import Poller
from pipeline_core.state.index import Index
from pipeline_core.state.sources import SourceStore
from tests.contract.conftest import Azure


def _lists(azure: Azure) -> int:
    shown: Mapping[str, int] = azure.arm.ask("GET", "requests")["routes"]
    return sum(count for route, count in shown.items() if "/skus/" in route and route.endswith("/versions"))


def test_one_list_call_per_distinct_source_whatever_the_number_of_images(azure: Azure) -> None:
    ports = twins([])
    index, sources = Index(ports.tables), SourceStore(ports.tables)
    poller = Poller(
        marketplace=AzureMarketplace(azure.clients.compute(azure.configuration.subscription_id)),
        sources=sources,
        index=index,
        outbox=Outbox(ports.queues),
        logs=ports.logs,
    )
    for sku in ("9-lvm-gen2", "9-lvm"):
        source = MarketplaceSource(publisher="RedHat", offer="RHEL", sku=sku, location=Region("westeurope"))
        sources.follow(source)
        for number in range(25):
            index.add_root(source, ImageName(f"root-{sku}-{number}"))
    before = _lists(azure)
    assert poller.poll() == 2
    assert _lists(azure) - before == 2
    assert len(ports.queues.messages("rebuild-requests")) == 50
