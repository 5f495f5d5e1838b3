"""Deliver the feed of one receiver: in order, one exchange at a time, with the answer written before the next.

A receiver that fails costs one exchange for each wait, which doubles up to an hour. It holds up no other receiver.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from pipeline_core.domain import feeds
from pipeline_core.domain.errors import AlreadyExists, FactoryError, TransientError, UnreadableRow
from pipeline_core.domain.feeds import DeliveryOutcome, Feed, FeedItem, FeedTurn
from pipeline_core.domain.journal import Event, standing_key
from pipeline_core.domain.receivers import ReceiverId, place_of
from pipeline_core.ports import Web
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.notify.exchange import ReceiverAnswer, exchange
from pipeline_core.services.notify.signing import Signing
from pipeline_core.state import images
from pipeline_core.state.concurrency import changing
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records
from pipeline_core.wire import events

_RUN = timedelta(
    seconds=45
)  # after this the rest is left to the next message, so that no receiver keeps a worker
_MANY = 50  # facts of one run


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """At least once: a kill between an answer and its record sends the fact again."""

    records: Records
    effects: Effects
    signing: Signing
    web: Web

    def deliver(self, receiver: ReceiverId) -> None:
        """Send what may be sent now. Nothing happens where another delivery holds the feed, or a wait has not ended."""
        held = self._take(receiver)
        end = self.effects.clock.now() + _RUN
        for _ in range(_MANY):
            if held is None:
                return
            if self.effects.clock.now() >= end:
                break
            held = self._send_next(held)
        if held is not None:
            self._release(held)
            self.effects.outbox.deliver(receiver)

    def _take(self, receiver: ReceiverId) -> Stored[Feed] | None:
        """The feed under a lease; None where it is not the turn of this delivery."""

        def take(stored: Stored[Feed] | None) -> Stored[Feed] | None:
            now = self.effects.clock.now()
            turn = FeedTurn.DRAINED if stored is None else feeds.turn_of(stored.value, now)
            if stored is None or turn is not FeedTurn.READY:
                self.effects.logs.note("delivery-not-due", receiver=str(receiver), reason=turn.value)
                return None
            leased = feeds.lease(stored.value, now)
            return Stored(value=leased, etag=self.records.feeds.save(leased, etag=stored.etag))

        return changing(lambda: self.records.feeds.find(receiver), take, subject=f"the feed of {receiver}")

    def _send_next(self, held: Stored[Feed]) -> Stored[Feed] | None:
        """The feed after one fact, still under its lease; None where this delivery ends."""
        feed, now = held.value, self.effects.clock.now()
        try:
            item = self.records.feeds.find_item(feed.id, feed.cursor)
        except UnreadableRow:
            item = None  # it is recorded, and stays as it is: a replay sends it when it can be read
        if item is None:
            return self._write(held, None, feeds.expired)
        if feeds.is_expired(item.value, feed, now):
            why = feed.trouble or "the receiver was switched off"
            return self._bury(held, item, f"not accepted within {feeds.MAX_AGE.days} day: {why}"[:300])
        try:
            entry = self.records.images.find_entry(item.value.fact.image, item.value.fact.entry)
        except UnreadableRow:
            return self._bury(held, item, "its journal entry cannot be read")
        if entry is None:
            return self._bury(held, item, "its journal entry is gone")
        try:
            secrets = self.signing.secrets_of(feed, now)
        except FactoryError as error:
            wait = feeds.SOON if isinstance(error, TransientError) else feeds.LONGEST
            cause = str(error)
            return self._stop(held, lambda feed: feeds.postponed(feed, cause, now, wait))
        identity, body = events.event_id(str(entry.image), entry.key), events.event_of(entry)
        answer = exchange(self.web, feed.url, body, events.headers(identity, body, now, secrets))
        if answer.outcome is DeliveryOutcome.ACCEPTED:
            return self._accept(held, item)
        return self._fail(held, item, answer)

    def _accept(self, held: Stored[Feed], item: Stored[FeedItem]) -> Stored[Feed] | None:
        now = self.effects.clock.now()
        delivered = replace(item, value=replace(item.value, delivered_at=now, dead=""))
        return self._write(held, delivered, lambda feed: feeds.accepted(feed, now))

    def _bury(self, held: Stored[Feed], item: Stored[FeedItem], why: str) -> Stored[Feed] | None:
        """Give a fact up: it stays in the feed as a dead letter, and the next one has its turn."""
        self._note("notification-given-up", held.value, item.value, why)
        return self._write(held, replace(item, value=replace(item.value, dead=why)), feeds.expired)

    def _fail(
        self, held: Stored[Feed], item: Stored[FeedItem], answer: ReceiverAnswer
    ) -> Stored[Feed] | None:
        now, chance = self.effects.clock.now(), self.effects.chance.fraction()

        def fail(feed: Feed) -> tuple[Feed, str]:
            return feeds.failed(feed, answer.outcome, answer.why, now, chance, asked=answer.wait)

        after, dead = fail(held.value)
        self._note("delivery-failed", held.value, item.value, answer.why)
        if after.off is not None:
            self._tell(after, item.value)
        buried = replace(item, value=replace(item.value, dead=dead)) if dead else None
        return self._stop(held, lambda feed: fail(feed)[0], buried)

    def _write(
        self, held: Stored[Feed], item: Stored[FeedItem] | None, change: Callable[[Feed], Feed]
    ) -> Stored[Feed] | None:
        """Write what became of the fact at the cursor. The lease goes on while facts are left.

        Where a person has moved the cursor or switched the receiver off meanwhile, that stands.
        """
        cursor, now = held.value.cursor, self.effects.clock.now()

        def write(stored: Stored[Feed]) -> Stored[Feed] | None:
            feed = stored.value
            has_moved = feed.cursor != cursor
            after = replace(feed if has_moved else change(feed), busy_until=None)
            goes_on = feeds.turn_of(after, now) is FeedTurn.READY
            after = feeds.lease(after, now) if goes_on else after
            changed = () if item is None or has_moved else (item,)
            etag = self.records.feeds.save(after, etag=stored.etag, changed=changed)
            return Stored(value=after, etag=etag) if goes_on else None

        return changing(
            lambda: self.records.feeds.get(held.value.id),
            write,
            known=held,
            subject=f"the feed of {held.value.id}",
        )

    def _stop(
        self, held: Stored[Feed], change: Callable[[Feed], Feed], item: Stored[FeedItem] | None = None
    ) -> Stored[Feed] | None:
        """As `_write`, after a failure: where the feed must wait, a message comes when the wait is over."""
        after = self._write(held, item, change)
        if after is None:
            now, feed = self.effects.clock.now(), self.records.feeds.get(held.value.id).value
            if feed.off is None and feed.cursor < feed.following and feed.due is not None:
                self.effects.outbox.deliver(feed.id, delay=max(feed.due - now, timedelta(0)))
        return after

    def _release(self, held: Stored[Feed]) -> None:
        def release(stored: Stored[Feed]) -> str:
            return self.records.feeds.save(replace(stored.value, busy_until=None), etag=stored.etag)

        changing(
            lambda: self.records.feeds.get(held.value.id),
            release,
            known=held,
            subject=f"the feed of {held.value.id}",
        )

    def _tell(self, feed: Feed, item: FeedItem) -> None:
        """One journal line, on the image whose news could not be sent. Its own receivers are notified, and SecOps'."""
        off = feed.off
        if off is None:
            return
        detail = (
            f"{feed.id} ({place_of(feed.url)}) gets no more notifications: {off.why}; repair it, then run "
            f"`imagefactory notify enable {feed.id}`, which sends what it has missed"
        )
        entry = replace(
            self.effects.journal.of_image(item.fact.image, Event.RECEIVER_OFF, detail=detail),
            key=standing_key(feed.failing_since or off.since, str(feed.id)),
        )
        try:
            self.records.images.commit([images.add_entry(entry)])
        except AlreadyExists:
            return

    def _note(self, event: str, feed: Feed, item: FeedItem, why: str) -> None:
        self.effects.logs.note(
            event, image=str(item.fact.image), receiver=str(feed.id), entry=item.fact.entry, error=why[:300]
        )
