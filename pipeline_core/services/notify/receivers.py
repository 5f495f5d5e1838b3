"""What people do with receivers: look, make and rotate secrets, switch off and on, replay, try; SecOps adds its own."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import BoundedSemaphore
from urllib.parse import urlsplit

from pipeline_core.domain import access, conditions, feeds
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.conditions import Condition
from pipeline_core.domain.definitions import Webhook
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    NotFound,
    PermanentError,
    StaleWrite,
    TransientError,
    UnreadableRow,
)
from pipeline_core.domain.feeds import DeliveryOutcome, Feed
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.receivers import FleetReceiver, ReceiverId, place_of
from pipeline_core.guard import placeholders, steps
from pipeline_core.ports import Principal, Secrets, Web
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.notify import owners
from pipeline_core.services.notify.exchange import exchange
from pipeline_core.services.notify.fanout import Fanout
from pipeline_core.services.notify.signing import Signing
from pipeline_core.state import images
from pipeline_core.state.concurrency import changing
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records
from pipeline_core.wire import events

PAGE = 100  # receivers of a page; each costs one read
PAGE_LIMIT = 200  # the most that a page holds
_DEAD = 100  # dead letters that are shown
_TRIALS = BoundedSemaphore(
    4
)  # at once in a process, so that slow receivers never hold every thread of the API


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A fact that was given up, and why."""

    sequence: int
    image: ImageName
    event: str
    at: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverView:
    """A receiver for people; the path of its address may hold a token, so only scheme and host are shown.

    `waiting` counts facts that are not sent yet, `given_up` dead letters since the last replay. `fleet` is what a
    receiver of SecOps wants; None for a team's, of which each image's definition says it, and for one that was removed.
    """

    id: ReceiverId
    team: TeamName | None
    place: str
    state: str
    waiting: int
    given_up: int
    has_secret: bool
    former_secret_until: datetime | None
    failing_since: datetime | None
    next_try: datetime | None
    accepted_at: datetime | None
    detail: str
    dead_letters: tuple[DeadLetter, ...] = ()
    fleet: FleetReceiver | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverPage:
    """A page of receivers by id. `after` is the cursor of the next page, None at the end."""

    receivers: tuple[ReceiverView, ...]
    after: ReceiverId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receivers:
    """Everybody who may read sees every receiver. A team's are changed by its members and SecOps, SecOps' by SecOps."""

    records: Records
    effects: Effects
    fanout: Fanout
    signing: Signing
    secrets: Secrets
    web: Web

    def page(
        self, image: ImageName | None = None, *, after: ReceiverId | None = None, limit: int = PAGE
    ) -> ReceiverPage:
        """The receivers of one image, else all that have a feed: at most `limit` by id, behind `after`.

        One whose feed cannot be read is left out, and one that SecOps removed: what its feed holds is still sent. So
        a page may hold fewer than `limit`.
        """
        size = min(limit, PAGE_LIMIT)
        if image is None:
            ids = self.records.feeds.known(after=after, limit=size)
        else:
            known = sorted(set(self._of_image(image)))
            ids = [each for each in known if after is None or each > after][:size]
        fleet = self._of_fleet() if any(each.team is None for each in ids) else {}
        wanted = [each for each in ids if each.team is not None or each in fleet]
        found = [(fleet.get(each), self.records.feeds.find_readable(each)) for each in wanted]
        shown = tuple(self._view(feed.value, wish) for wish, feed in found if feed is not None)
        return ReceiverPage(receivers=shown, after=ids[-1] if len(ids) == size else None)

    def show(self, receiver: ReceiverId) -> ReceiverView:
        """One receiver with its dead letters. Raises NotFound."""
        feed = self.records.feeds.get(receiver).value
        items = self.records.feeds.list_items(receiver, first=feed.oldest)
        dead = [
            DeadLetter(
                sequence=each.sequence,
                image=each.fact.image,
                event=each.fact.event,
                at=each.at,
                why=each.dead,
            )
            for each in items
            if each.dead
        ]
        return replace(self._shown(feed), dead_letters=tuple(dead[-_DEAD:]))

    def rotate(self, receiver: ReceiverId, principal: Principal) -> str:
        """Make a new secret and show it, once. The former one signs too for a day."""
        self._get(receiver, principal, ApiOperation.ROTATE_SECRET)
        chance = self.effects.chance
        key = b"".join(bytes.fromhex(chance.nonce()) for _ in range(events.SECRET_BYTES // 8))
        secret = events.secret_of(key)
        version = self.secrets.set(receiver.secret_name, secret)
        self._change(receiver, lambda feed: feeds.rotated(feed, version, self.effects.clock.now()))
        self._log("receiver-secret-rotated", receiver, principal)
        self.effects.outbox.deliver(receiver)
        return secret

    def disable(self, receiver: ReceiverId, principal: Principal, reason: str) -> ReceiverView:
        """Send nothing any more. Facts still go into the feed."""
        self._get(receiver, principal, ApiOperation.DISABLE_RECEIVER)
        now = self.effects.clock.now()
        feed = self._change(
            receiver,
            lambda feed: feeds.switched_off(feed, reason or "a person switched it off", principal.actor, now),
        )
        self._tell(feed, Event.RECEIVER_OFF, principal, reason)
        self._log("receiver-switched-off", receiver, principal)
        return self._shown(feed)

    def enable(self, receiver: ReceiverId, principal: Principal, *, replays: bool = True) -> ReceiverView:
        """Send again: with `replays` from the first fact on that was given up or not sent, else from the newest on."""
        feed = self._get(receiver, principal, ApiOperation.ENABLE_RECEIVER).value
        now = self.effects.clock.now()
        first = self._first_missed(feed) if replays else feed.following

        def change(feed: Feed) -> Feed:
            on = feeds.switched_on(feed)
            return feeds.replayed(on, first, now) if replays else feeds.skipped(on)

        feed = self._change(receiver, change)
        self._tell(feed, Event.RECEIVER_ON, principal, "")
        self._log("receiver-switched-on", receiver, principal)
        self._wake(receiver)
        return self._shown(feed)

    def replay(self, receiver: ReceiverId, principal: Principal, since: datetime | None) -> ReceiverView:
        """Send again what was appended since a time; without one, from the first fact on that was given up."""
        feed = self._get(receiver, principal, ApiOperation.REPLAY_RECEIVER).value
        if feed.off is not None:
            text = f"{receiver} is switched off: run `imagefactory notify enable {receiver}`, which replays"
            raise PermanentError(ErrorClass.CONFLICT, text)
        first = self._first_missed(feed) if since is None else self._first_since(feed, since)
        now = self.effects.clock.now()
        feed = self._change(receiver, lambda feed: feeds.replayed(feed, first, now))
        self._log("receiver-replayed", receiver, principal)
        self._wake(receiver)
        return self._shown(feed)

    def test(self, receiver: ReceiverId, principal: Principal) -> tuple[bool, str]:
        """Send a trial now: whether the receiver accepted it, and what it said. It changes nothing."""
        feed = self._get(receiver, principal, ApiOperation.TEST_RECEIVER).value
        if not _TRIALS.acquire(blocking=False):
            text = "other trials run: each may take 20 s; try again"
            raise TransientError(ErrorClass.THROTTLED, text, retry_after=timedelta(seconds=20))
        try:
            return self._try(receiver, feed)
        finally:
            _TRIALS.release()

    def _try(self, receiver: ReceiverId, feed: Feed) -> tuple[bool, str]:
        now = self.effects.clock.now()
        identity, body = events.trial_of(str(receiver), self.effects.chance.nonce(), now)
        try:
            secrets = self.signing.secrets_of(feed, now)
        except NotFound as error:
            raise PermanentError(ErrorClass.CONFLICT, f"nothing was sent to {receiver}: {error}") from error
        answer = exchange(self.web, feed.url, body, events.headers(identity, body, now, secrets))
        return answer.outcome is DeliveryOutcome.ACCEPTED, answer.why or "it accepted the trial"

    def add(self, receiver: FleetReceiver, principal: Principal, *, replaces: bool = False) -> ReceiverView:
        """Add one of SecOps' own receivers. SecOps only. Safe to repeat.

        One that wants something else already is changed with `replaces` only: it then wants what is given, and nothing
        else. Raises PermanentError (CONFLICT) without it.
        """
        access.demand(ApiOperation.ADD_FLEET_RECEIVER, principal)
        if not receiver.events and not receiver.bases:
            raise PermanentError(ErrorClass.POLICY, "the receiver wants nothing: name events, or bases")
        _demand_address(receiver.url)
        known = self.records.feeds.find_fleet_receiver(receiver.id)
        if known is not None and known.value != receiver and not replaces:
            text = (
                f"{receiver.id} wants something else already ({known.value.wish}), so nothing was changed: "
                "give all that it is to want, and `--replace` (API: `replace`)"
            )
            raise PermanentError(ErrorClass.CONFLICT, text)
        try:
            self.records.feeds.put_fleet_receiver(receiver, etag=None if known is None else known.etag)
        except (AlreadyExists, StaleWrite) as error:
            raise AlreadyExists(f"{receiver.id} is being changed by another request: look again") from error
        self.effects.notices.forget()
        if self.records.feeds.find(receiver.id) is None:
            self.fanout.ensure(receiver.id, receiver.url)
        self._log("fleet-receiver-added", receiver.id, principal)
        return self._view(self.records.feeds.get(receiver.id).value, receiver)

    def remove(self, receiver: ReceiverId, principal: Principal) -> None:
        """Send it nothing new. What its feed holds is still sent. SecOps only. Raises NotFound."""
        access.demand(ApiOperation.REMOVE_FLEET_RECEIVER, principal)
        self.records.feeds.remove_fleet_receiver(receiver)
        self.effects.notices.forget()
        self._log("fleet-receiver-removed", receiver, principal)

    def conditions_of(self, head: ImageHead) -> tuple[Condition, ...]:
        """What keeps the image's owners from being notified. Costs nothing for an image without receivers."""
        if not head.registration.notify:
            return ()
        found: list[Condition] = []
        for receiver in self._of_image(head.name, head):
            try:
                stored = self.records.feeds.find(receiver)
            except UnreadableRow as error:
                found.append(conditions.receiver_unreadable(str(receiver), str(error)))
                continue
            feed = Feed(id=receiver, url="") if stored is None else stored.value
            found += conditions.of_receiver(feed, allows_unsigned=self.signing.sends_unsigned)
        return tuple(found)

    def _of_image(self, image: ImageName, head: ImageHead | None = None) -> Sequence[ReceiverId]:
        registration = (head or self.records.images.get_head(image).value).registration
        return owners.receivers_of(self.effects.documents.definition(registration.definition))

    def _get(self, receiver: ReceiverId, principal: Principal, operation: ApiOperation) -> Stored[Feed]:
        access.demand(operation, principal, owners.subject_of(receiver, self.records, self.effects.documents))
        if receiver.team is None and receiver not in self._of_fleet():
            raise NotFound(f"{receiver} was removed: `imagefactory notify add` adds it again")
        return self.records.feeds.get(receiver)

    def _of_fleet(self) -> dict[ReceiverId, FleetReceiver]:
        return {each.id: each for each in self.records.feeds.fleet_receivers()}

    def _change(self, receiver: ReceiverId, change: Callable[[Feed], Feed]) -> Feed:
        def write(stored: Stored[Feed]) -> Feed:
            changed = change(stored.value)
            self.records.feeds.save(changed, etag=stored.etag)
            return changed

        return changing(
            lambda: self.records.feeds.get(receiver),
            write,
            subject=f"the feed of {receiver}",
            remedy="ask again",
        )

    def _wake(self, receiver: ReceiverId) -> None:
        self.records.notices.open(receiver, self.effects.clock.now())
        self.effects.outbox.deliver(receiver)

    def _first_missed(self, feed: Feed) -> int:
        items = self.records.feeds.list_items(feed.id, first=feed.oldest)
        return min((each.sequence for each in items if each.dead), default=feed.cursor)

    def _first_since(self, feed: Feed, since: datetime) -> int:
        items = self.records.feeds.list_items(feed.id, first=feed.oldest)
        return min((each.sequence for each in items if each.at >= since), default=feed.cursor)

    def _tell(self, feed: Feed, event: Event, principal: Principal, reason: str) -> None:
        """A line in the journal of the image whose fact is the newest in the feed; a new feed has none."""
        item = next(iter(self.records.feeds.list_items(feed.id, first=feed.following - 1, limit=1)), None)
        if item is None:
            return
        detail = f"{feed.id} ({place_of(feed.url)}){': ' if reason else ''}{reason}"
        entry = self.effects.journal.of_image(
            item.fact.image, event, actor=principal.actor, detail=detail[:2000]
        )
        self.records.images.commit([images.add_entry(entry)])

    def _log(self, event: str, receiver: ReceiverId, principal: Principal) -> None:
        self.effects.logs.note(event, receiver=str(receiver), actor=principal.actor.identity)

    def _shown(self, feed: Feed) -> ReceiverView:
        wish = None
        if feed.id.team is None:
            with contextlib.suppress(UnreadableRow):
                wish = self.records.feeds.find_fleet_receiver(feed.id)
        return self._view(feed, None if wish is None else wish.value)

    def _view(self, feed: Feed, wish: FleetReceiver | None) -> ReceiverView:
        now = self.effects.clock.now()
        signs = feeds.signing(feed, now)
        return ReceiverView(
            id=feed.id,
            team=feed.id.team,
            place=place_of(feed.url),
            state=_state_of(feed, has_secret=bool(signs), allows_unsigned=self.signing.sends_unsigned),
            waiting=feed.following - feed.cursor,
            given_up=feed.given_up,
            has_secret=bool(signs),
            former_secret_until=feed.former_until if len(signs) > 1 else None,
            failing_since=feed.failing_since,
            next_try=feed.due,
            accepted_at=feed.accepted_at,
            detail=feed.trouble if feed.off is None else f"{feed.off.why} ({feed.off.by})",
            fleet=wish,
        )


def _state_of(feed: Feed, *, has_secret: bool, allows_unsigned: bool) -> str:
    if feed.off is not None:
        return "switched-off"
    if not has_secret and not allows_unsigned:
        return "no-secret"
    if feed.failing_since is not None:
        return "failing"
    return "working" if has_secret else "unsigned"


def _demand_address(url: str) -> None:
    """The rules of a definition's webhooks. Raises PermanentError (POLICY)."""
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme == "https" and parts.hostname and parts.username is None
        hooks = [Webhook(url=url, events=())] if is_plain else []
        findings = [*steps.check_webhooks(hooks), *placeholders.in_webhooks(hooks)]
    except ValueError:
        is_plain, findings = False, []
    if not is_plain:
        raise PermanentError(
            ErrorClass.POLICY, "the address is not https, or holds credentials: give another one"
        )
    for finding in findings:
        raise PermanentError(ErrorClass.POLICY, f"the address {finding.message}: {finding.remedy}")
