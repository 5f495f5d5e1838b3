"""The rules of notifications: noted before the commit, a wait that grows, one fact after the other, in order."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pipeline_core.domain import feeds
from pipeline_core.domain.feeds import Feed
from pipeline_core.services.notify import fanout
from pipeline_core.state.notifications.notices import Notice, NoticeStore
from simulation.sabotage.shape import Sabotage, replaced

_CHAPTERS = ("webhooks",)


@contextlib.contextmanager
def _notes_nothing() -> Iterator[None]:
    """Only a message says that there is news."""

    def add(_store: NoticeStore, notices: Sequence[Notice]) -> Sequence[Notice]:
        return notices

    with replaced(NoticeStore, "add", add):
        yield


@contextlib.contextmanager
def _never_waits() -> Iterator[None]:
    """A receiver that fails is asked again at once."""

    with replaced(feeds, "wait", lambda tries: timedelta(seconds=5)):
        yield


@contextlib.contextmanager
def _skips_what_failed() -> Iterator[None]:
    """A fact that was not accepted is forgotten, so that the next one has its turn."""

    def failed(feed: Feed, *given: Any, **named: Any) -> tuple[Feed, str]:
        return replace(feed, cursor=feed.cursor + 1, busy_until=None), ""

    with replaced(feeds, "failed", failed):
        yield


@contextlib.contextmanager
def _newest_first() -> Iterator[None]:
    """What waits of an image goes into the feeds newest first."""

    def order(notice: Notice) -> tuple[int, ...]:
        return tuple(-ord(letter) for letter in notice.entry)

    with replaced(fanout, "_entry_of", order):
        yield


_failed = feeds.failed  # before it is replaced


@contextlib.contextmanager
def _hears_no_wait() -> Iterator[None]:
    """What a receiver says of the time until the next try is not heard."""

    def failed(*given: Any, asked: timedelta | None = None) -> tuple[Feed, str]:
        return _failed(*given)

    with replaced(feeds, "failed", failed):
        yield


RULES = (
    Sabotage(rule="rule-18-noted-before-commit", patch=_notes_nothing, chapters=_CHAPTERS),
    Sabotage(rule="rule-18-own-wait", patch=_never_waits, faults="light", chapters=_CHAPTERS),
    Sabotage(rule="rule-18-at-least-once", patch=_skips_what_failed, faults="light", chapters=_CHAPTERS),
    Sabotage(rule="rule-18-in-order", patch=_newest_first, chapters=_CHAPTERS),
    Sabotage(rule="receivers-wait-is-kept", patch=_hears_no_wait, faults="light", chapters=_CHAPTERS),
)
