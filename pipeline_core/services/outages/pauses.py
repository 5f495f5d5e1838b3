"""SecOps pause and resume the whole factory. No container group is created from the moment at which it is paused.

A pause first stops every payment for a creation (`state.pauses`). Then it closes the creations that were paid for
before. A creation is the first writer of a numbered note in its attempt's folder. The pause writes the next note of
each attempt that may be created, so every handler that counted the notes before comes too late. Who counts them
later must ask the row of the pause, because there is a note. A note that was written just before the pause may have
its call under way: the pause is complete when that call has ended.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from pipeline_core.domain import access, attempts, pauses
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.attempts import AttemptGroup
from pipeline_core.domain.builds import Build
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, TransientError, UnreadableRow
from pipeline_core.domain.journal import FACTORY_ITSELF, Event, standing_key
from pipeline_core.domain.names import BuildId
from pipeline_core.domain.pauses import FactoryPause, PauseState
from pipeline_core.ports import Blobs, Containers, Principal
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state import images as rows
from pipeline_core.state.concurrency import RACED, changing
from pipeline_core.state.outages.pauses import StoredPause
from pipeline_core.state.stores import Records

_NOTES = 5000  # of one attempt; a creation that waits for quota leaves one each half hour
_TRIES = 8  # to write the next note of one attempt; each lost try means that a handler wrote one
_SUBJECT = "the pause of the factory"

Done = TypeVar("Done")


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseView:
    """What holds now. `pause` is the newest pause, or its end; None where nobody has ever paused the factory."""

    state: PauseState
    pause: FactoryPause | None
    text: str  # one line for people; empty where the factory is not paused


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """Everybody who may read sees the pause. SecOps alone change it."""

    records: Records
    blobs: Blobs
    containers: Containers
    effects: Effects

    def show(self) -> PauseView:
        """What holds now. One point read. Raises UnreadableRow."""
        return self._view(self.records.pauses.find().value)

    def text(self) -> str:
        """One line for people about a pause that holds; empty where none does. One point read."""
        return self.records.pauses.text(self.effects.clock.now())

    def pause(self, principal: Principal, reason: str) -> PauseView:
        """Pause the factory, or look again whether a pause is complete. A second reason changes nothing.

        Raises PermanentError (PERMISSION; POLICY without a reason), UnreadableRow, TransientError: ask again.
        """
        access.demand(ApiOperation.PAUSE_FACTORY, principal)
        given = access.demand_reason(reason, "the factory's journal")

        def begin(stored: StoredPause) -> FactoryPause:
            if stored.value is not None and stored.value.is_paused and stored.row is not None:
                return stored.value
            begun = self._decided(stored, principal, given, is_paused=True)
            self.records.pauses.copy(begun)
            self.records.pauses.put(begun, stored)
            self._note("factory-paused", begun, principal)
            return begun

        begun = self._changing(begin)
        self._record(begun)
        return self._view(self._complete(begun))

    def resume(self, principal: Principal, reason: str = "") -> PauseView:
        """End the pause, and set everything going. Safe to repeat.

        Raises PermanentError (PERMISSION), UnreadableRow, TransientError: ask again.
        """
        access.demand(ApiOperation.RESUME_FACTORY, principal)

        def end(stored: StoredPause) -> FactoryPause | None:
            if stored.value is None or not stored.value.is_paused:
                return stored.value
            ended = self._decided(stored, principal, reason.strip(), is_paused=False)
            self.records.pauses.put(ended, stored)
            self._note("factory-resumed", ended, principal)
            return ended

        ended = self._changing(end)
        if ended is not None:
            self.records.pauses.copy(ended)
            self._record(ended)
            self._set_going()
        return self._view(ended)

    def complete(self) -> bool:
        """For the sweep: complete a pause whose request has died. True where there was one."""
        found = self.records.pauses.find().value
        if found is None or not found.is_paused or found.settles_at is not None:
            return False
        self._record(found)
        self._complete(found)
        return True

    def _complete(self, begun: FactoryPause) -> FactoryPause:
        """Close what was paid for before the pause, once. The pause as it is stored then."""
        if begun.settles_at is not None:
            return begun
        under_way = [self._close(group) for group in self._open_groups()]
        settles_at = self.effects.clock.now() + (pauses.LONGEST if any(under_way) else timedelta(0))

        def settle(stored: StoredPause) -> FactoryPause:
            value = stored.value
            if value is None or value.revision != begun.revision or value.settles_at is not None:
                return begun if value is None else value
            settled = replace(value, settles_at=settles_at)
            self.records.pauses.put(settled, stored)
            return settled

        return self._changing(settle)

    def _open_groups(self) -> Iterator[AttemptGroup]:
        """The attempts whose group may still be created: those that were paid for, and those that run now."""
        for identity, (stage, number) in self.records.capacity.paid_attempts().items():
            paid = attempts.group(identity, stage, number)
            yield paid
            build = self._build(identity)
            yield from ((each for each in attempts.groups_of(build)[:1] if each != paid) if build else ())

    def _close(self, group: AttemptGroup) -> bool:
        """Take the turn of the next creation. True where a call of an earlier turn may be under way."""
        folder = f"{group.folder}/{attempts.LAUNCH}"
        for _ in range(_TRIES):
            notes = self.blobs.list("builds", folder, limit=_NOTES)
            name = f"{group.folder}/{attempts.launched(len(notes) + 1)}"
            with contextlib.suppress(AlreadyExists):
                self.blobs.create("builds", name, b"{}", media_type="application/json")
                return self._is_under_way(group, [facts.changed_at for facts in notes])
        raise TransientError(ErrorClass.CONFLICT, f"{group.folder} is being created by others: pause again")

    def _is_under_way(self, group: AttemptGroup, notes: list[datetime]) -> bool:
        """One note is one call. The call of a first note has ended where its group exists."""
        now = self.effects.clock.now()
        if not any(now <= at + pauses.LONGEST for at in notes):
            return False
        return len(notes) > 1 or self.containers.find_group(group.name) is None

    def _set_going(self) -> None:
        """Ask for the slots, and for the next step of each build that waits with one."""
        self.effects.outbox.dispatch("resumed")
        for identity in self.records.capacity.paid_attempts():
            build = self._build(identity)
            if build is not None and build.phase.has_container:
                self.effects.outbox.step(build, reason="resumed")

    def _build(self, identity: BuildId) -> Build | None:
        """The build; None where it is gone, or where this release cannot read it, and so creates nothing for it."""
        with contextlib.suppress(UnreadableRow):
            stored = self.records.images.find_build(identity)
            return None if stored is None else stored.value
        return None

    def _decided(
        self, stored: StoredPause, principal: Principal, reason: str, *, is_paused: bool
    ) -> FactoryPause:
        return FactoryPause(
            revision=self.records.pauses.following(stored),
            is_paused=is_paused,
            reason=reason,
            actor=principal.actor.name,
            identity=principal.actor.identity,
            at=self.effects.clock.now(),
        )

    def _changing(self, change: Callable[[StoredPause], Done]) -> Done:
        return changing(self.records.pauses.find, change, subject=_SUBJECT, lost=RACED)

    def _record(self, pause: FactoryPause) -> None:
        """The line in the factory's journal, which SecOps' receivers get: once for each revision."""
        event = Event.FACTORY_PAUSED if pause.is_paused else Event.FACTORY_RESUMED
        entry = replace(
            self.effects.journal.of_image(FACTORY_ITSELF, event, actor=pause.by, detail=pause.reason),
            key=standing_key(pause.at, f"pause {pause.revision}"),
            at=pause.at,
        )
        with contextlib.suppress(AlreadyExists):
            self.records.images.commit([rows.add_entry(entry)])

    def _note(self, event: str, pause: FactoryPause, principal: Principal) -> None:
        actor = principal.actor.identity
        self.effects.logs.note(event, revision=pause.revision, reason=pause.reason[:300], actor=actor)

    def _view(self, pause: FactoryPause | None) -> PauseView:
        now = self.effects.clock.now()
        return PauseView(state=pauses.state_of(pause, now), pause=pause, text=pauses.text_of(pause, now))
