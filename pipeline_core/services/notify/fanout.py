"""Append journal entries to the feeds of the receivers that want them. Sends nothing to a receiver.

All notices of the image are handled, in the order of their entries, whichever message came. So an entry whose message
was lost goes before a later one. Two handlers at once append the same facts in the same order; a feed takes each once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from pipeline_core.domain import feeds
from pipeline_core.domain.definitions import ImageDefinition
from pipeline_core.domain.errors import FactoryError, NotFound, TransientError, UnreadableRow
from pipeline_core.domain.feeds import Fact, Feed, FeedTurn
from pipeline_core.domain.journal import FACTORY_ITSELF, Entry
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.receivers import ReceiverId
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.ports import Row, Secrets
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.effects.notices import QUIET
from pipeline_core.state.concurrency import changing
from pipeline_core.state.notifications.notices import Notice
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

_FACTS = 50  # facts of one transaction, beside the head and the rows that are removed
_REMOVED = 40


@dataclass(slots=True, kw_only=True)
class _Share:
    """What one receiver gets of an image's news."""

    url: str
    facts: list[Fact] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fanout:
    """From the journal to the feeds."""

    records: Records
    effects: Effects
    secrets: Secrets

    def spread(self, image: ImageName, entry: str) -> None:
        """Append what waits of this image, and `entry` where no notice names it: older releases wrote none.

        Raises UnreadableRow where a notice needs the head and it still cannot be read. The notices stay until then. So
        does the notice of an entry, or for a feed, that cannot be read; then it is raised when the others have theirs.
        """
        notices = sorted(self.records.notices.list(image), key=_entry_of)
        shares: dict[ReceiverId, _Share] = {}
        is_known = any(each.entry == entry for each in notices)
        needs_head = not is_known or any(each.definition is None for each in notices)
        head = self.records.images.find_head(image) if needs_head else None
        now = None if head is None else head.value.registration.definition
        done = [
            each for each in notices if self._gather(shares, image, each.entry, each.definition or now, each)
        ]
        if not is_known:
            if head is None and image != FACTORY_ITSELF:
                self.effects.logs.note("notification-without-entry", image=str(image), entry=entry)
            else:
                self._gather(shares, image, entry, now, None)
        self._hand_out(image, entry, shares, done)

    def _hand_out(
        self, image: ImageName, entry: str, shares: Mapping[ReceiverId, _Share], done: Sequence[Notice]
    ) -> None:
        """Append each share to its feed, then remove the notices of which nothing is left to do."""
        added: list[bool] = []
        failed: dict[ReceiverId, UnreadableRow] = {}
        for receiver, share in sorted(shares.items()):
            try:
                added.append(self._append(receiver, share))
            except UnreadableRow as error:
                failed[receiver] = error
        left = {fact.entry for receiver in failed for fact in shares[receiver].facts}
        self.records.notices.keep(
            [each for each in done if each.entry in left], shares.keys() - failed.keys()
        )
        removed = self.records.notices.remove([each for each in done if each.entry not in left])
        if failed:
            raise next(iter(failed.values()))
        if not removed and not any(added):  # also where another process was faster with each notice
            self.effects.logs.note("notification-known", image=str(image), entry=entry)

    def _gather(
        self,
        shares: dict[ReceiverId, _Share],
        image: ImageName,
        key: str,
        definition: Digest | None,
        notice: Notice | None,
    ) -> bool:
        """True where nothing remains to be done for the notice, once the shares are in the feeds."""
        try:
            entry = self.records.images.find_entry(image, key)
        except UnreadableRow:
            return False  # it is recorded; the other entries go on
        if entry is None:
            is_young = notice is not None and self.effects.clock.now() < notice.at + QUIET
            if not is_young:
                self.effects.logs.note("notification-without-entry", image=str(image), entry=key)
            return not is_young
        known_to = frozenset[ReceiverId]() if notice is None else notice.known_to
        if image == FACTORY_ITSELF:
            self._share(shares, entry, self._of_fleet(entry, is_base=False), known_to)
            return True
        if definition is None:  # the image was deleted meanwhile, so nobody is subscribed any more
            self.effects.logs.note("notification-without-entry", image=str(image), entry=key)
            return True
        try:
            document = self.effects.documents.definition(definition)
        except TransientError:
            raise
        except FactoryError as error:  # it cannot be read by any later try either
            self.effects.logs.note(
                "notification-dropped", image=str(image), entry=key, error=str(error)[:300]
            )
            return True
        self._share(shares, entry, self._receivers(entry, document), known_to)
        return True

    def _share(
        self,
        shares: dict[ReceiverId, _Share],
        entry: Entry,
        receivers: Iterable[tuple[ReceiverId, str, bool]],
        known_to: Set[ReceiverId],
    ) -> None:
        for receiver, url, is_wanted in receivers:
            if receiver in known_to:
                continue
            share = shares.setdefault(receiver, _Share(url=url))
            if is_wanted:
                share.facts.append(Fact(image=entry.image, entry=entry.key, event=entry.event.value))

    def _receivers(self, entry: Entry, document: ImageDefinition) -> Iterator[tuple[ReceiverId, str, bool]]:
        for hook in document.notify:
            yield ReceiverId.of(hook.url, document.team), hook.url, entry.event.value in hook.events
        yield from self._of_fleet(entry, is_base=isinstance(document.origin, MarketplaceSource))

    def _of_fleet(self, entry: Entry, *, is_base: bool) -> Iterator[tuple[ReceiverId, str, bool]]:
        for each in self.effects.notices.fleet_receivers():
            if each.wants(entry.event, is_base=is_base):
                yield each.id, each.url, True

    def _append(self, receiver: ReceiverId, share: _Share) -> bool:
        """True where the feed got a fact, or is new."""
        stored = self.records.feeds.find(receiver)
        is_new = stored is None
        if stored is None:
            self.ensure(receiver, share.url)
            stored = self.records.feeds.get(receiver)
        if not share.facts:
            return is_new
        self.records.notices.open(receiver, self.effects.clock.now())
        before = stored.value.following
        for at in range(0, len(share.facts), _FACTS):
            stored = self._write(receiver, share.facts[at : at + _FACTS], stored)
        if feeds.turn_of(stored.value, self.effects.clock.now()) is FeedTurn.READY:
            self.effects.outbox.deliver(receiver)
        return is_new or stored.value.following > before

    def ensure(self, receiver: ReceiverId, url: str) -> None:
        """Create the feed of a receiver. A secret that the vault has already is used: the tables may have been lost."""
        try:
            version = self.secrets.get(receiver.secret_name).version
        except NotFound:
            version = ""
        self.records.feeds.create(Feed(id=receiver, url=url, secret=version))

    def _write(self, receiver: ReceiverId, facts: Sequence[Fact], known: Stored[Feed]) -> Stored[Feed]:
        def write(stored: Stored[Feed]) -> Stored[Feed]:
            feed, items = feeds.append(stored.value, facts, self.effects.clock.now())
            if not items:
                return stored
            rows = self._oldest(feed)
            feed = feeds.trimmed(feed, len(rows))
            etag = self.records.feeds.save(feed, etag=stored.etag, added=items, removed=rows)
            return Stored(value=feed, etag=etag)

        return changing(
            lambda: self.records.feeds.get(receiver), write, known=known, subject=f"the feed of {receiver}"
        )

    def _oldest(self, feed: Feed) -> Sequence[Row]:
        """The rows that a long feed no longer keeps."""
        spare = feed.following - feed.oldest - feeds.KEPT
        if spare < _REMOVED:
            return ()
        return self.records.feeds.item_rows(feed.id, first=feed.oldest, limit=_REMOVED)


def _entry_of(notice: Notice) -> str:
    return notice.entry
