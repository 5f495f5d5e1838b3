"""People's actions on poisoned messages: look at them, send them to their queue again, put them aside.

Requeue sends the message first and closes the record last. A kill in between leaves an open record. A second
requeue then sends a second message, and every receiver handles a doubled message safely.
"""

import contextlib
from dataclasses import dataclass, replace

from pipeline_core.domain import access, poison
from pipeline_core.domain.access import Subject
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, PermanentError, StaleWrite, UnreadableRow
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.poison import PoisonRecord, PoisonState
from pipeline_core.ports import Principal, Queues
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.poison.marks import PoisonMarks
from pipeline_core.state.poison import PoisonPage
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records
from pipeline_core.wire import resent
from pipeline_core.wire.messages import QUEUES

PAGE_LIMIT = 100  # records a page holds at most


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonReview:
    """SecOps and readers see every record. A team sees the records of its own images, and closes only those."""

    records: Records
    marks: PoisonMarks
    queues: Queues
    effects: Effects

    def page(
        self,
        principal: Principal,
        *,
        state: PoisonState | None = None,
        after: str = "",
        limit: int = PAGE_LIMIT,
    ) -> PoisonPage:
        """A page of records, newest first. It holds fewer than `limit` if the caller may not see some of them."""
        page = self.records.poison.page(after=after, limit=min(limit, PAGE_LIMIT))
        known: dict[ImageName, Subject] = {}
        seen = []
        for record in page.records:
            if state is not None and record.state is not state:
                continue
            if access.allows(ApiOperation.LIST_POISON, principal, self._subject_of(record, known)):
                seen.append(record)
        return replace(page, records=tuple(seen))

    def requeue(self, key: str, principal: Principal) -> PoisonRecord:
        """Send the text to its queue again, exactly but for the count of how often it was sent again.

        Raises NotFound, and PermanentError (PERMISSION) for another team's record. Raises AlreadyExists if the
        record was closed before, and PermanentError (POLICY) if the record does not hold the whole text.
        """
        stored = self._record(key, principal, ApiOperation.REQUEUE_POISON)
        _demand_open(stored.value)
        record = stored.value
        if not record.is_whole or record.queue not in QUEUES:
            raise PermanentError(
                ErrorClass.POLICY,
                f"{key} cannot be sent again: its text was cut or is not text; dismiss it, the sweep repairs",
            )
        self.queues.send(record.queue, resent.uncounted(record.text))
        return self._close(stored, PoisonState.REQUEUED, Event.REQUEUED, principal)

    def dismiss(self, key: str, principal: Principal) -> None:
        """Put a message aside. A second dismissal changes nothing. Raises as `requeue`."""
        stored = self._record(key, principal, ApiOperation.DISMISS_POISON)
        if stored.value.state is PoisonState.DISMISSED:
            return
        _demand_open(stored.value)
        self._close(stored, PoisonState.DISMISSED, Event.DISMISSED, principal)

    def _close(
        self, stored: Stored[PoisonRecord], state: PoisonState, event: Event, principal: Principal
    ) -> PoisonRecord:
        record = stored.value
        if record.image is not None:
            entry = self.effects.journal.of_image(
                record.image,
                event,
                actor=principal.actor,
                detail=f"{record.key}, a message of {record.queue}",
            )
            with contextlib.suppress(UnreadableRow):  # then nothing shows the mark
                self.marks.hide(record, entry)
        closed = poison.close(record, state, principal.actor, self.effects.clock.now())
        try:
            self.records.poison.replace(closed, etag=stored.etag)
        except StaleWrite as error:
            _demand_open(self.records.poison.get(record.key).value)
            raise AlreadyExists(f"{record.key} is being changed by another request: look again") from error
        self.effects.logs.note(
            "poison-closed",
            record=record.key,
            queue=record.queue,
            image=str(record.image or ""),
            state=state.value,
            actor=principal.actor.identity,
        )
        return closed

    def _record(self, key: str, principal: Principal, operation: ApiOperation) -> Stored[PoisonRecord]:
        stored = self.records.poison.get(key)
        access.demand(operation, principal, self._subject_of(stored.value, {}))
        return stored

    def _subject_of(self, record: PoisonRecord, known: dict[ImageName, Subject]) -> Subject:
        """The image that the message is about, as it is owned now. `known` keeps those that a page has looked up.

        Nobody owns it where it names no image, where the image is not registered, or where its row cannot be read.
        """
        if record.image is None:
            return access.FACTORY
        if record.image not in known:
            known[record.image] = self._image(record.image)
        return known[record.image]

    def _image(self, image: ImageName) -> Subject:
        try:
            head = self.records.images.find_head(image)
        except UnreadableRow:
            return access.FACTORY
        return access.FACTORY if head is None else head.value.registration.subject


def _demand_open(record: PoisonRecord) -> None:
    if record.state is not PoisonState.OPEN:
        raise AlreadyExists(f"{record.key} was {record.state.value} by {record.closed_by} already")
