"""Poll: one list call per source, sent until every root has it, and never backwards."""

from datetime import timedelta

import pytest

from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, TransientError
from pipeline_core.domain.names import ImageName, Region
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.wiring.factory import Factory
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
