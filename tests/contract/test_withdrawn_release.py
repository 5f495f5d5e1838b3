"""A withdrawn newest release, over Azure's wire: the factory asks the emulator, and a base is not blocked."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.adapters.azure.marketplace import AzureMarketplaceOffers
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.releases import WithdrawalReason
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion
from simulation import fleet, world
from simulation.world import SimulatedWorld
from tests.contract.conftest import Azure
from tests.unit.services import scenes

FIRST, NEXT = MarketplaceVersion.parse("9.6.2025112113"), MarketplaceVersion.parse("9.8.2026062323")
BASE = ImageName("rhel9-base")
_POLL = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Story:
    """A base whose source the emulator offers; what happens there happens to the builder's Marketplace too."""

    made: SimulatedWorld
    azure: Azure
    source: MarketplaceSource

    def ask(self, method: str, path: str, version: MarketplaceVersion, **more: Any) -> None:
        """A control call about one version."""
        names = {part: getattr(self.source, part) for part in ("publisher", "offer", "sku")}
        self.azure.arm.ask(method, path, {**names, "version": str(version), **more})

    def publish(self, version: MarketplaceVersion) -> None:
        """Offer a version."""
        self.ask("POST", "marketplace", version)
        self.made.ports.marketplace.publish(self.source, version)

    def withdraw(self, version: MarketplaceVersion) -> None:
        """The version is gone."""
        self.ask("DELETE", "marketplace", version)
        self.made.ports.marketplace.withdraw(self.source, version)

    def deprecate(self, version: MarketplaceVersion) -> None:
        """The version is still listed, and no machine can be made from it."""
        self.ask("POST", "marketplace/deprecate", version)
        self.made.ports.marketplace.withdraw(self.source, version)

    def poll(self, times: int = 1) -> None:
        """The timer."""
        for _ in range(times):
            self.made.ports.clock.advance(_POLL)
            self.made.factory.poller.poll()

    def built_from(self) -> str:
        """The release of the current version."""
        current = scenes.head(self.made, BASE).current
        return "" if current is None else str(current.inputs.origin).rpartition(":")[2]


@pytest.fixture
def story(azure: Azure) -> Story:
    """A base that is current at the first release of a source of its own."""
    made = world.make()
    offers = AzureMarketplaceOffers(azure.clients.compute(azure.configuration.subscription_id))
    scenes.rewired(made, marketplace=offers)
    names = {**fleet.SOURCE, "sku": f"9-test-{uuid.uuid4().hex[:8]}"}
    found = Story(made=made, azure=azure, source=MarketplaceSource(**names, location=world.SOURCE.location))
    found.publish(FIRST)
    document = fleet.document("rhel9-base", None)
    document["spec"]["marketplace"] = names
    made.factory.registrar.register(
        BASE, document, world.upload(made, "content"), world.ADMIN, expected=None, create_only=True
    )
    made.drain()
    assert found.built_from() == str(FIRST)
    return found


@pytest.mark.parametrize("leave", [Story.withdraw, Story.deprecate], ids=["withdrawn", "deprecated"])
def test_nothing_was_published_from_it(
    story: Story, leave: Callable[[Story, MarketplaceVersion], None]
) -> None:
    story.publish(NEXT)
    story.poll()
    leave(story, NEXT)
    story.made.drain()
    story.made.settle()
    assert (story.built_from(), scenes.rest_of(story.made, BASE)) == (str(FIRST), "current")
    followed = scenes.sources(story.made).find(story.source)
    assert followed is not None
    assert (followed.value.newest, followed.value.withdrawn[0].version) == (FIRST, NEXT)
    wanted = WithdrawalReason.ABSENT if leave is Story.withdraw else WithdrawalReason.DEPRECATED
    assert followed.value.withdrawn[0].by is wanted


def test_case_09_a_request_after_it_waits_and_says_why_then_takes_what_is_offered(story: Story) -> None:
    story.publish(NEXT)
    story.poll()
    story.made.drain()
    assert story.built_from() == str(NEXT)
    story.withdraw(NEXT)
    story.made.factory.requests.request(BASE, scenes.ADMIN, "rebuild", "key-1")
    story.made.drain()
    assert scenes.rest_of(story.made, BASE) == "release-withdrawn"
    assert str(NEXT) in story.made.factory.queries.image(BASE).image.detail
    story.made.factory.sources.accept(story.source.key, FIRST, scenes.ADMIN, "it is gone")
    story.made.drain()
    assert story.built_from() == str(FIRST)


def test_a_release_that_is_to_be_deprecated_is_a_warning_with_its_day(story: Story) -> None:
    story.ask("POST", "marketplace/deprecate", FIRST, at="2027-03-01T00:00:00+00:00")
    story.made.ports.clock.advance(timedelta(days=1))
    story.poll()
    shown = story.made.factory.queries.image(BASE).image.conditions
    assert [(each.type.value, "until 2027-03-01" in each.message) for each in shown] == [("SourceEnds", True)]
    assert scenes.rest_of(story.made, BASE) == "current"
