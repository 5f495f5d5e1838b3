"""The feed of one receiver: facts in a sequence, a cursor, and what each answer of the receiver means. Pure.

A fact takes its sequence from the feed's head, so facts of one image stay in their order. The cursor moves to the
next fact after an answer that accepts, or after a fact was given up (its dead letter). A replay moves it back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, unique

from pipeline_core.domain.actors import ActorOrPart, actor_of
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.receivers import ReceiverId

KEPT = 1000  # facts of a feed that stay readable for a replay; older ones are removed
MAX_AGE = timedelta(days=1)  # a fact that was not accepted for so long is given up
OFF_AFTER = timedelta(days=3)  # a receiver that accepted nothing for so long is switched off
OVERLAP = timedelta(days=1)  # for so long after a rotation the former secret signs too
LEASE = timedelta(minutes=2)  # longer than one exchange (20 s) with the reads and writes around it
SOON, LONGEST = timedelta(minutes=1), timedelta(hours=1)  # the first wait after a failure, and the ceiling
_PERSISTENT = (
    5  # tries of one fact that must have failed too: a rare event must not switch a receiver off at once
)
_REFUSALS = 8  # tries of one fact that the receiver refuses (4xx) before the next fact has its turn
_RECENT = 32  # facts that the head remembers, so that one that is announced again is not appended again


@unique
class DeliveryOutcome(Enum):
    """What one exchange says."""

    ACCEPTED = "accepted"  # 2xx
    REFUSED = "refused"  # 4xx: the receiver works, and does not take this fact
    FAILED = (
        "failed"  # no answer, 5xx, a redirect, or an address that is not public: the receiver does not work
    )
    GONE = "gone"  # 410: the receiver wants nothing any more (Standard Webhooks: disable the endpoint)


@unique
class FeedTurn(Enum):
    """What may be done with a feed now."""

    OFF = "off"  # switched off, until a person switches it on
    BUSY = "busy"  # another delivery holds the lease
    EARLY = "early"  # the wait after a failure has not ended
    DRAINED = "drained"  # nothing is left
    READY = "ready"  # the fact at the cursor can be sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A pointer at one journal entry of an image."""

    image: ImageName
    entry: str
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedItem:
    """One fact in a feed. `dead` says why it was given up; empty while it was not."""

    sequence: int
    fact: Fact
    at: datetime
    delivered_at: datetime | None = None
    dead: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchedOff:
    """Since when and why nothing is sent; `actor` is the person, or the factory, which has no `identity`."""

    since: datetime
    why: str
    actor: str
    identity: str | None = None

    @property
    def by(self) -> str:
        """Who did it, for people."""
        return self.actor if self.identity is None else f"{self.actor}, {self.identity}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """The head of a receiver's feed. Times are aware UTC. `following` is the sequence that the next fact takes.

    `secret` and `former_secret` are versions in the vault, never values; the former one signs until `former_until`.
    """

    id: ReceiverId
    url: str
    following: int = 1
    cursor: int = 1
    oldest: int = 1  # the lowest sequence that is kept
    recent: tuple[str, ...] = ()
    tries: int = 0  # failed exchanges since the cursor moved
    failing_since: datetime | None = None  # the first failure after the last accepted fact
    trouble: str = ""  # why the last exchange failed
    due: datetime | None = None  # nothing is sent before
    busy_until: datetime | None = None  # one delivery at a time
    off: SwitchedOff | None = None
    given_up: int = 0  # dead letters that were not replayed since
    renewed_at: datetime | None = None  # the last replay: ages count from it
    accepted_at: datetime | None = None
    secret: str = ""
    former_secret: str = ""
    former_until: datetime | None = None


def append(feed: Feed, facts: Sequence[Fact], now: datetime) -> tuple[Feed, tuple[FeedItem, ...]]:
    """The feed with the facts that it does not remember, in their order, and their items."""
    items: list[FeedItem] = []
    for fact in facts:
        name = f"{fact.image}/{fact.entry}"
        if name in feed.recent:
            continue
        items.append(FeedItem(sequence=feed.following, fact=fact, at=now))
        feed = replace(feed, following=feed.following + 1, recent=(*feed.recent, name)[-_RECENT:])
    return feed, tuple(items)


def turn_of(feed: Feed, now: datetime) -> FeedTurn:
    """What may be done now."""
    if feed.off is not None:
        return FeedTurn.OFF
    if feed.busy_until is not None and now < feed.busy_until:
        return FeedTurn.BUSY
    if feed.cursor >= feed.following:
        return FeedTurn.DRAINED
    if feed.due is not None and now < feed.due:
        return FeedTurn.EARLY
    return FeedTurn.READY


def lease(feed: Feed, now: datetime) -> Feed:
    """The feed while one delivery works on it."""
    return replace(feed, busy_until=now + LEASE)


def is_expired(item: FeedItem, feed: Feed, now: datetime) -> bool:
    """True where the fact, or the last replay, is older than a fact may become."""
    begun = item.at if feed.renewed_at is None else max(item.at, feed.renewed_at)
    return now >= begun + MAX_AGE


def outcome_of(status: int) -> DeliveryOutcome:
    """What the status of an answer says. 408, 425 and 429 ask for another time."""
    if 200 <= status < 300:
        return DeliveryOutcome.ACCEPTED
    if status == 410:
        return DeliveryOutcome.GONE
    return (
        DeliveryOutcome.REFUSED
        if 400 <= status < 500 and status not in (408, 425, 429)
        else DeliveryOutcome.FAILED
    )


def accepted(feed: Feed, now: datetime) -> Feed:
    """After the fact at the cursor was accepted."""
    return replace(_moved(feed), failing_since=None, trouble="", accepted_at=now)


def expired(feed: Feed) -> Feed:
    """After the fact at the cursor was given up, for its age or because it cannot be read."""
    return replace(_moved(feed), given_up=feed.given_up + 1)


def failed(
    feed: Feed,
    outcome: DeliveryOutcome,
    why: str,
    now: datetime,
    chance: float,
    *,
    asked: timedelta | None = None,
) -> tuple[Feed, str]:
    """After an exchange that did not accept; with the reason where the fact at the cursor is given up, else empty.

    `chance` in [0, 1) spreads the wait over its upper half. It is never shorter than the receiver has `asked` for,
    up to an hour.
    """
    since = feed.failing_since or now
    after = replace(feed, tries=feed.tries + 1, failing_since=since, trouble=why[:300], busy_until=None)
    if outcome is DeliveryOutcome.GONE or (now >= since + OFF_AFTER and after.tries >= _PERSISTENT):
        text = (
            "it answered 410 Gone"
            if outcome is DeliveryOutcome.GONE
            else f"it failed for {OFF_AFTER.days} days: {why}"
        )
        return switched_off(after, text[:300], "factory", now), ""
    if outcome is DeliveryOutcome.REFUSED and after.tries >= _REFUSALS:
        moved = replace(_moved(after), given_up=after.given_up + 1, busy_until=None)
        return moved, f"refused {_REFUSALS} times: {why}"[:300]
    own = wait(after.tries) * (0.5 + chance / 2)
    return replace(after, due=now + max(own, min(asked or own, LONGEST))), ""


def wait(tries: int) -> timedelta:
    """The longest wait after so many failures in a row (from 1): it doubles up to an hour."""
    return min(SOON * (1 << min(tries - 1, 10)), LONGEST)


def postponed(feed: Feed, why: str, now: datetime, delay: timedelta) -> Feed:
    """After nothing could be sent for a cause of our own, such as a missing secret. The receiver did not fail."""
    return replace(feed, trouble=why[:300], due=now + delay, busy_until=None)


def switched_off(feed: Feed, why: str, actor: ActorOrPart, now: datetime) -> Feed:
    """The feed of a receiver to which nothing is sent any more. Facts are still appended."""
    by = actor_of(actor)
    off = SwitchedOff(since=now, why=why, actor=by.name, identity=by.identity)
    return replace(feed, off=off, busy_until=None)


def switched_on(feed: Feed) -> Feed:
    """The feed at work again, from its cursor on."""
    return replace(feed, off=None, tries=0, failing_since=None, trouble="", due=None)


def replayed(feed: Feed, first: int, now: datetime) -> Feed:
    """The feed with its cursor back at `first`, or at the oldest kept fact; never forward."""
    cursor = max(feed.oldest, min(first, feed.cursor))
    return replace(feed, cursor=cursor, given_up=0, renewed_at=now, tries=0, due=None)


def skipped(feed: Feed) -> Feed:
    """The feed with its cursor behind everything that it holds."""
    return replace(feed, cursor=feed.following)


def rotated(feed: Feed, version: str, now: datetime) -> Feed:
    """The feed with a new secret. The former one signs too for a day, so that no delivery is refused meanwhile."""
    until = now + OVERLAP if feed.secret else None
    return replace(feed, secret=version, former_secret=feed.secret, former_until=until, due=None)


def signing(feed: Feed, now: datetime) -> tuple[str, ...]:
    """The versions of the secret that sign now, the newest first; empty where there is none."""
    has_former = feed.former_secret and feed.former_until is not None and now < feed.former_until
    return tuple(filter(None, (feed.secret, feed.former_secret if has_former else "")))


def trimmed(feed: Feed, removed: int) -> Feed:
    """The feed after its `removed` oldest facts were removed. What was not sent of them is lost, and counted."""
    oldest = feed.oldest + removed
    lost = max(0, oldest - feed.cursor)
    return replace(feed, oldest=oldest, cursor=max(feed.cursor, oldest), given_up=feed.given_up + lost)


def _moved(feed: Feed) -> Feed:
    return replace(feed, cursor=feed.cursor + 1, tries=0, due=None)
