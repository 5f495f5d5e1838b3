"""Record a message that could not be handled, mark its image and build, and notify people. Nothing disappears.

The host may kill a recording between any two calls, and calls it again. One delivery still gives one record,
one journal line and one notification. Only a kill right after the notification was sent can send it twice.
"""

import contextlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pipeline_core.domain import poison
from pipeline_core.domain.errors import InvalidValue, MalformedMessage, PermanentError, StaleWrite
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Entry, Event, entry_key
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.domain.poison import PoisonRecord, PoisonState
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.effects.journal import FACTORY
from pipeline_core.services.poison.marks import PoisonMarks
from pipeline_core.services.poison.stuck_builds import StuckBuilds
from pipeline_core.state.poison import PoisonStore
from pipeline_core.state.records import Stored
from pipeline_core.wire import messages

_ERROR_LIMIT = 500  # characters
_OFTEN = 3  # poisoned steps of one build: of five deliveries each, and at least ten minutes apart
_CLOSED = {PoisonState.REQUEUED: Event.REQUEUED, PoisonState.DISMISSED: Event.DISMISSED}
_MESSAGES: dict[str, type[messages.Message]] = {
    messages.REBUILD_REQUESTS: messages.RebuildMessage,
    messages.DISPATCH_REQUESTS: messages.DispatchMessage,
    messages.BUILD_STEPS: messages.StepMessage,
    messages.BUILD_EVENTS: messages.BuildEventMessage,
    messages.IMAGE_PUBLISHED: messages.PublishedMessage,
    messages.NOTIFICATION_REQUESTS: messages.NotificationMessage,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonRecorder:
    """Records poisoned messages. People close the records with `PoisonReview`."""

    store: PoisonStore
    marks: PoisonMarks
    stuck: StuckBuilds
    effects: Effects

    def record(self, queue: str, text: str, *, message_id: str = "", put_at: datetime | None = None) -> None:
        """Keep the message, mark the image and the build that it points at, and notify the image's owners.

        `message_id` and `put_at` (the time at which the message came into the poison queue) stay the same
        however often the host gives out the message. Without them, a message that the host gives out twice is
        recorded twice.
        """
        known = poison.delivery_nonce(queue, message_id) if message_id and put_at is not None else ""
        at = self.effects.clock.now() if put_at is None or not known else put_at.astimezone(UTC)
        key = poison.poison_key(at, known or self.effects.chance.nonce())
        stored = self.store.add(_record_of(key, queue, text, at))
        record = stored.value
        if not record.announce:
            self.effects.logs.note("poison-recorded-before", queue=queue, record=record.key)
            return
        self.effects.logs.note(
            "message-poisoned", queue=queue, record=record.key, image=str(record.image or "")
        )
        self._announce(stored)

    def _announce(self, stored: Stored[PoisonRecord]) -> None:
        record = stored.value
        entry = None if record.image is None else _entry_of(record, record.image)
        head = None if entry is None else self._mark(record, entry)
        if head is not None and record.build is not None and _has_failed_often(head, record):
            self.stuck.give_up(record.build, record)
        if entry is not None and head is not None and entry.event.value in head.registration.notify:
            self.effects.outbox.notify(entry.image, entry.key)
        try:
            self.store.replace(replace(record, announce=False), etag=stored.etag)
        except StaleWrite:
            self._give_way(record, entry)

    def _mark(self, record: PoisonRecord, entry: Entry) -> ImageHead | None:
        """Mark the image. An image that cannot be marked has the record all the same, or it would come for ever."""
        try:
            return self.marks.show(record, entry)
        except PermanentError as error:
            self.effects.logs.note(
                "image-not-marked", image=str(entry.image), record=record.key, error=str(error)[:_ERROR_LIMIT]
            )
            return None

    def _give_way(self, record: PoisonRecord, entry: Entry | None) -> None:
        """Another recorder wrote the record. If a person has closed it meanwhile, remove the mark again."""
        event = _CLOSED.get(self.store.get(record.key).value.state)
        if entry is not None and event is not None:
            now = self.effects.clock.now()
            detail = f"{record.key} was closed while it was being recorded"
            closed = replace(
                entry, key=entry_key(now, self.effects.chance.nonce()), at=now, event=event, detail=detail
            )
            with contextlib.suppress(PermanentError):
                self.marks.hide(record, closed)


def _record_of(key: str, queue: str, text: str, at: datetime) -> PoisonRecord:
    kept, is_whole = poison.kept_text(text)
    image, build = _subject_of(text)
    return PoisonRecord(
        key=key,
        queue=queue,
        text=kept,
        at=at,
        size=len(text.encode("utf-8", "replace")),
        is_whole=is_whole,
        image=image,
        build=build,
        error=_error_of(queue, text),
    )


def _has_failed_often(head: ImageHead, record: PoisonRecord) -> bool:
    """True where the image shows several open records about well-formed steps of this build."""
    steps = [
        mark for mark in head.poison if mark.build == record.build and mark.queue == messages.BUILD_STEPS
    ]
    return record.queue == messages.BUILD_STEPS and record.error is None and len(steps) >= _OFTEN


def _entry_of(record: PoisonRecord, image: ImageName) -> Entry:
    """Every call gives the same entry, so that the entry is written once."""
    return Entry(
        key=entry_key(record.at, record.nonce),
        image=image,
        at=record.at,
        event=Event.STALLED,
        actor=FACTORY,
        build=record.build,
        detail=(
            f"a message of {record.queue} could not be handled; it is kept as {record.key}: "
            "repair the cause, then requeue or dismiss it"
        ),
    )


def _subject_of(text: str) -> tuple[ImageName | None, BuildId | None]:
    """The image and the build that a message points at, as far as it can be read at all."""
    try:
        fields = json.loads(text)
        if isinstance(fields, dict) and isinstance(fields.get("image"), str):
            return ImageName(fields["image"]), None
        if isinstance(fields, dict) and isinstance(fields.get("build"), str):
            build = BuildId(fields["build"])
            return build.image, build
    except (ValueError, RecursionError, InvalidValue):
        return None, None
    return None, None


def _error_of(queue: str, text: str) -> str | None:
    """The problem in the text itself. None if the text is well-formed, because then its handler failed."""
    kind = _MESSAGES.get(queue)
    if kind is None:
        return f"{queue} is not a queue of this factory"[:_ERROR_LIMIT]
    try:
        kind.from_wire(text)
    except (MalformedMessage, RecursionError, UnicodeError) as error:
        return poison.kept_text(str(error))[0][:_ERROR_LIMIT]
    return None
