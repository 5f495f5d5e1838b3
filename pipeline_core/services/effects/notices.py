"""Announce journal entries: note each one that a receiver wants, before it is committed, and send a message about it.

An image without a receiver costs nothing here. SecOps' own receivers are read once in some minutes, for all images.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from pipeline_core.domain.errors import AlreadyExists, FactoryError, StaleWrite, UnreadableRow
from pipeline_core.domain.feeds import FeedTurn, turn_of
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Entry, Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.receivers import FleetReceiver, ReceiverId
from pipeline_core.ports import Clock, Logs
from pipeline_core.services.effects.outbox import Outbox
from pipeline_core.state.notifications.feeds import FeedStore
from pipeline_core.state.notifications.notices import Notice, NoticeStore

QUIET = timedelta(minutes=5)  # the writer of a younger notice may still commit its entry
FRESH = timedelta(minutes=5)  # for so long a process does not see that another one changed SecOps' receivers


@dataclass(slots=True)
class _Fleet:
    """SecOps' receivers as this process read them last."""

    receivers: Sequence[FleetReceiver] = ()
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """The announcer of `ImageStore`."""

    store: NoticeStore
    feeds: FeedStore
    outbox: Outbox
    clock: Clock
    logs: Logs
    _fleet: _Fleet = field(default_factory=_Fleet, init=False, repr=False, compare=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    @contextlib.contextmanager
    def announced(self, head: ImageHead | None, entries: Sequence[Entry]) -> Iterator[None]:
        """Around a commit. A notice whose entry was certainly not committed is removed again."""
        notices = [self._notice(head, entry) for entry in entries if self._may_be_wanted(head, entry.event)]
        if not notices:
            yield
            return
        added = self.store.add(notices)
        try:
            yield
        except (AlreadyExists, StaleWrite):
            with contextlib.suppress(FactoryError):  # what stays is removed by the sweep
                self.store.remove(added)
            raise
        try:
            self.outbox.notify(notices[0].image, notices[0].entry)
        except FactoryError as error:  # the commit is done; the sweep announces it
            self.logs.note("notification-waits", image=str(notices[0].image), error=str(error))

    def repair(self) -> int:
        """Ask again for what was noted a while ago and for feeds that can be delivered; how often it asked.

        Normally one read. A feed that is drained or switched off leaves the list.
        """
        now = self.clock.now()
        waiting, opened = self.store.list_all()
        late: dict[ImageName, str] = {}
        for notice in waiting:
            if now >= notice.at + QUIET:
                late.setdefault(notice.image, notice.entry)
        for image, entry in late.items():
            self.outbox.notify(image, entry)
        return len(late) + sum(self._wake(receiver) for receiver in opened)

    def _wake(self, receiver: ReceiverId) -> bool:
        try:
            return self._ask(receiver)
        except UnreadableRow:
            return False  # it is recorded; its row here stays until it can be read

    def _ask(self, receiver: ReceiverId) -> bool:
        stored = self.feeds.find(receiver)
        turn = FeedTurn.DRAINED if stored is None else turn_of(stored.value, self.clock.now())
        if turn in (FeedTurn.DRAINED, FeedTurn.OFF):
            self.store.close(receiver)
            stored = self.feeds.find(receiver)  # a fact that came before the row was removed
            turn = FeedTurn.DRAINED if stored is None else turn_of(stored.value, self.clock.now())
            if turn in (FeedTurn.DRAINED, FeedTurn.OFF):
                return False
            self.store.open(receiver, self.clock.now())
        if turn is not FeedTurn.READY:
            return False
        self.outbox.deliver(receiver)
        return True

    def fleet_receivers(self) -> Sequence[FleetReceiver]:
        """SecOps' receivers, at most some minutes old."""
        now = self.clock.now()
        with self._lock:
            if self._fleet.read_at is not None and now < self._fleet.read_at + FRESH:
                return self._fleet.receivers
        found = self.feeds.fleet_receivers()  # outside of the lock: others need not wait for the table
        with self._lock:
            self._fleet.receivers, self._fleet.read_at = found, now
        return found

    def forget(self) -> None:
        """Read SecOps' receivers at the next entry: this process has changed them."""
        with self._lock:
            self._fleet.read_at = None

    def _may_be_wanted(self, head: ImageHead | None, event: Event) -> bool:
        """Where the head cannot be read, every entry may be wanted: the fan-out decides when it can be read again."""
        return head is None or self._is_wanted(head, event)

    def _is_wanted(self, head: ImageHead, event: Event) -> bool:
        registration = head.registration
        if event.value in registration.notify or (event is Event.REGISTERED and registration.notify):
            return True  # a registration is always looked at: its receivers get their feeds then
        is_base = registration.parent is None
        return any(each.wants(event, is_base=is_base) for each in self.fleet_receivers())

    def _notice(self, head: ImageHead | None, entry: Entry) -> Notice:
        definition = None if head is None else head.registration.definition
        return Notice(image=entry.image, entry=entry.key, definition=definition, at=self.clock.now())
