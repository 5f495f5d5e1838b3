"""Poll: one list call per source, sent until every root has it, and never backwards."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import CampaignId, ImageName, Region
from pipeline_core.domain.releases import LOOKS, FollowedSource
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.wire.messages import RebuildMessage
from pipeline_core.wiring.factory import Factory
from simulation import fleet, world
from simulation.world import SOURCE, SimulatedWorld
from tests.unit.services import scenes

NEXT = MarketplaceVersion.parse(scenes.NEXT_RELEASE)
OTHER = MarketplaceSource(publisher="Acme", offer="os", sku="x", location=Region("westeurope"))
ROOTS = {f"root-{number}": None for number in range(7)}


def _newest(made: SimulatedWorld, source: MarketplaceSource = SOURCE) -> FollowedSource:
    found = scenes.sources(made).find(source)
    assert found is not None
    return found.value


def test_a_poll_makes_one_list_call_per_source_whatever_the_number_of_roots() -> None:
    made = scenes.registered(ROOTS)
    made.ports.marketplace.asked.clear()
    made.factory.poller.poll()
    assert made.ports.marketplace.asked == [SOURCE.key]


def test_every_distinct_source_is_asked_once() -> None:
    made = scenes.registered(ROOTS)
    made.ports.marketplace.publish(OTHER)
    _follow(made, OTHER)
    made.ports.marketplace.asked.clear()
    assert made.factory.poller.poll() == 0
    assert sorted(made.ports.marketplace.asked) == sorted([SOURCE.key, OTHER.key])


def test_a_change_wakes_every_root_of_the_source_once() -> None:
    made = scenes.settled(ROOTS)
    made.publish_release(scenes.NEXT_RELEASE)
    assert made.factory.poller.poll() == 1
    assert sorted(scenes.asked(made)) == sorted(ROOTS)
    assert (_newest(made).newest, _newest(made).announce) == (NEXT, False)


def test_a_poll_without_a_change_tells_nobody() -> None:
    made = scenes.settled(ROOTS)
    assert made.factory.poller.poll() == 0
    assert made.ports.queues.names() == []


def test_versions_are_compared_as_numbers() -> None:
    made = scenes.settled(ROOTS)
    scenes.released(made, "9.9.1")
    scenes.lose(made)
    scenes.released(made, "9.10.1")
    assert _newest(made).newest == MarketplaceVersion(9, 10, 1)
    assert len(scenes.asked(made)) == len(ROOTS)


def test_a_crash_between_record_and_message_is_repaired_by_the_next_poll() -> None:
    made = scenes.settled(ROOTS)
    made.publish_release(scenes.NEXT_RELEASE)
    error = TransientError(ErrorClass.NETWORK, "the process ends here")
    scenes.rewired(made, queues=scenes.Failing(inner=made.ports.queues, name="send", errors=[error]))
    with pytest.raises(TransientError):
        made.factory.poller.poll()
    assert (_newest(made).newest, _newest(made).announce) == (NEXT, True)
    assert scenes.asked(made) == []
    scenes.rewired(made)
    assert made.factory.poller.poll() == 0
    assert sorted(scenes.asked(made)) == sorted(ROOTS)
    assert not _newest(made).announce


def test_a_source_that_no_image_follows_is_not_polled() -> None:
    made = scenes.registered(ROOTS)
    made.ports.marketplace.publish(OTHER)
    scenes.sources(made).follow(OTHER)
    made.ports.marketplace.asked.clear()
    made.factory.poller.poll()
    assert made.ports.marketplace.asked == [SOURCE.key]


def test_a_source_that_fails_does_not_keep_others_from_being_looked_at_and_is_seen() -> None:
    made = scenes.settled(ROOTS)
    _follow(made, OTHER)  # sorts before RedHat, and the Marketplace does not know it
    made.publish_release(scenes.NEXT_RELEASE)
    with pytest.raises(PermanentError, match="acme:os:x"):
        made.factory.poller.poll()
    assert _newest(made).newest == NEXT
    assert sorted(scenes.asked(made)) == sorted(ROOTS)
    assert scenes.logged(made, "poll-failed", source=OTHER.key)


def test_a_source_that_offers_nothing_changes_nothing() -> None:
    made = scenes.registered({})
    made.ports.marketplace.publish(OTHER)
    _follow(made, OTHER)
    assert made.factory.poller.poll() == 0
    assert _newest(made, OTHER).newest is None


def test_two_polls_at_one_moment_tell_once() -> None:
    made = scenes.settled({"rhel9-base": None})
    made.publish_release(scenes.NEXT_RELEASE)
    other = made.factory
    race = scenes.once(lambda: _poll(other))
    tables = scenes.WatchedTables(inner=made.ports.tables, before=lambda *_: race())
    scenes.rewired(made, tables=tables)
    assert made.factory.poller.poll() == 0
    assert scenes.asked(made) == ["rhel9-base"]


def test_a_source_that_nobody_follows_cannot_be_looked_at() -> None:
    with pytest.raises(NotFound, match="acme:os:x"):
        scenes.registered({}).factory.poller.poll_one(OTHER)


def test_a_new_root_knows_the_newest_version_without_waiting_for_the_timer() -> None:
    made = scenes.registered({"rhel9-base": None})
    assert str(_newest(made).newest) == "9.6.2025112113"
    assert scenes.asked(made).count("rhel9-base") >= 1


def test_the_campaign_is_named_after_the_source_and_its_version() -> None:
    made = scenes.settled({"rhel9-base": None})
    scenes.released(made)
    made.ports.clock.advance(timedelta(seconds=1))
    made.drain()
    assert str(scenes.builds(made, scenes.BASE)[1].campaign) == f"source-9-lvm-gen2-{scenes.NEXT_RELEASE}"


def _follow(made: SimulatedWorld, source: MarketplaceSource) -> None:
    """Follow a source as the registration of a root does."""
    made.base.records.index_origin(ImageName("other-root"), source)


def _poll(factory: Factory) -> None:
    factory.poller.poll()


def test_every_error_of_a_poll_is_told_and_not_only_the_last() -> None:
    made = scenes.registered({"rhel9-base": None})
    for name in ("a", "b"):
        _follow(made, replace(OTHER, sku=name))
    with pytest.raises(PermanentError, match=r"2 sources could not be looked at: .*os:a.*os:b"):
        made.factory.poller.poll()


def test_a_passing_error_among_lasting_ones_is_tried_again() -> None:
    made = scenes.registered({"rhel9-base": None})
    _follow(made, OTHER)
    inner, busy = made.ports.marketplace, scenes.transient()

    class Marketplace:
        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

        def list_versions(self, source: MarketplaceSource) -> Sequence[MarketplaceVersion]:
            if source == SOURCE:
                raise busy
            return inner.list_versions(source)

    scenes.rewired(made, marketplace=Marketplace())
    with pytest.raises(TransientError, match=r"acme:os:x.*no answer"):
        made.factory.poller.poll()


def test_a_retired_source_says_so_on_its_images_and_hides_no_other_failure() -> None:
    made = scenes.settled({"rhel9-base": None})
    del made.ports.marketplace._offered[SOURCE.key]
    began = made.ports.clock.now()
    made.run_until(began + timedelta(days=1))
    made.factory.poller.poll()  # it does not fail for ever
    (silent,) = made.factory.queries.image(scenes.BASE).image.conditions
    assert (silent.type, silent.since) == (ConditionType.SOURCE_SILENT, began)
    assert "SecOps checks publisher, offer, SKU and region" in silent.message
    assert scenes.events(made, scenes.BASE).count(Event.SOURCE_SILENT) == 1


def _register_from_other(made: SimulatedWorld, *names: str) -> None:
    """Roots that are built from another source than the usual one."""
    made.ports.marketplace.publish(OTHER, NEXT)
    for name in names:
        document = fleet.document(name, None)
        document["spec"]["marketplace"] = {"publisher": "Acme", "offer": "os", "sku": "x"}
        bundle = world.upload(made, "content")
        made.factory.registrar.register(
            ImageName(name), document, bundle, scenes.ADMIN, expected=None, create_only=True
        )


def _unregister(made: SimulatedWorld, name: str) -> None:
    digest = str(scenes.head(made, ImageName(name)).registration.definition)
    made.factory.registrar.unregister(ImageName(name), scenes.ADMIN, digest)


def _polled(made: SimulatedWorld) -> list[str]:
    """The sources that the next poll of the timer asks for."""
    made.ports.marketplace.asked.clear()
    made.factory.poller.poll()
    return made.ports.marketplace.asked


def test_a_source_is_not_polled_any_more_when_its_last_root_leaves() -> None:
    made = scenes.registered({})
    _register_from_other(made, "rhel9-base")
    made.register("rhel9-base", None)  # back to the usual SKU
    assert _polled(made) == [SOURCE.key]


def test_a_source_is_not_polled_any_more_when_its_last_root_is_deleted() -> None:
    made = scenes.registered({"rhel9-base": None})
    _register_from_other(made, "root-a", "root-b")
    made.settle()
    _unregister(made, "root-a")
    assert OTHER.key in _polled(made)
    _unregister(made, "root-b")
    assert _polled(made) == [SOURCE.key]
    made.ports.marketplace._offered.pop(OTHER.key)  # the publisher retires the SKU: nobody hears of it
    assert made.factory.poller.poll() == 0


def test_a_source_is_not_polled_any_more_when_its_last_root_gets_a_parent() -> None:
    made = scenes.registered({"rhel9-base": None})
    _register_from_other(made, "root-a")
    made.settle()
    assert OTHER.key in _polled(made)
    made.register("root-a", "rhel9-base")
    assert _polled(made) == [SOURCE.key]


def test_a_release_of_a_source_with_a_long_name_is_announced() -> None:
    made = scenes.registered({})
    long = [replace(OTHER, sku=f"{'s' * 126}-{end}") for end in "ab"]
    campaigns = set()
    for source in long:
        made.ports.marketplace.publish(source, NEXT)
        _follow(made, source)
        assert made.factory.poller.poll() == 1
        message = RebuildMessage.from_wire(scenes.texts(made, "rebuild-requests")[-1])
        campaigns.add(message.campaign)
    assert len(campaigns) == 2
    assert all(CampaignId(campaign).value.endswith(scenes.NEXT_RELEASE) for campaign in campaigns if campaign)


def test_a_returning_release_without_an_answer_does_not_keep_the_newest_from_its_look() -> None:
    made = scenes.settled({"rhel9-base": None})
    first = _newest(made).newest
    scenes.released(made)
    made.drain()
    made.ports.marketplace.withdraw(SOURCE, NEXT)
    _poll_after(made, timedelta(minutes=5))
    made.ports.marketplace.publish(SOURCE, NEXT)
    _poll_after(made, timedelta(minutes=5))
    _poll_after(made, timedelta(minutes=5))
    failing = scenes.Failing(inner=made.ports.marketplace, name="get_image", errors=[scenes.transient()])
    scenes.rewired(made, marketplace=failing)
    _poll_after(made, timedelta(days=1, minutes=5))
    assert failing.errors == [], "the release that returns was asked for, without an answer"
    assert (_newest(made).newest, _newest(made).examined_at) == (first, made.ports.clock.now())


class _Unanswered:
    """A Marketplace that answers no GET of one release."""

    def __init__(self, inner: Any, release: MarketplaceVersion) -> None:
        self._inner = inner
        self._release = release

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_image(self, source: MarketplaceSource, release: MarketplaceVersion) -> Any:
        if release == self._release:
            raise scenes.transient()
        return self._inner.get_image(source, release)


def test_a_returning_release_without_an_answer_keeps_no_other_one_from_its_return() -> None:
    made = scenes.settled({"rhel9-base": None})
    both = [NEXT, MarketplaceVersion.parse("9.9.2026072323")]
    for release in both:
        made.ports.marketplace.publish(SOURCE, release)
        _poll_after(made, timedelta(minutes=5))
    for release in reversed(both):  # only the newest is missed
        made.ports.marketplace.withdraw(SOURCE, release)
        for _ in range(LOOKS):
            _poll_after(made, timedelta(minutes=5))
    assert {each.version for each in _newest(made).withdrawn} == set(both)
    for release in both:
        made.ports.marketplace.publish(SOURCE, release)
    scenes.rewired(made, marketplace=_Unanswered(made.ports.marketplace, both[1]))
    for _ in range(LOOKS + 1):
        _poll_after(made, timedelta(minutes=5))
    assert _newest(made).newest == NEXT
    assert [each.version for each in _newest(made).withdrawn] == [both[1]]


def _poll_after(made: SimulatedWorld, wait: timedelta) -> None:
    made.ports.clock.advance(wait)
    made.factory.poller.poll()
