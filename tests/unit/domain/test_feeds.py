"""The feed of a receiver: sequences, the cursor, and what each answer means."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain import conditions, feeds
from pipeline_core.domain.feeds import DeliveryOutcome, Fact, Feed, FeedItem, FeedTurn
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.receivers import ReceiverId

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ID = ReceiverId("payments--0123456789abcdef")
FEED = Feed(id=ID, url="https://hooks.example.com/a")
OFF = feeds.switched_off(FEED, "why", "factory", NOW)


def _fact(number: int) -> Fact:
    return Fact(image=ImageName("a"), entry=f"e{number}", event="image.published")


def _with(count: int) -> Feed:
    return feeds.append(FEED, [_fact(number) for number in range(count)], NOW)[0]


def test_facts_take_the_next_sequences_in_their_order() -> None:
    feed, items = feeds.append(FEED, [_fact(1), _fact(2)], NOW)
    assert [(each.sequence, each.fact.entry) for each in items] == [(1, "e1"), (2, "e2")]
    assert feed.following == 3


def test_a_fact_that_is_appended_again_is_left_out() -> None:
    feed, items = feeds.append(_with(2), [_fact(1), _fact(2)], NOW)
    assert [each.fact.entry for each in items] == ["e2"]
    assert feed.following == 4


def test_the_memory_of_facts_is_bounded() -> None:
    assert len(_with(100).recent) == 32


TURNS = {
    "nothing": (FEED, FeedTurn.DRAINED),
    "a fact": (_with(1), FeedTurn.READY),
    "switched off": (replace(_with(1), off=OFF.off), FeedTurn.OFF),
    "held": (feeds.lease(_with(1), NOW), FeedTurn.BUSY),
    "held by one that died": (feeds.lease(_with(1), NOW - feeds.LEASE), FeedTurn.READY),
    "waits": (replace(_with(1), due=NOW + MINUTE), FeedTurn.EARLY),
    "has waited": (replace(_with(1), due=NOW), FeedTurn.READY),
    "waits with nothing": (replace(FEED, due=NOW + MINUTE), FeedTurn.DRAINED),
}


@pytest.mark.parametrize(("feed", "turn"), TURNS.values(), ids=TURNS)
def test_whose_turn_it_is(feed: Feed, turn: FeedTurn) -> None:
    assert feeds.turn_of(feed, NOW) is turn


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, DeliveryOutcome.ACCEPTED),
        (204, DeliveryOutcome.ACCEPTED),
        (299, DeliveryOutcome.ACCEPTED),
        (302, DeliveryOutcome.FAILED),
        (400, DeliveryOutcome.REFUSED),
        (404, DeliveryOutcome.REFUSED),
        (408, DeliveryOutcome.FAILED),
        (410, DeliveryOutcome.GONE),
        (425, DeliveryOutcome.FAILED),
        (429, DeliveryOutcome.FAILED),
        (500, DeliveryOutcome.FAILED),
        (100, DeliveryOutcome.FAILED),
    ],
)
def test_what_a_status_says(status: int, outcome: DeliveryOutcome) -> None:
    assert feeds.outcome_of(status) is outcome


def test_a_fact_grows_old_from_its_time_or_from_the_last_replay() -> None:
    item = FeedItem(sequence=1, fact=_fact(1), at=NOW)
    assert not feeds.is_expired(item, FEED, NOW + DAY - MINUTE)
    assert feeds.is_expired(item, FEED, NOW + DAY)
    assert not feeds.is_expired(item, replace(FEED, renewed_at=NOW + HOUR), NOW + DAY)


def test_an_acceptance_moves_the_cursor_and_ends_the_failures() -> None:
    failing = replace(_with(2), tries=3, failing_since=NOW, trouble="t", due=NOW)
    after = feeds.accepted(failing, NOW)
    assert (after.cursor, after.tries, after.failing_since, after.trouble, after.due) == (
        2,
        0,
        None,
        "",
        None,
    )
    assert after.accepted_at == NOW


def test_a_fact_that_is_too_old_moves_the_cursor_and_not_the_failures() -> None:
    after = feeds.expired(replace(_with(2), tries=3, failing_since=NOW))
    assert (after.cursor, after.tries, after.failing_since, after.given_up) == (2, 0, NOW, 1)


def test_failures_wait_longer_each_time_up_to_an_hour() -> None:
    waits = [feeds.wait(tries) // MINUTE for tries in range(1, 12)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_longer_than_an_hour_and_never_shorter_than_half_a_minute(
    tries: int, chance: float
) -> None:
    after, dead = feeds.failed(replace(_with(1), tries=tries), DeliveryOutcome.FAILED, "why", NOW, chance)
    assert after.due is not None
    assert MINUTE / 2 <= after.due - NOW <= HOUR
    assert dead == ""


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        (None, MINUTE / 2),
        (timedelta(0), MINUTE / 2),
        (timedelta(seconds=29), MINUTE / 2),
        (timedelta(minutes=20), timedelta(minutes=20)),
        (timedelta(days=400), HOUR),
        (-DAY, MINUTE / 2),
    ],
)
def test_the_next_try_is_no_sooner_than_the_receiver_asks_for_up_to_an_hour(
    asked: timedelta | None, wait: timedelta
) -> None:
    after, _ = feeds.failed(_with(1), DeliveryOutcome.FAILED, "it answered 429", NOW, 0.0, asked=asked)
    assert after.due == NOW + wait


def test_a_refused_fact_has_eight_tries() -> None:
    feed = feeds.lease(_with(2), NOW)
    for _ in range(7):
        feed, dead = feeds.failed(feed, DeliveryOutcome.REFUSED, "it answered 404", NOW, 0)
        assert (feed.cursor, dead, feed.busy_until) == (1, "", None)
    feed, dead = feeds.failed(feed, DeliveryOutcome.REFUSED, "it answered 404", NOW, 0)
    assert (feed.cursor, feed.given_up, dead) == (2, 1, "refused 8 times: it answered 404")


def test_a_receiver_that_is_gone_is_switched_off() -> None:
    after, dead = feeds.failed(_with(1), DeliveryOutcome.GONE, "it answered 410", NOW, 0)
    assert after.off is not None
    assert (after.off.why, after.cursor, dead) == ("it answered 410 Gone", 1, "")


def test_a_receiver_that_fails_for_days_is_switched_off() -> None:
    failing = replace(_with(1), failing_since=NOW - feeds.OFF_AFTER, tries=4)
    after, _ = feeds.failed(failing, DeliveryOutcome.FAILED, "no answer", NOW, 0)
    assert after.off is not None
    assert after.off.why == "it failed for 3 days: no answer"


def test_one_failure_long_after_another_switches_nothing_off() -> None:
    failing = replace(_with(1), failing_since=NOW - 2 * feeds.OFF_AFTER)
    assert feeds.failed(failing, DeliveryOutcome.FAILED, "no answer", NOW, 0)[0].off is None


def test_a_cause_of_our_own_is_no_failure_of_the_receiver() -> None:
    after = feeds.postponed(feeds.lease(_with(1), NOW), "no secret", NOW, HOUR)
    assert (after.tries, after.failing_since, after.due, after.busy_until) == (0, None, NOW + HOUR, None)


def test_a_receiver_is_switched_on_without_its_past() -> None:
    after = feeds.switched_on(replace(OFF, tries=3, failing_since=NOW, trouble="t", due=NOW))
    assert (after.off, after.tries, after.failing_since, after.trouble, after.due) == (
        None,
        0,
        None,
        "",
        None,
    )


@pytest.mark.parametrize(("first", "cursor"), [(0, 3), (3, 3), (4, 4), (9, 6)])
def test_a_replay_moves_the_cursor_back_and_never_forward(first: int, cursor: int) -> None:
    feed = replace(_with(9), cursor=6, oldest=3, given_up=2)
    after = feeds.replayed(feed, first, NOW)
    assert (after.cursor, after.given_up, after.renewed_at) == (cursor, 0, NOW)


def test_what_was_missed_can_be_left_out() -> None:
    assert feeds.turn_of(feeds.skipped(_with(3)), NOW) is FeedTurn.DRAINED


def test_two_secrets_sign_for_a_day_after_a_rotation() -> None:
    first = feeds.rotated(FEED, "1", NOW)
    assert feeds.signing(first, NOW) == ("1",)
    second = feeds.rotated(first, "2", NOW)
    assert feeds.signing(second, NOW + DAY - MINUTE) == ("2", "1")
    assert feeds.signing(second, NOW + DAY) == ("2",)
    assert feeds.signing(FEED, NOW) == ()


def test_removed_facts_that_were_not_sent_are_counted() -> None:
    feed = replace(_with(9), cursor=3)
    after = feeds.trimmed(feed, 4)
    assert (after.oldest, after.cursor, after.given_up) == (5, 5, 2)
    assert feeds.trimmed(replace(feed, cursor=9), 4).given_up == 0


def test_the_conditions_of_a_receiver_name_the_command() -> None:
    signed = feeds.rotated(FEED, "1", NOW)
    assert conditions.of_receiver(signed, allows_unsigned=False) == ()
    (unsigned,) = conditions.of_receiver(FEED, allows_unsigned=False)
    assert (unsigned.type.value, unsigned.reason) == ("ReceiverUnsigned", "NoSecret")
    assert f"imagefactory notify secret rotate {ID}" in unsigned.message
    (allowed,) = conditions.of_receiver(FEED, allows_unsigned=True)
    assert allowed.reason == "SentUnsigned"
    (off,) = conditions.of_receiver(feeds.switched_off(signed, "gone", "factory", NOW), allows_unsigned=False)
    assert (off.type.value, off.since) == ("ReceiverSwitchedOff", NOW)
    assert f"imagefactory notify enable {ID}" in off.message


def test_who_switched_a_receiver_off_is_shown_with_the_identity() -> None:
    off = feeds.SwitchedOff(since=NOW, why="it fails", actor="Ada", identity="user:1@t")
    assert off.by == "Ada, user:1@t"
    assert replace(off, identity=None).by == "Ada"
