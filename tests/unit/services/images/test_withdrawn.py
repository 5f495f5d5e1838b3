"""A withdrawn release frees the base: the story from the Marketplace's list to the next build."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline_core.domain.builds import Result
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, TransientError
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.releases import FollowedSource, WithdrawalReason
from pipeline_core.domain.source_images import Deprecation, OfferState, SourceImage
from pipeline_core.domain.versions import MarketplaceVersion
from simulation.world import SOURCE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA

FIRST, NEXT = MarketplaceVersion.parse("9.6.2025112113"), MarketplaceVersion.parse(scenes.NEXT_RELEASE)
ONE = {"rhel9-base": None}
TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
_POLL = timedelta(minutes=5)


def _followed(made: SimulatedWorld) -> FollowedSource:
    found = scenes.sources(made).find(SOURCE)
    assert found is not None
    return found.value


def _origins(made: SimulatedWorld, image: ImageName = BASE) -> list[str]:
    return [str(build.inputs.origin).rpartition(":")[2] for build in scenes.builds(made, image)]


def _current(made: SimulatedWorld) -> str:
    current = scenes.head(made, BASE).current
    return "" if current is None else str(current.inputs.origin).rpartition(":")[2]


def _poll(made: SimulatedWorld, times: int = 1) -> None:
    for _ in range(times):
        made.ports.clock.advance(_POLL)
        made.factory.poller.poll()


def _unlist(made: SimulatedWorld, version: MarketplaceVersion) -> None:
    """The list leaves the version out although a GET still finds it."""
    twin = made.ports.marketplace
    twin.unlisted.add((SOURCE.key, version))


def _deprecate(made: SimulatedWorld, state: OfferState, at: datetime | None = None) -> None:
    image = SourceImage(version=NEXT, deprecation=Deprecation(state=state, at=at))
    made.ports.marketplace.describe(SOURCE, image)


def _built_from_next(parents: dict[str, str | None] | None = None) -> SimulatedWorld:
    made = scenes.settled(parents or ONE)
    scenes.released(made)
    made.drain()
    assert _current(made) == str(NEXT)
    return made


def test_a_release_that_was_withdrawn_before_anything_was_published_from_it_frees_the_base_at_once() -> None:
    made = scenes.settled(ONE)
    scenes.released(made)
    made.ports.marketplace.withdraw(SOURCE, NEXT)
    made.drain()
    made.settle()
    assert _origins(made) == [str(FIRST), str(NEXT)]
    failed = scenes.builds(made, BASE)[1]
    assert failed.result is Result.FAILED
    assert _followed(made).newest == FIRST
    assert scenes.rest_of(made, BASE) == "current"
    assert scenes.entry_of(made, BASE, Event.RELEASE_WITHDRAWN).detail.startswith(
        f"RedHat:RHEL:9-lvm-gen2:{NEXT}"
    )


def test_a_build_that_does_not_find_its_release_looks_at_once_and_blocks_nothing() -> None:
    made = scenes.settled(ONE)
    scenes.released(made)
    made.ports.marketplace.withdraw(SOURCE, NEXT)
    made.ports.marketplace.asked.clear()
    made.drain()  # no timer fires in here
    assert made.ports.marketplace.asked == [SOURCE.key]
    assert scenes.claim(made, scenes.builds(made, BASE)[1]).outcome is Outcome.EXHAUSTED
    assert scenes.events(made, BASE).count(Event.RELEASE_WITHDRAWN) == 1


def test_the_first_build_of_an_image_takes_the_newest_that_is_offered_and_tells_of_the_step_down() -> None:
    made = scenes.registered({})
    made.publish_release(scenes.NEXT_RELEASE)
    made.register("rhel9-base", None)
    made.ports.marketplace.withdraw(SOURCE, NEXT)
    made.drain()
    assert _current(made) == str(FIRST)
    assert any(
        "source-withdrawn" in str(reason) and str(NEXT) in str(reason)
        for reason in scenes.builds(made, BASE)[-1].reasons
    )


def test_what_was_built_from_it_stays_where_nothing_else_has_changed() -> None:
    made = _built_from_next()
    made.ports.marketplace.withdraw(SOURCE, NEXT)
    _poll(made)
    made.settle()
    assert _followed(made).newest == FIRST
    assert (_current(made), scenes.rest_of(made, BASE)) == (str(NEXT), "current")
    assert _origins(made) == [str(FIRST), str(NEXT)]


def test_case_09_a_request_waits_for_secops_and_says_why_then_takes_what_is_offered() -> None:
    made = _built_from_next(TWO)
    made.ports.marketplace.withdraw(SOURCE, NEXT)
    answer = made.factory.requests.request(BASE, scenes.ADMIN, "try", "key-1")
    assert answer.build is not None  # nobody knows yet
    made.drain()
    assert scenes.rest_of(made, BASE) == "release-withdrawn"
    shown = made.factory.queries.image(BASE)
    assert str(NEXT) in shown.image.detail
    assert "imagefactory sources accept" in shown.image.detail
    made.factory.sources.accept(SOURCE.key, FIRST, scenes.ADMIN, "9.8 breaks boot")
    made.drain()
    made.settle()
    assert _current(made) == str(FIRST)
    entry = scenes.entry_of(made, BASE, Event.RELEASE_ACCEPTED)
    assert (entry.actor, entry.identity, "9.8 breaks boot" in entry.detail) == ("Admin", "user:admin", True)
    accepted = _followed(made).accepted
    assert accepted is not None
    assert accepted.identity == "user:admin"
    kinds = {reason.kind.value for reason in scenes.builds(made, BASE)[-1].reasons}
    assert kinds == {"source-withdrawn", "rebuild-requested"}
    assert scenes.rest_of(made, JAVA) == "current"


def test_without_a_decision_the_step_is_taken_when_the_patience_ends() -> None:
    made = _built_from_next()
    made.ports.marketplace.withdraw(SOURCE, NEXT)
    _poll(made)
    made.factory.requests.request(BASE, scenes.ADMIN, "try", "key-1")
    made.drain()
    made.ports.clock.advance(timedelta(days=6, hours=23))
    made.settle(sweeps=1)
    assert _current(made) == str(NEXT)
    made.ports.clock.advance(timedelta(hours=2))
    made.settle()
    assert _current(made) == str(FIRST)


def test_the_security_lane_steps_down_at_once() -> None:
    made = _built_from_next()
    made.ports.marketplace.withdraw(SOURCE, NEXT)
    _poll(made)
    scenes.set_platform(made, "hardened further")
    made.drain()
    assert _current(made) == str(FIRST)


def test_a_child_does_not_wait_for_a_base_that_waits_for_secops() -> None:
    made = _built_from_next(TWO)
    made.ports.marketplace.withdraw(SOURCE, NEXT)
    _poll(made)
    made.factory.requests.request(BASE, scenes.ADMIN, "try", "key-1")
    made.register("rhel9-java", "rhel9-base", text="edited")
    made.drain()
    made.settle()
    assert scenes.rest_of(made, BASE) == "release-withdrawn"
    assert scenes.rest_of(made, JAVA) == "current"
    held = {each.type.value for each in made.factory.queries.image(JAVA).image.conditions}
    assert "HeldBack" in held


def test_one_list_without_the_release_withdraws_nothing_and_three_in_a_row_do() -> None:
    made = _built_from_next()
    _unlist(made, NEXT)
    _poll(made, 2)
    assert _followed(made).newest == NEXT
    _poll(made)
    assert _followed(made).newest == FIRST
    (gone,) = _followed(made).withdrawn
    assert (gone.version, gone.by) == (NEXT, WithdrawalReason.UNLISTED)


def test_a_flapping_list_withdraws_nothing() -> None:
    made = _built_from_next()
    for _ in range(6):
        _unlist(made, NEXT)
        _poll(made, 2)
        made.ports.marketplace.unlisted.clear()
        _poll(made)
    assert _followed(made).newest == NEXT
    assert _followed(made).withdrawn == ()


def test_many_looks_at_one_moment_are_no_polls_in_a_row() -> None:
    made = _built_from_next()
    _unlist(made, NEXT)
    for _ in range(9):
        made.factory.poller.poll_one(SOURCE)
    assert _followed(made).newest == NEXT


def test_an_empty_list_empties_no_fleet_and_says_so_on_the_images() -> None:
    made = _built_from_next()
    for version in (FIRST, NEXT):
        _unlist(made, version)
    _poll(made, 5)
    made.settle()
    assert _followed(made).newest == NEXT
    assert scenes.rest_of(made, BASE) == "current"
    (silent,) = [
        each
        for each in made.factory.queries.image(BASE).image.conditions
        if each.type.value == "SourceSilent"
    ]
    assert "lists no version" in silent.message


def test_a_source_that_is_refused_says_so_on_its_images() -> None:
    made = _built_from_next()
    del made.ports.marketplace._offered[SOURCE.key]
    for _ in range(2):
        made.ports.clock.advance(_POLL)
        with pytest.raises(NotFound):
            made.factory.poller.poll()
    _poll(made, 2)  # its images say so now: a poll that failed for ever would hide other failures
    assert scenes.events(made, BASE).count(Event.SOURCE_SILENT) == 1
    held = {each.type.value for each in made.factory.queries.image(BASE).image.conditions}
    assert "SourceSilent" in held


def test_a_deprecated_release_is_withdrawn_and_one_that_is_only_scheduled_is_a_warning_with_its_day() -> None:
    made = _built_from_next()
    day = datetime(2026, 12, 24, tzinfo=UTC)
    _deprecate(made, OfferState.SCHEDULED, at=day)
    made.ports.clock.advance(timedelta(days=1))
    _poll(made)
    assert (_followed(made).newest, _followed(made).ends_at) == (NEXT, day)
    (ends,) = made.factory.queries.image(BASE).image.conditions
    assert (ends.type.value, "2026-12-24" in ends.message) == ("SourceEnds", True)
    _deprecate(made, OfferState.DEPRECATED)
    made.ports.clock.advance(timedelta(days=1))
    _poll(made)
    assert _followed(made).newest == FIRST
    assert _followed(made).withdrawn[0].by is WithdrawalReason.DEPRECATED


def test_a_release_is_asked_for_on_the_day_that_its_publisher_named() -> None:
    made = _built_from_next()
    day = made.ports.clock.now() + timedelta(days=1, hours=1)
    _deprecate(made, OfferState.SCHEDULED, at=day)
    made.ports.clock.advance(timedelta(days=1))
    _poll(made)
    _deprecate(made, OfferState.DEPRECATED)
    made.ports.clock.set(day)
    made.factory.poller.poll()
    assert _followed(made).newest == FIRST


def test_a_release_that_returns_needs_as_many_polls() -> None:
    made = _built_from_next()
    made.ports.marketplace.withdraw(SOURCE, NEXT)
    _poll(made)
    assert _followed(made).newest == FIRST
    made.ports.marketplace.publish(SOURCE, NEXT)
    _poll(made, 2)
    assert _followed(made).newest == FIRST
    _poll(made)
    assert (_followed(made).newest, _followed(made).withdrawn) == (NEXT, ())
    made.settle()
    assert scenes.rest_of(made, BASE) == "current"
    assert Event.RELEASE_RETURNED in scenes.events(made, BASE)


def test_a_release_that_failed_while_it_was_gone_is_built_when_it_is_back() -> None:
    made = scenes.settled(ONE)
    scenes.released(made)
    made.ports.marketplace.withdraw(SOURCE, NEXT)
    made.drain()
    made.ports.marketplace.publish(SOURCE, NEXT)
    _poll(made, 3)
    made.ports.clock.advance(timedelta(minutes=30))
    made.settle()
    assert _current(made) == str(NEXT)


def test_a_deprecated_release_that_is_still_listed_does_not_return() -> None:
    made = _built_from_next()
    _deprecate(made, OfferState.DEPRECATED)
    made.ports.clock.advance(timedelta(days=1))
    _poll(made, 12)
    assert _followed(made).newest == FIRST
    assert Event.RELEASE_RETURNED not in scenes.events(made, BASE)


def test_the_revision_of_a_source_only_rises() -> None:
    made = _built_from_next()
    seen = [_followed(made).revision]
    made.ports.marketplace.withdraw(SOURCE, NEXT)
    _poll(made)
    seen.append(_followed(made).revision)
    made.ports.marketplace.publish(SOURCE, NEXT)
    _poll(made, 3)
    seen.append(_followed(made).revision)
    assert seen == sorted(set(seen))


def test_polls_of_a_day_cost_one_list_call_each_and_one_get() -> None:
    made = scenes.settled({f"root-{number}": None for number in range(7)})
    twin = made.ports.marketplace
    made.ports.clock.advance(timedelta(days=1))
    twin.asked.clear()
    twin.described.clear()
    _poll(made, 287)
    assert len(twin.asked) == 287
    assert len(twin.described) == 1


def test_a_look_without_an_answer_is_made_again_by_the_next_poll() -> None:
    made = scenes.settled(ONE)
    failing = scenes.Failing(inner=made.ports.marketplace, name="get_image", errors=[scenes.transient()])
    scenes.rewired(made, marketplace=failing)
    scenes.released(made)
    assert _followed(made).newest == NEXT  # what is listed is not kept from anybody
    assert _followed(made).examined_at is None
    _poll(made)
    assert _followed(made).examined_at is not None


def test_a_doubt_that_cannot_be_looked_at_leaves_the_end_of_the_build_in_place() -> None:
    made = scenes.settled(ONE)
    scenes.released(made)
    made.ports.marketplace.withdraw(SOURCE, NEXT)
    failing = scenes.Failing(
        inner=made.ports.marketplace, name="list_versions", errors=[scenes.transient() for _ in range(9)]
    )
    scenes.rewired(made, marketplace=failing)
    made.drain()
    assert scenes.builds(made, BASE)[1].result is Result.FAILED
    assert _followed(made).newest == NEXT
    failing.errors.clear()
    _poll(made)
    made.settle()
    assert scenes.rest_of(made, BASE) == "current"


def test_only_the_release_that_images_are_built_from_is_doubted() -> None:
    made = _built_from_next()
    made.ports.marketplace.asked.clear()
    made.factory.poller.doubt(SOURCE, FIRST)
    made.factory.poller.doubt(replace(SOURCE, sku="another"), NEXT)
    assert made.ports.marketplace.asked == []


def test_only_secops_accepts() -> None:
    made = _built_from_next()
    made.ports.marketplace.withdraw(SOURCE, NEXT)
    _poll(made)
    with pytest.raises(PermanentError, match="only SecOps"):
        made.factory.sources.accept(SOURCE.key, FIRST, scenes.principal("payments"), "mine")
    with pytest.raises(PermanentError, match="no reason was given") as refused:
        made.factory.sources.accept(SOURCE.key, FIRST, scenes.ADMIN, " ")
    assert refused.value.error_class is ErrorClass.POLICY
    assert _followed(made).accepted is None


def test_a_webhook_that_wants_the_news_gets_it_once() -> None:
    made = _built_from_next()
    scenes.wants(made, BASE, Event.RELEASE_WITHDRAWN)
    made.ports.marketplace.withdraw(SOURCE, NEXT)
    _poll(made)
    assert len(scenes.texts(made, "notification-requests")) == 1
    made.factory.poller.announce(_stored(made))
    assert len(scenes.texts(made, "notification-requests")) == 1
    assert scenes.events(made, BASE).count(Event.RELEASE_WITHDRAWN) == 1


def _stored(made: SimulatedWorld):  # type: ignore[no-untyped-def]
    return scenes.sources(made).find(SOURCE)


def test_errors_of_time_are_not_taken_for_a_release_that_is_gone() -> None:
    made = _built_from_next()
    failing = scenes.Failing(
        inner=made.ports.marketplace, name="list_versions", errors=[scenes.transient() for _ in range(9)]
    )
    scenes.rewired(made, marketplace=failing)
    for _ in range(9):
        made.ports.clock.advance(_POLL)
        with pytest.raises(TransientError):
            made.factory.poller.poll()
    assert _followed(made).newest == NEXT
